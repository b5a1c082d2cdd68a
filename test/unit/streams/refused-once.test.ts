// A refused record is set aside once, however often the task is restarted while an earlier record still waits for its time.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Failure } from '../../../schemas/failure.ts';
import { type CommittedOffset, type LogRecord } from '../../../streams/log.ts';
import { type SubTopology } from '../../../streams/processor.ts';
import { STATELESS, statelessTask } from './stateless-task.ts';

const AT = { topic: 'events', partition: 0 };

/** Refuses records without a value. */
const topology: SubTopology = {
  ...STATELESS,
  name: 'step',
  topics: [AT.topic],
  create: async () => ({
    processor: {
      decode: (record) =>
        record.value === null
          ? { kind: 'refused', failure: new Failure('invalid_field', 'There is no value.') }
          : { kind: 'input', lane: 0, eventTimeMs: record.timestampMs, value: null },
      step: () => undefined,
    },
    globalPositions: new Map(),
  }),
};

const WAITS: LogRecord = { ...AT, offset: 0, timestampMs: 1000, key: null, value: Buffer.from('1'), headers: [] };
const REFUSED: LogRecord = { ...AT, offset: 1, timestampMs: 1001, key: null, value: null, headers: [] };

/** A task that starts where the last one committed, reads these records, and commits. */
async function life(committed: CommittedOffset, records: readonly LogRecord[]) {
  const task = await statelessTask(topology, [{ ...committed, global: false }]);
  const nextOffset = records.length;
  task.take({ ...AT, records, slabs: [], nextOffset, endOffset: nextOffset });
  task.process(() => false);
  const { offsets, deadLetters } = task.draw();
  await task.close();
  return { committed: offsets[0] ?? assert.fail('nothing was committed'), setAside: deadLetters.length };
}

test('a restart that reads only a part again still knows what its predecessor had set aside', async () => {
  const first = await life({ ...AT, offset: 0, metadata: '' }, [WAITS, REFUSED]);
  assert.equal(first.setAside, 1);
  assert.equal(first.committed.offset, 0, 'what waits is read again');
  const second = await life(first.committed, [WAITS]);
  assert.equal(second.setAside, 0);
  const third = await life(second.committed, [WAITS, REFUSED]);
  assert.equal(third.setAside, 0);
});
