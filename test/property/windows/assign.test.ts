// Tumbling, hopping and sliding windows against their definitions, over whole timelines.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { sum } from '../../../streams/aggregates/sum.ts';
import {
  type TimeWindow,
  arrivalOf,
  hoppingWindows,
  isFinal,
  isInSlidingWindow,
  leavesAtMs,
  paneOf,
  paneWidthMs,
  panesOf,
  tumblingWindow,
} from '../../../streams/windows/assign.ts';

const time = fc.integer({ min: -60, max: 60 });
const duration = fc.integer({ min: 1, max: 20 });

/** Every window that starts at a multiple of the advance, on a timeline longer than any that is asked for. */
function allWindows(sizeMs: number, advanceMs: number): TimeWindow[] {
  const windows: TimeWindow[] = [];
  for (let hop = -200; hop <= 200; hop += 1)
    windows.push({ startMs: hop * advanceMs, endMs: hop * advanceMs + sizeMs });
  return windows;
}

const holds = ({ startMs, endMs }: TimeWindow, timeMs: number): boolean => startMs <= timeMs && timeMs < endMs;
// −0 and 0 are one instant
const plain = (windows: readonly TimeWindow[]): number[][] =>
  windows.map(({ startMs, endMs }) => [startMs + 0, endMs + 0]);

test('hopping windows are all that hold the instant, the earliest first', () => {
  fc.assert(
    fc.property(time, duration, duration, (timeMs, sizeMs, advanceMs) => {
      const expected = allWindows(sizeMs, advanceMs).filter((window) => holds(window, timeMs));
      assert.deepEqual(plain(hoppingWindows(timeMs, sizeMs, advanceMs)), plain(expected));
    }),
    { numRuns: 1000 },
  );
});

test('a tumbling window is the hopping one that advances by its size', () => {
  fc.assert(
    fc.property(time, duration, (timeMs, sizeMs) => {
      assert.deepEqual(plain([tumblingWindow(timeMs, sizeMs)]), plain(hoppingWindows(timeMs, sizeMs, sizeMs)));
    }),
  );
});

test('the fold of its panes is the sum over a window, for several windows over the same panes', () => {
  const event = fc.record({ timeMs: time, value: fc.integer({ min: -9, max: 9 }) });
  const windowed = fc.record({ sizeMs: duration, advanceMs: duration });
  fc.assert(
    fc.property(fc.array(event), fc.array(windowed, { minLength: 1, maxLength: 3 }), (events, kinds) => {
      const widthMs = paneWidthMs(kinds.flatMap(({ sizeMs, advanceMs }) => [sizeMs, advanceMs]));
      const firstPane = -200;
      const panes = new Float64Array(3 * 400);
      // each event is added once, whatever the number of its windows
      for (const { timeMs, value } of events) sum.add(panes, 3 * (paneOf(timeMs, widthMs) - firstPane), value, timeMs);
      for (const { sizeMs, advanceMs } of kinds)
        for (const window of events.flatMap(({ timeMs }) => hoppingWindows(timeMs, sizeMs, advanceMs))) {
          const { first, count } = panesOf(window, widthMs);
          assert.ok(Number.isInteger(first) && Number.isInteger(count));
          const total = new Float64Array(3);
          sum.fold(total, 0, panes, 3 * (first - firstPane), 3, count);
          const inside = events.filter(({ timeMs }) => holds(window, timeMs));
          assert.equal(
            sum.result(total, 0, 0) ?? 0,
            inside.reduce((all, { value }) => all + value, 0),
          );
        }
    }),
  );
});

test('an event is in a sliding window from its own instant to the one before it leaves', () => {
  fc.assert(
    fc.property(time, duration, (eventTimeMs, sizeMs) => {
      for (let atMs = -100; atMs <= 100; atMs += 1)
        assert.equal(
          isInSlidingWindow(eventTimeMs, atMs, sizeMs),
          atMs >= eventTimeMs && atMs < leavesAtMs(eventTimeMs, sizeMs),
          `at ${atMs}`,
        );
    }),
  );
});

test('with a step an event leaves at a multiple of it, less than a step late, and never early', () => {
  fc.assert(
    fc.property(time, duration, duration, (eventTimeMs, sizeMs, stepMs) => {
      const lateMs = leavesAtMs(eventTimeMs, sizeMs, stepMs) - leavesAtMs(eventTimeMs, sizeMs);
      assert.ok(lateMs >= 0 && lateMs < stepMs);
      assert.equal(Math.abs(leavesAtMs(eventTimeMs, sizeMs, stepMs) % stepMs), 0);
    }),
  );
});

test('no event that is still accepted lies in a final window, and some may in any other', () => {
  fc.assert(
    fc.property(time, fc.nat({ max: 20 }), duration, time, (watermarkMs, latenessMs, sizeMs, startMs) => {
      const window = { startMs, endMs: startMs + sizeMs };
      let accepted = 0;
      for (let timeMs = window.startMs; timeMs < window.endMs; timeMs += 1)
        if (arrivalOf(timeMs, watermarkMs, latenessMs) !== 'too late') accepted += 1;
      assert.equal(isFinal(window, watermarkMs, latenessMs), accepted === 0);
    }),
    { numRuns: 1000 },
  );
});

test('on time, late, too late', () => {
  assert.deepEqual(
    [100, 99, 90, 89].map((timeMs) => arrivalOf(timeMs, 100, 10)),
    ['on time', 'late', 'late', 'too late'],
  );
});
