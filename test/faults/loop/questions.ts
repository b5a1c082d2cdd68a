// Questions to ClickHouse with the client that people have, and receipts that are checked.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { type ClickHouseClient, createClient } from '@clickhouse/client';
import { ClickHouseSql } from '../../../infra/clickhouse/client.ts';
import { systemClock } from '../../../infra/clock.ts';
import { demoDefinitions } from '../../../infra/demo/demo.ts';
import { clickhouseUrlOf } from '../../../infra/settings.ts';
import { type DemoReport, type Platform } from '../platform.ts';

const endpoint = demoDefinitions().find((definition) => definition.kind === 'endpoint');
assert.ok(endpoint !== undefined);
const { inputs } = endpoint;

const AUC_PER_MONTH = `
  SELECT formatDateTime(prediction_time, '%Y-%m') AS month, version, count() AS rows,
         arrayROCAUC(groupArray(score), groupArray(label)) AS auc
  FROM millrace.flight_delay_results WHERE purpose = 'live' GROUP BY month, version ORDER BY month, version`;
const RESULTS = `
  SELECT formatDateTime(prediction_time, '%Y-%m') AS month, version, score, label
  FROM millrace.flight_delay_results WHERE purpose = 'live'`;
const ROWS_OF_PREDICTION = `
  SELECT r.view AS view, r.entity_key AS entity, toUnixTimestamp64Milli(r.event_time) AS ms
  FROM millrace.flight_delay_predictions ARRAY JOIN rows AS r WHERE prediction_id = {id:String} ORDER BY view`;
/** The row itself, found by what the prediction names. */
const rowOfView = (view: string): string => `
  SELECT f.* FROM millrace.features_${view} AS f INNER JOIN (
    SELECT r.entity_key AS entity_key, assumeNotNull(r.event_time) AS event_time
    FROM millrace.flight_delay_predictions ARRAY JOIN rows AS r
    WHERE prediction_id = {id:String} AND r.view = {view:String} AND isNotNull(r.event_time)
  ) AS p ON f.entity_key = p.entity_key AND f.event_time = p.event_time`;

async function ask<T>(client: ClickHouseClient, query: string, params: Record<string, unknown> = {}): Promise<T[]> {
  const answer = await client.query({ query, query_params: params, format: 'JSONEachRow' });
  return answer.json<T>();
}

interface Scored {
  readonly month: string;
  readonly version: number;
  readonly score: number;
  readonly label: number;
}

/** The share of pairs of a positive and a negative in which the positive scores more, ties half: pair by pair. */
function naiveAuc(rows: readonly Scored[]): number {
  const positives = rows.filter(({ label }) => label === 1);
  const negatives = rows.filter(({ label }) => label === 0);
  let won = 0;
  for (const positive of positives)
    for (const negative of negatives)
      won += positive.score > negative.score ? 1 : positive.score === negative.score ? 0.5 : 0;
  return won / (positives.length * negatives.length);
}

export function checkQuestions(platform: () => Platform, report: () => DemoReport): void {
  it('the ClickHouse client is told the AUC per month and model version', async () => {
    const client = createClient({ url: clickhouseUrlOf(platform().settings) });
    try {
      const told = await ask<{ month: string; version: number; rows: string; auc: number }>(client, AUC_PER_MONTH);
      const all = await ask<Scored>(client, RESULTS);
      assert.ok(told.length > 0);
      assert.equal(
        told.reduce((sum, { rows }) => sum + Number(rows), 0),
        all.length,
      );
      for (const { month, version, auc } of told) {
        const own = all.filter((one) => one.month === month && one.version === version);
        assert.ok(Math.abs(auc - naiveAuc(own)) < 1e-12, `${month}, version ${version}: ${auc}, ${naiveAuc(own)}`);
        const reported = report().auc.find(
          (row) => row.month === month && row.model_version === version && row.purpose === 'live',
        );
        assert.equal(reported?.auc, Math.round(auc * 1e4) / 1e4);
      }
    } finally {
      await client.close();
    }
  });

  it('and which feature rows made a prediction, with their values', async () => {
    const client = createClient({ url: clickhouseUrlOf(platform().settings) });
    try {
      const [prediction] = await ask<{ prediction_id: string; features: (number | null)[] }>(
        client,
        "SELECT prediction_id, features FROM millrace.flight_delay_predictions WHERE purpose = 'live' AND NOT has(features, NULL) LIMIT 1",
      );
      assert.ok(prediction !== undefined, 'no prediction had all its features');
      const id = prediction.prediction_id;
      const rows = await ask<{ view: string; entity: string; ms: string }>(client, ROWS_OF_PREDICTION, { id });
      assert.deepEqual(
        rows.map(({ view }) => view),
        [...new Set(inputs.flatMap(({ from }) => (from === 'request' ? [] : [from])))].sort(),
      );
      let compared = 0;
      for (const { view, entity } of rows) {
        const [row] = await ask<Record<string, unknown>>(client, rowOfView(view), { id, view });
        assert.equal(row?.['entity_key'], entity);
        for (const [index, { name, from }] of inputs.entries()) {
          if (from !== view) continue;
          assert.equal(row[name], prediction.features[index], name);
          compared += 1;
        }
      }
      assert.equal(compared, inputs.filter(({ from }) => from !== 'request').length);
    } finally {
      await client.close();
    }
  });
}

interface Verified {
  readonly ok: boolean;
  readonly checks: readonly { readonly name: string; readonly ok: boolean }[];
}

/** What is altered in a copy, and which check has to find it. */
const ALTERED: readonly { readonly change: string; readonly finds: string }[] = [
  { change: 'score + 1e-16 AS score', finds: 'score' },
  {
    change: 'arrayMap((value, at) -> if(at = 7, value + 1, value), features, arrayEnumerate(features)) AS features',
    finds: 'request',
  },
  {
    change: 'arrayMap((value, at) -> if(at = 10, value + 1, value), features, arrayEnumerate(features)) AS features',
    finds: 'rows of origin_departures',
  },
  { change: "replaceOne(weights_sha256, substring(weights_sha256, 1, 1), 'x') AS weights_sha256", finds: 'weights' },
];

export function checkReceipts(platform: () => Platform): void {
  const verify = async (id: string): Promise<{ code: number; verified: Verified }> => {
    const { code, out, told } = await platform().ask(['verify', id, '--json']);
    assert.ok(out.startsWith('{'), told);
    return { code, verified: JSON.parse(out) as Verified };
  };

  it('millrace verify passes a prediction, and fails a copy with anything altered', async () => {
    const sql = new ClickHouseSql(clickhouseUrlOf(platform().settings), systemClock);
    const table = 'millrace.flight_delay_predictions';
    const found = await sql.query<{ id: string }>(
      `SELECT prediction_id AS id FROM ${table} WHERE purpose = 'live' AND score > 0.1 AND score < 0.9 AND NOT has(features, NULL) ORDER BY sipHash64(prediction_id) LIMIT 2`,
    );
    assert.equal(found.length, 2);
    for (const { id } of found) {
      const { code, verified } = await verify(id);
      assert.deepEqual([code, verified.ok], [0, true], JSON.stringify(verified.checks));
    }
    for (const [index, { change, finds }] of ALTERED.entries()) {
      const copy = `altered-${index}`;
      await sql.exec(
        `INSERT INTO ${table} SELECT * REPLACE ('${copy}' AS prediction_id, ${change}) FROM (SELECT * FROM ${table} WHERE prediction_id = '${found[0]?.id ?? ''}')`,
      );
      const { code, verified } = await verify(copy);
      assert.deepEqual([code, verified.ok], [1, false], copy);
      const failing = verified.checks.flatMap(({ name, ok }) => (ok ? [] : [name]));
      assert.ok(failing.includes(finds), `${change}: ${failing.join(', ')} found it, not ${finds}`);
    }
    assert.match((await platform().ask(['verify', 'nobody:m:1:live'])).told, /There is no prediction nobody/);
  });
}
