// A partition that holds several lanes may be paused only while none of them is waited for.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type LogRecord } from '../../../streams/log.ts';
import { type SubTopology } from '../../../streams/processor.ts';
import { Task } from '../../../streams/task.ts';
import { WatermarkFollower } from '../../../streams/watermark-follower.ts';

const AT = { topic: 'repartition', partition: 0 };

/** Two lanes in one partition; a record's key names its lane. */
const topology: SubTopology = {
  name: 'window',
  topics: [AT.topic],
  lanesOf: () => 2,
  single: false,
  globalTopics: [],
  store: null,
  outputLanes: () => [],
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

test('a partition is read on while one of its lanes is waited for, however many records of another are queued', async () => {
  const untyped: unknown = topology;
  const task = new Task({
    topology: untyped as SubTopology<never>,
    partition: 0,
    inputs: [{ ...AT, offset: 0, metadata: '', global: false }],
    live: false,
    follower: new WatermarkFollower(),
    state: null,
  });
  await task.start(untyped as SubTopology<never>);
  const ahead = Array.from({ length: 10_000 }, (_, offset) => record(offset, 0, 1000 + offset));
  task.take(AT, ahead, ahead.length);
  assert.equal(
    task.process(() => false),
    false,
  );
  assert.equal(task.queued(AT), 10_000);
  assert.ok(task.starves(AT));

  task.take(AT, [record(10_000, 1, 5000)], 10_001);
  assert.ok(!task.starves(AT));
  task.process(() => false);
  assert.equal(task.steppedCount, 4000);
  assert.ok(task.starves(AT));
  await task.close();
});
