// The ring of panes against a list of all events: late ones, missing values, rows that were written down and read again.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { count } from '../../../../streams/aggregates/count.ts';
import { max } from '../../../../streams/aggregates/extremes.ts';
import { last } from '../../../../streams/aggregates/first-last.ts';
import { timeSinceLast } from '../../../../streams/aggregates/time-since-last.ts';
import { mean, sum } from '../../../../streams/aggregates/sum.ts';
import { type NumericAggregate } from '../../../../streams/aggregates/aggregate.ts';
import { type Row, SingleRow } from '../../../../streams/state/row.ts';
import { PaneRing } from '../../../../streams/windows/pane-ring.ts';
import { readRow, rowBytesMax, writeRow } from '../../../../streams/windows/pane-row-serde.ts';

const STEP_MS = 10;
const SIZES = [10, 30, 70];

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
    stepMs: fc.oneof(fc.integer({ min: 0, max: 4 }), fc.integer({ min: -60, max: 120 })),
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
      feature(`last_${size}`, last, 1, size),
    ]),
  });
}

/** Windows as of the newest event: the panes (newest − size/step, newest], over all events that counted. */
function naive(counted: readonly Event[]): (number | null)[] {
  const newest = Math.max(...counted.map(({ timeMs }) => Math.floor(timeMs / STEP_MS)));
  return SIZES.flatMap((size) => {
    const inside = counted.filter(({ timeMs }) => Math.floor(timeMs / STEP_MS) > newest - size / STEP_MS);
    const as = inside.flatMap(({ a }) => (a === null ? [] : [a]));
    const bs = inside.flatMap(({ b }) => (b === null ? [] : [b]));
    const total = (values: readonly number[]): number => values.reduce((one, other) => one + other, 0);
    // the newest by event time; of equal ones the one that came last
    const withB = inside.filter(({ b }) => b !== null).sort((x, y) => x.timeMs - y.timeMs);
    return [
      inside.length,
      as.length === 0 ? null : total(as),
      bs.length === 0 ? null : total(bs) / bs.length,
      as.length === 0 ? null : Math.max(...as),
      withB[withB.length - 1]?.b ?? null,
    ];
  });
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
    fc.property(events, fc.constantFrom(0, 25, 1000), (steps, latenessMs) => {
      const ring = ringFor(latenessMs);
      const into = new Float64Array(ring.width + 1);
      const counted: Event[] = [];
      let row: Row = new SingleRow(ring.doubles);
      let nowMs = 1000;
      for (const { stepMs, a, b, restart } of steps) {
        const event = { timeMs: nowMs + stepMs, a, b };
        nowMs = Math.max(nowMs, event.timeMs);
        const newest =
          counted.length === 0 ? -Infinity : Math.max(...counted.map((one) => Math.floor(one.timeMs / STEP_MS)));
        const pane = Math.floor(event.timeMs / STEP_MS);
        const tooLate = pane < newest && (pane <= newest - 7 || (newest - pane) * STEP_MS > latenessMs);
        const fields = Float64Array.of(7, a ?? Number.NaN, b ?? Number.NaN);
        assert.equal(ring.add(row, event.timeMs, fields, 1, into, 1), !tooLate);
        if (tooLate) continue;
        counted.push(event);
        const got = Array.from(into.subarray(1), (one) => (Number.isNaN(one) ? null : one));
        const wanted = naive(counted);
        for (const [index, one] of wanted.entries())
          assert.ok(
            got[index] === one || (one !== null && Math.abs((got[index] ?? Number.NaN) - one) < 1e-9),
            `${index}: ${got[index]} is not ${one}`,
          );
        if (restart) row = rewritten(ring, row);
        assert.equal(row.lastMs, event.timeMs);
        assert.deepEqual(ring.values(row), got);
      }
    }),
    { numRuns: 300 },
  );
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
      const read = rewritten(ring, Object.assign(new SingleRow(0), { data, panes, lastMs: slots[0] ?? 0 }));
      assert.equal(read.panes, panes);
      assert.ok(Object.is(read.lastMs, slots[0]));
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
  assert.deepEqual([row.panes, row.lastMs, ring.values(row)], [1, Number.NaN, [2, null]]);
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

test('a window that is no whole number of steps is refused', () => {
  const features = [{ name: 'x', aggregate: count, field: -1, sizeMs: 25 }];
  assert.throws(() => new PaneRing({ stepMs: 10, latenessMs: 0, features }), /x: 25 ms is no multiple of the step/);
  assert.throws(() => new PaneRing({ stepMs: 0, latenessMs: 0, features }), /needs a step/);
});
