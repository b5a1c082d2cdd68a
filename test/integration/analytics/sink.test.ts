// The sink of one topic into the embedded ClickHouse, from a log in memory.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { ChdbServer } from '../../../infra/clickhouse/chdb-server.ts';
import { ClickHouseSql } from '../../../infra/clickhouse/client.ts';
import { Sink } from '../../../infra/clickhouse/sink.ts';
import { systemClock } from '../../../infra/clock.ts';
import { EventCodec, loadEventSchemas } from '../../../schemas/codec.ts';
import { type LogReader } from '../../../streams/log.ts';
import { MemoryBroker } from '../../../streams/testing/memory-broker.ts';
import { MemoryLog } from '../../../streams/testing/memory-log.ts';
import { memoryRegistry } from '../../fakes/memory-registry.ts';

const TOPIC = 'millrace.e.results';
const folder = mkdtempSync(join(tmpdir(), 'millrace-sink-'));
const options = { dataDir: folder, host: '127.0.0.1', port: 0 };
const server = new ChdbServer(options);
const registry = memoryRegistry();
const codec = new EventCodec(registry);
const log = new MemoryLog({ broker: new MemoryBroker({ clock: systemClock }), clock: systemClock, clientId: 'test' });
const readers: LogReader[] = [];
let sql: ClickHouseSql;

before(async () => {
  sql = new ClickHouseSql(`http://127.0.0.1:${await server.start(options)}`, systemClock);
  await log.admin().ensureTopics([{ name: TOPIC, partitions: 1, config: {} }]);
  await codec.prepare(TOPIC, ['Result']);
});
after(async () => {
  await Promise.all(readers.map((reader) => reader.close()));
  await log.close();
  await server.stop();
  rmSync(folder, { recursive: true, force: true });
});

const result = (id: string) => ({
  ...{ prediction_id: `p-${id}`, request_id: id, endpoint: 'e', event_time: 7, prediction_time: 5, label: 1 },
  ...{ score: 0.5, purpose: 'live', arm: 'champion', model: 'm', version: 1 },
});
const asked = (): Promise<{ request_id: string }[]> =>
  sql.query('SELECT request_id FROM millrace.e_results ORDER BY _offset');

async function opened(): Promise<Sink> {
  const reader = log.reader();
  readers.push(reader);
  const sink = new Sink({
    sql,
    reader,
    avro: codec.reader,
    registry,
    clock: systemClock,
    prefix: 'millrace.',
  });
  await sink.open();
  const bounds = await log.admin().offsets([{ topic: TOPIC, partition: 0 }]);
  await sink.add(TOPIC, bounds, 'rows', loadEventSchemas().get('Result'));
  return sink;
}

async function takesAll(sink: Sink, rows: number): Promise<void> {
  const untilMs = systemClock.monotonicMs() + 20_000;
  while ((await asked()).length < rows && systemClock.monotonicMs() < untilMs) await sink.round();
}

test('a table whose schema is known can be asked before its first row; a second sink goes on behind its last', async () => {
  const sink = await opened();
  assert.deepEqual(await asked(), []);
  const write = async (ids: readonly string[]): Promise<void> => {
    await log.writer().append(
      ids.map((id) => ({
        ...{ topic: TOPIC, partition: 0, timestampMs: 7, key: Buffer.from(id) },
        value: codec.encode('Result', result(id)),
      })),
    );
  };
  await write(['a', 'b']);
  await takesAll(sink, 2);
  assert.deepEqual(await asked(), [{ request_id: 'a' }, { request_id: 'b' }]);
  await write(['c']);
  await takesAll(await opened(), 3);
  assert.deepEqual(await asked(), [{ request_id: 'a' }, { request_id: 'b' }, { request_id: 'c' }]);
});
