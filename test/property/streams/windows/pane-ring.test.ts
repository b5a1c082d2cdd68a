// The ring of panes against a list of all events: late ones, missing values, rows that were written down and read again. The row of an
// event, late or not, is as of its own time, to the pane.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { decayedSum } from '../../../../streams/aggregates/decayed.ts';
import { count } from '../../../../streams/aggregates/count.ts';
import { max } from '../../../../streams/aggregates/extremes.ts';
import { first, last } from '../../../../streams/aggregates/first-last.ts';
import { timeSinceLast } from '../../../../streams/aggregates/time-since-last.ts';
import { mean, sum } from '../../../../streams/aggregates/sum.ts';
import { type NumericAggregate } from '../../../../streams/aggregates/aggregate.ts';
import { type Row, SingleRow } from '../../../../streams/state/row.ts';
import { PaneRing } from '../../../../streams/windows/pane-ring.ts';
import { readRow, rowBytesMax, writeRow } from '../../../../streams/windows/pane-row-serde.ts';

const STEP_MS = 10;
const SIZES = [10, 30, 70];
const HALF_LIFE_MS = 4;

interface Event {
  readonly timeMs: number;
  readonly a: number | null;
  readonly b: number | null;
}

const value = fc.option(
  fc.oneof(
    fc.integer({ min: -50, max: 500 }),
    fc.constant(-0),
    fc.constant(2 ** 40),
    fc.integer({ min: -8, max: 8 }).map((n) => n / 4),
  ),
);
const events = fc.array(
  fc.record({
    stepMs: fc.oneof(
      fc.integer({ min: 0, max: 4 }),
      fc.integer({ min: -60, max: 120 }),
      fc.integer({ min: -250, max: 0 }),
    ),
    a: value,
    b: value,
    restart: fc.boolean(),
  }),
  { maxLength: 60 },
);

function ringFor(latenessMs: number): PaneRing {
  const feature = (name: string, aggregate: NumericAggregate, field: number, sizeMs: number) => ({
    name,
    aggregate,
    field,
    sizeMs,
  });
  return new PaneRing({
    stepMs: STEP_MS,
    latenessMs,
    features: SIZES.flatMap((size) => [
      feature(`count_${size}`, count, -1, size),
      feature(`sum_${size}`, sum, 0, size),
      feature(`mean_${size}`, mean, 1, size),
      feature(`max_${size}`, max, 0, size),
      feature(`first_${size}`, first, 1, size),
      feature(`last_${size}`, last, 1, size),
      feature(`decayed_${size}`, decayedSum(HALF_LIFE_MS), 0, size),
      feature(`since_${size}`, timeSinceLast, -1, size),
    ]),
  });
}

const paneOf = ({ timeMs }: Event): number => Math.floor(timeMs / STEP_MS);

/** Windows as of an event: the panes (own − size/step, own], over all events that counted. */
function naive(counted: readonly Event[], of: Event): (number | null)[] {
  return SIZES.flatMap((size) => {
    const inside = counted.filter((one) => paneOf(one) <= paneOf(of) && paneOf(one) > paneOf(of) - size / STEP_MS);
    const withA = inside.filter(({ a }) => a !== null);
    const as = inside.flatMap(({ a }) => (a === null ? [] : [a]));
    const bs = inside.flatMap(({ b }) => (b === null ? [] : [b]));
    const total = (values: readonly number[]): number => values.reduce((one, other) => one + other, 0);
    // of one instant, in the order in which they came
    const withB = inside.filter(({ b }) => b !== null).sort((x, y) => x.timeMs - y.timeMs);
    const earliest = withB.filter(({ timeMs }) => timeMs === withB[0]?.timeMs);
    return [
      inside.length,
      as.length === 0 ? null : total(as),
      bs.length === 0 ? null : total(bs) / bs.length,
      as.length === 0 ? null : Math.max(...as),
      earliest.at(-1)?.b ?? null,
      withB.at(-1)?.b ?? null,
      as.length === 0 ? null : total(withA.map((one) => (one.a ?? 0) * weightOf(one, withA, of))),
      // its own pane may hold later ones
      Math.max(0, of.timeMs - Math.max(...inside.map(({ timeMs }) => timeMs))),
    ];
  });
}

/** As of the event's own time, which is moved so far that what is later in its pane weighs less than 2. */
function weightOf({ timeMs }: Event, inside: readonly Event[], of: Event): number {
  const newestMs = Math.max(...inside.map((one) => one.timeMs));
  const nowMs = Math.max(of.timeMs, (Math.ceil(newestMs / HALF_LIFE_MS) - 1) * HALF_LIFE_MS);
  return 2 ** ((timeMs - nowMs) / HALF_LIFE_MS);
}

function assertNear(got: readonly (number | null)[], wanted: readonly (number | null)[]): void {
  assert.equal(got.length, wanted.length);
  for (const [index, one] of wanted.entries())
    assert.ok(
      got[index] === one ||
        (one !== null && Math.abs((got[index] ?? Number.NaN) - one) <= 1e-9 * Math.max(1, Math.abs(one))),
      `${index}: ${got[index]} is not ${one}`,
    );
}

function readSingle(ring: PaneRing, bytes: Buffer): Row {
  const row = new SingleRow(ring.doubles);
  readRow(ring, bytes, row);
  return row;
}

function rewritten(ring: PaneRing, row: Row): Row {
  const bytes = Buffer.alloc(rowBytesMax(ring, row) + 2);
  const end = writeRow(ring, row, bytes, 2);
  assert.ok(end <= bytes.length);
  return readSingle(ring, bytes.subarray(2, end));
}

test('windows over panes equal a naive computation, late events and restarts included', () => {
  fc.assert(
    fc.property(events, fc.constantFrom(0, 1, 10, 25, 64, 200, 1000), (steps, latenessMs) => {
      const ring = ringFor(latenessMs);
      const into = new Float64Array(ring.width + 1);
      const counted: Event[] = [];
      let row: Row = new SingleRow(ring.doubles);
      let newest: Event | null = null;
      for (const { stepMs, a, b, restart } of steps) {
        const event: Event = { timeMs: (newest?.timeMs ?? 1000) + stepMs, a, b };
        const isTooLate: boolean = newest !== null && event.timeMs < newest.timeMs - latenessMs;
        const fields = Float64Array.of(7, a ?? Number.NaN, b ?? Number.NaN);
        assert.equal(ring.add(row, event.timeMs, fields, 1, into, 1), !isTooLate);
        if (!isTooLate) {
          counted.push(event);
          if (newest === null || event.timeMs >= newest.timeMs) newest = event;
          const got = Array.from(into.subarray(1), (one) => (Number.isNaN(one) ? null : one));
          assertNear(got, naive(counted, event));
        }
        if (newest === null) continue;
        if (restart) row = rewritten(ring, row);
        assert.equal(row.newestMs, newest.timeMs);
        assertNear(ring.values(row), naive(counted, newest));
        assert.ok(row.panes <= ring.panesMax);
      }
    }),
    { numRuns: 500 },
  );
});

test('the row of a late event says nothing of what came after it, and the next row counts it', () => {
  const ring = new PaneRing({
    ...{ stepMs: STEP_MS, latenessMs: 100 },
    features: [
      { name: 'count', aggregate: count, field: -1, sizeMs: 30 },
      { name: 'max', aggregate: max, field: 0, sizeMs: 30 },
      { name: 'since', aggregate: timeSinceLast, field: -1, sizeMs: 30 },
      { name: 'decayed', aggregate: decayedSum(1), field: 0, sizeMs: 30 },
    ],
  });
  const row = new SingleRow(ring.doubles);
  const add = (timeMs: number, value: number): number[] | null => {
    const into = new Float64Array(4);
    return ring.add(row, timeMs, Float64Array.of(value), 0, into, 0) ? [...into] : null;
  };
  assert.deepEqual(add(1000, 1), [1, 1, 0, 1]);
  assert.deepEqual(add(1100, 9), [1, 9, 0, 9]);
  // exactly as late as may be, with its window whole; one ms more is too late
  assert.deepEqual(add(1000, 2), [2, 2, 0, 3]);
  assert.equal(add(999, 3), null);
  assert.deepEqual(add(1085, 4)?.slice(0, 3), [1, 4, 0]);
  // a later one of its own pane counts, and weighs less than 2
  assert.deepEqual(add(1081, 5)?.slice(0, 3), [2, 5, 0]);
  assert.ok((add(1080, 0)?.[3] ?? Infinity) < 2 * 9);
  assert.deepEqual(add(1101, 1)?.slice(0, 3), [5, 9, 0]);
});

test('rows of any doubles are read as they were written', () => {
  const ring = ringFor(0);
  const double = fc.oneof(
    fc.double(),
    fc.integer(),
    fc.maxSafeInteger(),
    fc.constantFrom(-0, Infinity, -Infinity, 2 ** 28, -(2 ** 28), 2 ** 44, -(2 ** 44)),
  );
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 5 }), fc.array(double, { minLength: 60, maxLength: 60 }), (panes, slots) => {
      const data = new Float64Array(panes * ring.stride);
      for (let at = 0; at < data.length; at += 1) data[at] = at % ring.stride === 0 ? 400_000 + at : (slots[at] ?? 0);
      // in the newest pane, or not known
      const newestMs =
        Math.abs(slots[0] ?? 0) < STEP_MS ? Number.NaN : (data[data.length - ring.stride] ?? 0) * STEP_MS + 3;
      const read = rewritten(ring, Object.assign(new SingleRow(0), { data, panes, newestMs }));
      assert.equal(read.panes, panes);
      assert.ok(Object.is(read.newestMs, newestMs));
      for (let at = 0; at < data.length; at += 1) assert.ok(Object.is(read.data[at], data[at]), `${data[at]}`);
    }),
  );
});

test('a row that was written without the time of its last event has the same panes', () => {
  const ring = new PaneRing({
    ...{ stepMs: STEP_MS, latenessMs: 0 },
    features: [
      { name: 'count', aggregate: count, field: -1, sizeMs: 30 },
      { name: 'since', aggregate: timeSinceLast, field: -1, sizeMs: 30 },
    ],
  });
  // as version 1 wrote it: one pane, 100, with two events, the last at 1003
  const row = readSingle(ring, Buffer.from([1, 1 << 2, 0x90, 0x03, 2 << 2, 0xac, 0x1f]));
  assert.deepEqual([...row.data.subarray(0, 3)], [100, 2, 1003]);
  assert.deepEqual([row.panes, row.newestMs, ring.values(row)], [1, Number.NaN, [2, null]]);
  const into = new Float64Array(2);
  assert.ok(ring.add(row, 1009, new Float64Array(1), 0, into, 0));
  assert.deepEqual(
    [[...into], ring.values(row)],
    [
      [3, 0],
      [3, 0],
    ],
  );
});

test('a row that was written with the time of a late event has the same panes, and refuses what is too late', () => {
  const ring = ringFor(15);
  const row = new SingleRow(ring.doubles);
  for (const timeMs of [1003, 1025]) assert.ok(ring.add(row, timeMs, new Float64Array(2), 0, new Float64Array(64), 0));
  // once it was the time of the last event, here a late one
  row.newestMs = 1003;
  const read = rewritten(ring, row);
  assert.deepEqual([read.panes, read.newestMs], [2, Number.NaN]);
  const add = (timeMs: number): boolean => ring.add(read, timeMs, new Float64Array(2), 0, new Float64Array(64), 0);
  assert.deepEqual([add(1004), add(1005), read.newestMs], [false, true, 1020]);
  assert.deepEqual([add(1030), add(1014), add(1015)], [true, false, true]);
});

test('a window that is no whole number of steps is refused', () => {
  const features = [{ name: 'x', aggregate: count, field: -1, sizeMs: 25 }];
  assert.throws(() => new PaneRing({ stepMs: 10, latenessMs: 0, features }), /x: 25 ms is no multiple of the step/);
  assert.throws(() => new PaneRing({ stepMs: 0, latenessMs: 0, features }), /needs a step/);
});
