import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { InputPartition } from '../../../streams/input-partition.ts';
import { FOREVER_MS, Lane, NEVER_MS } from '../../../streams/lane.ts';
import { Merge } from '../../../streams/merge.ts';
import { Timers } from '../../../streams/timers.ts';

interface Arrival {
  readonly lane: number;
  readonly timeMs: number;
  readonly offset: number;
}

function record(lane: number, offset: number, timeMs: number) {
  return {
    record: { topic: 't', partition: lane, offset, timestampMs: timeMs, key: null, value: null, headers: [] },
    lane: 0,
    eventTimeMs: timeMs,
    value: `${lane}:${offset}`,
  };
}

/** Each lane's times in order, and an order in which the lanes' records arrive. */
const scenario = fc
  .array(fc.array(fc.integer({ min: 0, max: 20 }), { maxLength: 15 }), { minLength: 1, maxLength: 4 })
  .map((lanes) => lanes.map((times) => [...times].sort((a, b) => a - b)))
  .chain((lanes) => {
    const arrivals: Arrival[] = lanes.flatMap((times, lane) =>
      times.map((timeMs, offset) => ({ lane, timeMs, offset })),
    );
    return fc.record({
      lanes: fc.constant(lanes),
      order: fc.shuffledSubarray(arrivals, { minLength: arrivals.length, maxLength: arrivals.length }),
    });
  });

function run(lanes: readonly (readonly number[])[], order: readonly Arrival[]): string[] {
  const made = lanes.map((_, lane) => new Lane('t', lane, 0, false, -1));
  const timers = new Timers();
  const merge = new Merge(
    made.map((lane) => new InputPartition([lane], 0)),
    timers,
    NEVER_MS,
  );
  const seen: string[] = [];
  const drain = (): void => {
    for (let instant = merge.next(FOREVER_MS); instant !== null; instant = merge.next(FOREVER_MS)) {
      seen.push(
        `${instant.timeMs} ${instant.inputs.map((input) => String(input.value)).join(',')} ${instant.timers.join(',')}`,
      );
      for (const input of instant.inputs) timers.set(String(input.value), instant.timeMs + 7);
    }
  };
  // within a lane the order is the log's; between lanes it is as `order` says
  const next = made.map(() => 0);
  for (const { lane } of order) {
    const offset = next[lane] ?? 0;
    next[lane] = offset + 1;
    const timeMs = lanes[lane]?.[offset] ?? 0;
    made[lane]?.push(record(lane, offset, timeMs));
    made[lane]?.moveTo(offset + 1);
    drain();
    // a mark for what was complete before the next record of the lane
    const followingMs = lanes[lane]?.[offset + 1];
    if (followingMs !== undefined && followingMs > timeMs)
      made[lane]?.mark({ eventTimeMs: followingMs - 1, offset: offset + 1, live: false });
    drain();
  }
  for (const [lane, times] of lanes.entries())
    made[lane]?.mark({ eventTimeMs: 100, offset: times.length, live: false });
  drain();
  return seen;
}

test('the merge is the same whatever the order in which lanes arrive, and sorted by time', () => {
  fc.assert(
    fc.property(scenario, ({ lanes, order }) => {
      const seen = run(lanes, order);
      const inLaneOrder = [...order].sort((a, b) => a.lane - b.lane);
      assert.deepEqual(seen, run(lanes, inLaneOrder));
      const times = seen.map((line) => Number(line.split(' ')[0]));
      assert.deepEqual(
        times,
        [...times].sort((a, b) => a - b),
      );
      assert.equal(new Set(times).size, times.length, 'one instant per time');
      const inputs = seen.flatMap(
        (line) =>
          line
            .split(' ')[1]
            ?.split(',')
            .filter((name) => name !== '') ?? [],
      );
      assert.equal(inputs.length, order.length);
    }),
  );
});

test('a live lane is taken as it arrives, never back in time', () => {
  const lane = new Lane('t', 0, 0, true, -1);
  const merge = new Merge([new InputPartition([lane], 0)], new Timers(), NEVER_MS);
  lane.push(record(0, 0, 10));
  assert.equal(merge.next(FOREVER_MS)?.timeMs, 10);
  lane.push(record(0, 1, 4));
  assert.deepEqual([merge.next(FOREVER_MS)?.timeMs, merge.next(FOREVER_MS)], [10, null]);
});

/** Live: what the logs are known to hold, and steps: of which lane the next few records come, or that its end is told. */
const catchUp = scenario.chain(({ lanes }) =>
  fc.record({
    lanes: fc.constant(lanes),
    steps: fc.array(fc.record({ lane: fc.nat(lanes.length - 1), count: fc.integer({ min: 0, max: 6 }) }), {
      maxLength: 40,
    }),
  }),
);

test('live, what the logs are known to hold is taken by event time, whatever the order in which it comes', () => {
  fc.assert(
    fc.property(catchUp, ({ lanes, steps }) => {
      const made = lanes.map((_, lane) => new Lane('t', lane, 0, true, -1));
      const partitions = made.map((lane) => new InputPartition([lane], 0));
      const timers = new Timers();
      const merge = new Merge(partitions, timers, NEVER_MS);
      timers.set('timer', 10);
      const seen: { timeMs: number; late: number }[] = [];
      const whole = lanes.map((_, lane) => ({ lane, count: 20 }));
      for (const { lane, count } of [...steps, ...whole]) {
        const times = lanes[lane] ?? [];
        const partition = partitions[lane];
        const from = partition?.positionOffset ?? 0;
        partition?.endsAt(times.length);
        const to = Math.min(times.length, from + count);
        for (let offset = from; offset < to; offset += 1) made[lane]?.push(record(lane, offset, times[offset] ?? 0));
        partition?.moveTo(to);
        for (let instant = merge.next(FOREVER_MS); instant !== null; instant = merge.next(FOREVER_MS)) {
          const late = instant.inputs.filter(({ eventTimeMs }) => eventTimeMs < instant.timeMs).length;
          for (const { eventTimeMs } of instant.inputs) seen.push({ timeMs: eventTimeMs, late });
          seen.push(...instant.timers.map(() => ({ timeMs: 10, late: 0 })));
        }
      }
      const last = Math.max(...lanes.flat());
      const expected = [...lanes.flat(), ...(last >= 10 ? [10] : [])].sort((a, b) => a - b);
      assert.deepEqual(
        seen,
        expected.map((timeMs) => ({ timeMs, late: 0 })),
      );
    }),
  );
});

test('nothing beyond the bound is taken', () => {
  const lane = new Lane('t', 0, 0, true, -1);
  const merge = new Merge([new InputPartition([lane], 0)], new Timers(), NEVER_MS);
  lane.push(record(0, 0, 10));
  assert.equal(merge.next(9), null);
  assert.equal(merge.next(10)?.inputs.length, 1);
});
