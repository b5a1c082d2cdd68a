// A partition that holds several lanes may be paused only while none of them is waited for.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Fetched, type LogRecord } from '../../../streams/log.ts';
import { type SubTopology } from '../../../streams/processor.ts';
import { STATELESS, statelessTask } from './stateless-task.ts';

const AT = { topic: 'repartition', partition: 0 };

/** Two lanes in one partition; a record's key names its lane. */
const topology: SubTopology = {
  ...STATELESS,
  name: 'window',
  topics: [AT.topic],
  lanesOf: () => 2,
  create: async () => ({
    processor: {
      decode: (record) => ({
        kind: 'input',
        lane: Number(record.key?.toString()),
        eventTimeMs: record.timestampMs,
        value: null,
      }),
      step: () => undefined,
    },
    globalPositions: new Map(),
  }),
};

function record(offset: number, lane: number, timestampMs: number): LogRecord {
  return { ...AT, offset, timestampMs, key: Buffer.from(String(lane)), value: null, headers: [] };
}

function fetched(records: readonly LogRecord[], nextOffset: number): Fetched {
  return { ...AT, records, slabs: [], nextOffset, endOffset: nextOffset };
}

test('a partition is read on while one of its lanes is waited for, however many records of another are queued', async () => {
  const task = await statelessTask(topology, [{ ...AT, offset: 0, metadata: '', global: false }]);
  const ahead = Array.from({ length: 10_000 }, (_, offset) => record(offset, 0, 1000 + offset));
  task.take(fetched(ahead, ahead.length));
  assert.equal(
    task.process(() => false),
    false,
  );
  assert.equal(task.queued(AT), 10_000);
  assert.ok(task.starves(AT));

  task.take(fetched([record(10_000, 1, 5000)], 10_001));
  assert.ok(!task.starves(AT));
  task.process(() => false);
  assert.equal(task.steppedCount, 4000);
  assert.ok(task.starves(AT));
  await task.close();
});

const REQUESTS = { topic: 'requests', partition: 0 };
const ROWS = { topic: 'rows', partition: 0 };

test('a table of the past is read to its end by a task that goes on, however long it is', async () => {
  const seen: { timeMs: number; requests: number; rows: number }[] = [];
  const scoring: SubTopology = {
    ...topology,
    name: 'score',
    topics: [REQUESTS.topic],
    lanesOf: () => 1,
    single: true,
    globalTopics: [ROWS.topic],
    create: async () => ({
      processor: {
        decode: (record) => ({ kind: 'input', lane: 0, eventTimeMs: record.timestampMs, value: null }),
        step: ({ timeMs, inputs }) => {
          const requests = inputs.filter((input) => input.record.topic === REQUESTS.topic).length;
          seen.push({ timeMs, requests, rows: inputs.length - requests });
        },
      },
      globalPositions: new Map(),
    }),
  };
  const wentToMs = 50_000;
  const task = await statelessTask(scoring, [
    { ...REQUESTS, offset: 7, metadata: JSON.stringify({ timeMs: wentToMs, lanes: {} }), global: false },
    { ...ROWS, offset: 0, metadata: '', global: true },
  ]);
  const row = (offset: number, timestampMs: number): LogRecord => ({ ...record(offset, 0, timestampMs), ...ROWS });
  const past = Array.from({ length: 10_000 }, (_, offset) => row(offset, 1000 + offset));
  task.take({ ...fetched(past, past.length), ...ROWS });
  task.process(() => false);
  assert.equal(task.queued(ROWS), 0, 'nothing of the past waits for the requests');
  assert.ok(task.starves(REQUESTS) && task.starves(ROWS));

  // rows at the task's own time are of the past too; later ones wait for the requests before them
  task.take({ ...fetched([row(10_000, wentToMs), row(10_001, wentToMs + 2)], 10_002), ...ROWS });
  task.process(() => false);
  assert.equal(task.queued(ROWS), 1);
  const requests = [3, 5].map((laterMs, index) => ({ ...record(7 + index, 0, wentToMs + laterMs), ...REQUESTS }));
  task.take({ ...fetched(requests, 9), ...REQUESTS });
  task.take({ ...fetched([row(10_002, wentToMs + 4)], 10_003), ...ROWS });
  task.process(() => false);
  assert.deepEqual(seen, [
    { timeMs: wentToMs, requests: 0, rows: 10_000 },
    { timeMs: wentToMs, requests: 0, rows: 1 },
    { timeMs: wentToMs + 2, requests: 0, rows: 1 },
    { timeMs: wentToMs + 3, requests: 1, rows: 0 },
  ]);
  await task.close();
});
