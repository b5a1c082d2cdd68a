// The replayer: where it goes on, and what its records carry.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { replay } from '../../../infra/demo/replayer.ts';
import { type DemoEvent } from '../../../infra/demo/flights.ts';
import { systemClock } from '../../../infra/clock.ts';
import { EventCodec } from '../../../schemas/codec.ts';
import { topicNames } from '../../../schemas/topics.ts';
import { type Log, type NewRecord } from '../../../streams/log.ts';
import { MemoryRegistry } from '../../../streams/testing/memory-registry.ts';

const LONG_AGO_MS = Date.UTC(2013, 0, 1);

/** @param held of the one partition */
async function played(events: readonly DemoEvent[], held: number): Promise<NewRecord[]> {
  const written: NewRecord[] = [];
  const log = {
    admin: () => ({
      partitionsOf: async () => new Map([['departures', 1]]),
      offsets: async () => [{ topic: 'departures', partition: 0, start: 0, end: held, highWatermark: held }],
      close: async () => undefined,
    }),
    writer: () => ({
      append: async (records: readonly NewRecord[]) => {
        written.push(...records);
        return [];
      },
      close: async () => undefined,
    }),
  } as unknown as Log;
  await replay({
    log,
    clock: systemClock,
    names: topicNames('millrace.'),
    codec: new EventCodec(new MemoryRegistry()),
    codecs: new Map([['departures', { encode: (value) => Buffer.from(JSON.stringify(value)) }]]),
    events: {
      length: events.length,
      timeMs: (index) => events[index]?.eventTimeMs,
      slice: (from, to) => events.slice(from, to),
    },
    speed: null,
    waitFor: async () => undefined,
    progress: () => undefined,
    signal: new AbortController().signal,
    endMs: LONG_AGO_MS + 1000,
  });
  return written.filter(({ topic }) => topic === 'departures');
}

const EVENTS = Array.from({ length: 5 }, (_, number): DemoEvent => ({
  ...{ topic: 'departures', eventTimeMs: LONG_AGO_MS + number, key: `k${number}`, value: { number } },
}));

test('records carry the time at which they were written: a broker forgets producers of old records when it is started again', async () => {
  const beforeMs = Date.now();
  const written = await played(EVENTS, 0);
  assert.equal(written.length, EVENTS.length);
  for (const { timestampMs } of written) assert.ok(timestampMs >= beforeMs && timestampMs <= Date.now());
});

test('it goes on behind what the partition holds', async () => {
  const written = await played(EVENTS, 3);
  assert.deepEqual(
    written.map(({ value }) => String(value)),
    ['{"number":3}', '{"number":4}'],
  );
});
