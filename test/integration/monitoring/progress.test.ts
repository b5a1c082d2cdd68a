// The evaluator's questions, asked of the embedded ClickHouse.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { type EndpointDefinition } from '../../../schemas/definitions.ts';
import { topicNames } from '../../../schemas/topics.ts';
import { ChdbServer } from '../../../infra/clickhouse/chdb-server.ts';
import { ClickHouseSql } from '../../../infra/clickhouse/client.ts';
import { systemClock } from '../../../infra/clock.ts';
import { WarehouseProgress } from '../../../infra/monitoring/progress.ts';
import { WindowReader } from '../../../serving/analytics/window.ts';
import { type LogAdmin } from '../../../streams/log.ts';

const names = topicNames('millrace.');
const endpoint = {
  name: 'e',
  request: { key_field: 'id', event_time_field: 'asked_at' },
  outcome: { key_field: 'id', event_time_field: 'known_at', label_field: 'label', horizon_ms: 1000 },
} as unknown as EndpointDefinition;
const admin = {
  partitionsOf: (topics: readonly string[]) => Promise.resolve(new Map(topics.map((topic) => [topic, 1]))),
} as unknown as LogAdmin;

const folder = mkdtempSync(join(tmpdir(), 'millrace-progress-'));
const port = await freePort();
const server = new ChdbServer({ dataDir: folder, host: '127.0.0.1', port });
const sql = new ClickHouseSql(`http://127.0.0.1:${String(port)}`, systemClock);
const progress = new WarehouseProgress({ sql, names, prefix: 'millrace.', endpoint, admin });

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const probe = createServer().listen(0, '127.0.0.1', () => {
      const address = probe.address();
      probe.close(() => {
        resolve(typeof address === 'object' && address !== null ? address.port : 0);
      });
    });
  });
}

const TIME = "DateTime64(3, 'UTC')";
const at = (ms: number): string => `fromUnixTimestamp64Milli(toInt64(${String(ms)}), 'UTC')`;
const make = (table: string, columns: string): Promise<void> =>
  sql.exec(`CREATE TABLE millrace.${table} (${columns}) ENGINE = MergeTree ORDER BY tuple()`);
let offset = 0;
async function mark(topic: string, lane: number, ms: number, live: boolean): Promise<void> {
  await sql.exec(
    `INSERT INTO millrace.watermarks VALUES ('${topic}', 0, ${String(lane)}, ${at(ms)}, ${String(live)}, ${String(offset++)})`,
  );
}

before(async () => {
  await server.start({ dataDir: folder, host: '127.0.0.1', port });
  await sql.exec('CREATE DATABASE IF NOT EXISTS millrace');
  await make('watermarks', `topic String, partition Int32, lane Int32, event_time ${TIME}, live Bool, _offset Int64`);
  await make('e_requests', `id String, asked_at ${TIME}, _partition Int32`);
  await make('e_outcomes', `id String, known_at ${TIME}, label Float64, _partition Int32`);
  await make(
    'e_results',
    `request_id String, model String, version Int32, arm String, purpose String, score Float64, label Int32, prediction_time ${TIME}, event_time ${TIME}, _offset Int64`,
  );
  await make(
    'e_predictions',
    `request_id String, version Int32, purpose String, score Float64, features Array(Nullable(Float64)), event_time ${TIME}`,
  );
});

after(async () => {
  await server.stop();
  rmSync(folder, { recursive: true, force: true });
});

test('from the first mark to the end of a replay', async () => {
  assert.deepEqual(await progress.at(500, 7), {
    completeToMs: null,
    sourcesOverAtMs: null,
    isDrained: false,
    nowMs: 7,
  });
  for (const topic of ['e.requests', 'e.outcomes', 'e.results']) await mark(topic, 0, 300, false);
  await mark('e.predictions', 0, 300, false);
  assert.equal((await progress.at(500, 0)).completeToMs, null, 'the shadow has not told yet');
  await mark('e.predictions', 1, 250, false);
  assert.deepEqual(await progress.at(500, 0), { completeToMs: 250, sourcesOverAtMs: null, isDrained: false, nowMs: 0 });

  await sql.exec(`INSERT INTO millrace.e_requests VALUES ('a', ${at(310)}, 0), ('b', ${at(900)}, 0)`);
  await sql.exec(`INSERT INTO millrace.e_outcomes VALUES ('a', ${at(420)}, 1, 0)`);
  for (const topic of ['e.requests', 'e.outcomes']) await mark(topic, 0, 999, true);
  const behind = await progress.at(500, 0);
  assert.deepEqual([behind.sourcesOverAtMs, behind.isDrained], [999, false]);
  await mark('e.predictions', 0, 310, true);
  await mark('e.predictions', 1, 310, true);
  await mark('e.results', 0, 419, true);
  assert.equal((await progress.at(500, 0)).isDrained, false, 'an outcome is still to be joined');
  await mark('e.results', 0, 420, true);
  assert.equal((await progress.at(500, 0)).isDrained, true);
});

test('a window reads labels as they were known, in a fixed order', async () => {
  const row = (id: string, purpose: string, label: number, knownMs: number, place: number) =>
    `('${id}', 'm', 1, 'champion', '${purpose}', 0.5, ${String(label)}, ${at(100)}, ${at(knownMs)}, ${String(place)})`;
  await sql.exec(
    `INSERT INTO millrace.e_results VALUES ${[row('b', 'live', 0, 150, 1), row('a', 'live', 0, 150, 2), row('a', 'live', 1, 300, 3)].join(', ')}`,
  );
  await sql.exec(
    `INSERT INTO millrace.e_predictions VALUES ('b', 1, 'live', 0.25, [1, NULL], ${at(100)}), ('a', 1, 'live', 0.75, [2, 3], ${at(199)}), ('c', 1, 'live', 0.1, [], ${at(200)}), ('a', 2, 'shadow', 0.1, [], ${at(150)})`,
  );
  const reader = new WindowReader(sql, names, 'millrace.', endpoint);
  const labels = async (knownMs: number) =>
    (await reader.results(100, 200, knownMs)).map(({ request_id, label }) => [request_id, label]);
  assert.deepEqual(await labels(200), [
    ['a', 0],
    ['b', 0],
  ]);
  assert.deepEqual(await labels(300), [
    ['a', 1],
    ['b', 0],
  ]);
  assert.deepEqual(await labels(149), []);
  assert.deepEqual(await reader.predictions(100, 200), [
    { score: 0.75, version: 1, features: [2, 3] },
    { score: 0.25, version: 1, features: [1, null] },
  ]);
});

test('without a model a window is empty: its tables are made with their first rows', async () => {
  const reader = new WindowReader(sql, names, 'millrace.', { ...endpoint, name: 'unmodelled' });
  assert.deepEqual(await reader.results(100, 200, 300), []);
  assert.deepEqual(await reader.predictions(100, 200), []);
});
