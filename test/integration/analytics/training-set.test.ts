// The training set's statement on the embedded ClickHouse, against a join that looks at every row.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import fc from 'fast-check';
import { ChdbServer } from '../../../infra/clickhouse/chdb-server.ts';
import { ClickHouseSql } from '../../../infra/clickhouse/client.ts';
import { createTable, tableFor } from '../../../infra/clickhouse/tables.ts';
import { systemClock } from '../../../infra/clock.ts';
import { type AvroSchema } from '../../../schemas/codec.ts';
import { type EndpointDefinition, type FeatureViewDefinition } from '../../../schemas/definitions.ts';
import { featureRowSchema } from '../../../schemas/parse-definitions.ts';
import { topicNames } from '../../../schemas/topics.ts';
import { asOfSql, trainingSetSql } from '../../../serving/analytics/training-set.ts';

const names = topicNames('millrace.');
const view = (name: string, entity: string, features: readonly string[]): FeatureViewDefinition => ({
  ...{ kind: 'feature_view', name, entity, description: '', lateness_ms: 0, step_ms: 0, expiry: 'emit' },
  source: { topic: 't', key_field: 'k', event_time_field: 'at' },
  features: features.map((feature) => ({ name: feature, function: 'last', field: feature, window_ms: 1 })),
});
const views = [view('by_user', 'user', ['user_a', 'user_b']), view('by-shop', 'shop', ['shop_a'])];
const entityOf = new Map(views.map(({ name, entity }) => [name, entity]));
const endpoint: EndpointDefinition = {
  ...{ kind: 'endpoint', name: 'e', model: 'm', description: '', delivery: 'exactly-once', serve_from: null },
  entities: { user: 'user_id', shop: 'shop_id' },
  inputs: [
    { name: 'amount', from: 'request', kind: 'number' },
    { name: 'user_a', from: 'by_user', kind: 'number' },
    { name: 'shop_a', from: 'by-shop', kind: 'number' },
    { name: 'user_b', from: 'by_user', kind: 'number' },
  ],
  request: { key_field: 'id', event_time_field: 'asked_at' },
  outcome: { key_field: 'request', event_time_field: 'known_at', label_field: 'label', horizon_ms: 1000 },
};
const instant = { type: 'long', logicalType: 'timestamp-millis' };
const REQUEST: AvroSchema = {
  type: 'record',
  name: 'Request',
  fields: [
    { name: 'id', type: 'string' },
    { name: 'asked_at', type: instant },
    { name: 'user_id', type: ['null', 'string'] },
    { name: 'shop_id', type: ['null', 'long'] },
    { name: 'amount', type: ['null', 'double'] },
  ],
};
const OUTCOME: AvroSchema = {
  type: 'record',
  name: 'Outcome',
  fields: [
    { name: 'request', type: 'string' },
    { name: 'known_at', type: instant },
    { name: 'label', type: 'int' },
  ],
};

const folder = mkdtempSync(join(tmpdir(), 'millrace-training-set-'));
const options = { dataDir: folder, host: '127.0.0.1', port: 0 };
const server = new ChdbServer(options);
let sql: ClickHouseSql;

before(async () => {
  sql = new ClickHouseSql(`http://127.0.0.1:${await server.start(options)}`, systemClock);
  await sql.exec('CREATE DATABASE IF NOT EXISTS millrace');
  await sql.exec(createTable(tableFor('e_requests', REQUEST)));
  await sql.exec(createTable(tableFor('e_outcomes', OUTCOME)));
  for (const one of views)
    await sql.exec(createTable(tableFor(`features_${one.name.replace('-', '_')}`, featureRowSchema(one))));
});
after(async () => {
  await server.stop();
  rmSync(folder, { recursive: true, force: true });
});

interface Request {
  readonly id: string;
  readonly askedMs: number;
  readonly user: string | null;
  readonly shop: number | null;
  readonly amount: number | null;
}
interface Outcome {
  readonly id: string;
  readonly knownMs: number;
  readonly label: number;
}
interface Row {
  readonly key: string;
  readonly timeMs: number;
  readonly values: readonly (number | null)[];
}

/** In the log's order: a row's place in its list is its offset. */
interface Drawn {
  readonly requests: readonly Request[];
  readonly outcomes: readonly Outcome[];
  readonly users: readonly Row[];
  readonly shops: readonly Row[];
  readonly fromMs: number;
  readonly toMs: number;
  readonly cutoffMs: number;
}

const timeMs = fc.integer({ min: 0, max: 12 });
// −0 does not survive the text of an INSERT
const value = fc.option(fc.double({ noNaN: true, noDefaultInfinity: true }).map((drawnValue) => drawnValue + 0));
const rows = (keys: readonly string[], count: number) =>
  fc.array(
    fc.record({
      key: fc.constantFrom(...keys),
      timeMs,
      values: fc.array(value, { minLength: count, maxLength: count }),
    }),
    { maxLength: 25 },
  );
const drawn: fc.Arbitrary<Drawn> = fc.record({
  requests: fc.uniqueArray(
    fc.record({
      id: fc.constantFrom('r1', 'r2', 'r3', 'r4', 'r5', 'r6', "r'7"),
      askedMs: timeMs,
      user: fc.constantFrom('ann', 'bob', '', null),
      shop: fc.constantFrom(7, -1, null),
      amount: value,
    }),
    { selector: ({ id }) => id, maxLength: 7 },
  ),
  outcomes: fc.array(
    fc.record({
      id: fc.constantFrom('r1', 'r2', 'r3', 'r4', 'r5', "r'7", 'unknown'),
      knownMs: timeMs,
      label: fc.constantFrom(0, 1),
    }),
    { maxLength: 12 },
  ),
  users: rows(['ann', 'bob', ''], 2),
  shops: rows(['7', '-1'], 1),
  fromMs: fc.integer({ min: 0, max: 4 }),
  toMs: fc.integer({ min: 5, max: 13 }),
  cutoffMs: timeMs,
});

/** The row that holds at an instant: the newest by event time, of those the last in the log. */
function rowAt(all: readonly Row[], key: string | null, atMs: number): Row | undefined {
  let found: Row | undefined;
  for (const row of all)
    if (key !== null && row.key === key && row.timeMs <= atMs && (found === undefined || row.timeMs >= found.timeMs))
      found = row;
  return found;
}

function naive({ requests, outcomes, users, shops, fromMs, toMs, cutoffMs }: Drawn): unknown[][] {
  const set: unknown[][] = [];
  for (const { id, askedMs, user, shop, amount } of requests) {
    if (askedMs < fromMs || askedMs >= toMs) continue;
    let label: Outcome | undefined;
    for (const outcome of outcomes)
      if (outcome.id === id && outcome.knownMs <= cutoffMs && outcome.knownMs >= (label?.knownMs ?? 0)) label = outcome;
    if (label === undefined) continue;
    const userRow = rowAt(users, user, askedMs);
    const shopRow = rowAt(shops, shop === null ? null : String(shop), askedMs);
    const [a = null, b = null] = userRow?.values ?? [];
    set.push([id, askedMs, amount, a, shopRow?.values[0] ?? null, b, label.label]);
  }
  return set.sort((x, y) => Number(x[1]) - Number(y[1]) || (String(x[0]) < String(y[0]) ? -1 : 1));
}

const text = (given: string | number | null): string =>
  given === null ? 'NULL' : typeof given === 'number' ? String(given) : `'${given.replaceAll("'", "\\'")}'`;
const at = (ms: number): string => `fromUnixTimestamp64Milli(toInt64(${ms}), 'UTC')`;

async function fill(table: string, columns: string, tuples: readonly (readonly string[])[]): Promise<void> {
  await sql.exec(`TRUNCATE TABLE millrace.${table}`);
  if (tuples.length === 0) return;
  const list = tuples.map((tuple, offset) => `(${[...tuple, String(offset)].join(', ')})`);
  await sql.exec(`INSERT INTO millrace.${table} (${columns}, _offset) VALUES ${list.join(', ')}`);
}

async function store({ requests, outcomes, users, shops }: Drawn): Promise<void> {
  await fill(
    'e_requests',
    'id, asked_at, user_id, shop_id, amount',
    requests.map(({ id, askedMs, user, shop, amount }) => [
      text(id),
      at(askedMs),
      text(user),
      text(shop),
      text(amount),
    ]),
  );
  await fill(
    'e_outcomes',
    'request, known_at, label',
    outcomes.map(({ id, knownMs, label }) => [text(id), at(knownMs), String(label)]),
  );
  const tuple = ({ key, timeMs: ms, values }: Row): string[] => [text(key), at(ms), ...values.map(text)];
  await fill('features_by_user', 'entity_key, event_time, user_a, user_b', users.map(tuple));
  await fill('features_by_shop', 'entity_key, event_time, shop_a', shops.map(tuple));
}

test('every request has the rows that held at its time, and the label known last by the cut-off', async () => {
  await fc.assert(
    fc.asyncProperty(drawn, async (one) => {
      await store(one);
      const statement = trainingSetSql(endpoint, entityOf, names, 'millrace.', one);
      const found = await sql.query<Record<string, unknown>>(statement);
      assert.deepEqual(
        found.map((row) => Object.values(row)),
        naive(one),
      );
    }),
    { numRuns: 60 },
  );
});

test('an empty training set is empty, and its columns are in the order of the inputs', async () => {
  await store({ requests: [], outcomes: [], users: [], shops: [], fromMs: 0, toMs: 1, cutoffMs: 0 });
  const range = { fromMs: 0, toMs: 1, cutoffMs: 0 };
  assert.equal(
    await sql.text(trainingSetSql(endpoint, entityOf, names, 'millrace.', range), 'CSVWithNames'),
    '"request_id","event_time","amount","user_a","shop_a","user_b","label"\n',
  );
});

test('the row of one entity as of an instant is the one that the training set takes', async () => {
  await fc.assert(
    fc.asyncProperty(drawn, fc.constantFrom('ann', 'bob'), timeMs, async (one, key, atMs) => {
      await store(one);
      const [found] = await sql.query<Record<string, unknown>>(asOfSql('by_user', names, 'millrace.'), {
        key,
        at: atMs,
      });
      const expected = rowAt(one.users, key, atMs);
      assert.deepEqual(
        found === undefined ? undefined : [found['event_time_ms'], found['user_a'], found['user_b'], found['_offset']],
        expected === undefined ? undefined : [expected.timeMs, ...expected.values, one.users.indexOf(expected)],
      );
    }),
    { numRuns: 30 },
  );
});
