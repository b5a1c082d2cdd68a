// Features as of requests, from the warehouse and from the predictions' receipts, against the naive computation: bit for bit.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { ClickHouseSql } from '../../../infra/clickhouse/client.ts';
import { systemClock } from '../../../infra/clock.ts';
import { demoDefinitions } from '../../../infra/demo/demo.ts';
import { clickhouseUrlOf } from '../../../infra/settings.ts';
import { topicNames } from '../../../schemas/topics.ts';
import { trainingSetSql } from '../../../serving/analytics/training-set.ts';
import { type Platform } from '../platform.ts';
import { drawn } from '../storm.ts';
import { type Keys, NaiveFeatures } from './naive-features.ts';

const REQUESTS = 10_000;
const YEAR_MS = 365 * 86_400_000;

const views = demoDefinitions().filter((definition) => definition.kind === 'feature_view');
const endpoint = demoDefinitions().find((definition) => definition.kind === 'endpoint');
assert.ok(endpoint !== undefined);
const inputs = endpoint.inputs;
const featureNames = inputs.filter(({ from }) => from !== 'request').map(({ name }) => name);

function askerOf(platform: Platform): ClickHouseSql {
  return new ClickHouseSql(clickhouseUrlOf(platform.settings), systemClock);
}

/** What each request asks about, by its id. */
async function keysOf(sql: ClickHouseSql): Promise<Map<string, Keys>> {
  const rows = await sql.query<{
    id: string;
    ms: number;
    origin: string;
    carrier: string;
    dest: string;
    tail: string | null;
  }>(
    'SELECT request_id AS id, toUnixTimestamp64Milli(requested_at) AS ms, origin, carrier, destination AS dest, tail_number AS tail FROM millrace.flight_delay_requests',
  );
  return new Map(
    rows.map(({ id, ms, origin, carrier, dest, tail }) => [
      id,
      { requestedMs: ms, origin, carrier, destination: dest, tail },
    ]),
  );
}

/** Counts the nulls, so that nobody mistakes a comparison of nothing for one of everything. */
class Comparison {
  readonly nulls = new Map<string, number>();
  compared = 0;

  check(id: string, expected: ReadonlyMap<string, number | null>, found: (name: string) => unknown): void {
    for (const name of featureNames) {
      const value = expected.get(name);
      assert.ok(value !== undefined, `the naive computation has no ${name}`);
      assert.ok(Object.is(found(name), value), `${name} of ${id} is ${String(found(name))}, counted ${String(value)}`);
      if (value === null) this.nulls.set(name, (this.nulls.get(name) ?? 0) + 1);
      this.compared += 1;
    }
  }
}

export interface Slice {
  readonly fromMs: number;
  readonly untilMs: number;
  readonly naive: () => NaiveFeatures;
}

/**
 * The raw file is read when the first test asks, once.
 * @param sample one aircraft in so many
 */
export function sliceOf(sample: number, fromMs: number, untilMs: number): Slice {
  let naive: NaiveFeatures | null = null;
  return { fromMs, untilMs, naive: () => (naive ??= new NaiveFeatures(sample, untilMs)) };
}

/** As of their times by the training set's join, on requests drawn from a slice. */
export function checkDrawnFeatures(platform: () => Platform, { fromMs, untilMs, naive: naiveOf }: Slice): void {
  it('every feature of 10,000 requests is what a naive computation over the raw file gives, bit for bit', async (context) => {
    const seed = Number(process.env['MILLRACE_TEST_SEED'] ?? Date.now() % 100_000);
    context.diagnostic(`seed ${seed} (repeat with MILLRACE_TEST_SEED=${seed})`);
    const random = drawn(seed);
    const naive = naiveOf();
    const sql = askerOf(platform());
    const keys = await keysOf(sql);
    const inSlice = (timeMs: number): boolean => timeMs >= fromMs && timeMs < untilMs;
    assert.equal(
      [...keys.values()].filter(({ tail, requestedMs }) => tail !== null && inSlice(requestedMs)).length,
      naive.requestTimesMs.filter(inSlice).length,
      'requests in the warehouse, and in the raw file',
    );
    const entityOf = new Map(views.map(({ name, entity }) => [name, entity]));
    const range = { fromMs, toMs: untilMs, cutoffMs: untilMs + YEAR_MS };
    const rows = await sql.query<Record<string, unknown>>(
      trainingSetSql(endpoint ?? assert.fail(), entityOf, topicNames('millrace.'), 'millrace.', range),
    );
    assert.ok(rows.length >= REQUESTS, `only ${rows.length} requests have an outcome`);
    const comparison = new Comparison();
    for (let count = 0; count < REQUESTS; count += 1) {
      // one of those that are left, each with the same chance
      const at = count + Math.floor(random() * (rows.length - count));
      const row = rows[at] ?? assert.fail();
      rows[at] = rows[count] ?? row;
      const id = String(row['request_id']);
      comparison.check(id, naive.of(keys.get(id) ?? assert.fail(id)), (name) => row[name]);
    }
    assert.equal(comparison.compared, REQUESTS * featureNames.length);
    const nulls = JSON.stringify(Object.fromEntries(comparison.nulls));
    context.diagnostic(`${comparison.compared} values, among them nulls: ${nulls}`);
    for (const name of ['tail_delay_mean_3h', 'tail_delay_mean_24h', 'weather_gust'])
      assert.ok((comparison.nulls.get(name) ?? 0) > 100, `${name} was hardly ever null`);
  });
}

/** As the predictions carry them, on every prediction. */
export function checkPredictedFeatures(platform: () => Platform, { naive: naiveOf }: Slice): void {
  it('and so is every feature that a prediction carries, with rows that stood at or before the request', async () => {
    const naive = naiveOf();
    const sql = askerOf(platform());
    const keys = await keysOf(sql);
    const predictions = await sql.query<{
      id: string;
      ms: number;
      features: (number | null)[];
      places: { view: string; ms: number | null }[];
    }>(
      "SELECT request_id AS id, toUnixTimestamp64Milli(event_time) AS ms, features, arrayMap(r -> CAST(tuple(r.view, toUnixTimestamp64Milli(r.event_time)), 'Tuple(view String, ms Nullable(Int64))'), rows) AS places FROM millrace.flight_delay_predictions",
    );
    assert.ok(predictions.length > 2000, `${predictions.length} predictions`);
    const comparison = new Comparison();
    for (const { id, ms, features, places } of predictions) {
      const expected = naive.of(keys.get(id) ?? assert.fail(id));
      comparison.check(id, expected, (name) => features[inputs.findIndex((input) => input.name === name)]);
      assert.deepEqual(places.map(({ view }) => view).sort(), views.map(({ name }) => name).sort());
      for (const { ms: rowMs } of places) assert.ok(rowMs === null || rowMs <= ms, `a row of ${id} came after it`);
    }
    assert.equal(comparison.compared, predictions.length * featureNames.length);
  });
}
