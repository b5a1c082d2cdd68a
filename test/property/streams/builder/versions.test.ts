// A state with versions, through its bytes, against the list of all that was put: the value as of an instant is that of the newest row at
// or before it, and history ends where it was told to.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { text } from '../../../../streams/builder/format.ts';
import { NO_VERSIONS, type Versions, versions } from '../../../../streams/builder/versions.ts';

const time = fc.integer({ min: -20, max: 60 });
const HISTORY_MS = 25;
const happening = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant('put' as const),
      timeMs: time,
      value: fc.option(fc.constantFrom('', 'x', 'y', 'ü'), { freq: 3 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('advance' as const), timeMs: time }) },
);
const format = versions(text);

/** By definition, from all that was put and not refused. */
function holding(put: ReadonlyMap<number, string | null>, timeMs: number): string | null {
  const before = [...put.keys()].filter((fromMs) => fromMs <= timeMs);
  return before.length === 0 ? null : (put.get(Math.max(...before)) ?? null);
}

test('a state with versions answers as of each instant of its history, and refuses earlier ones', () => {
  fc.assert(
    fc.property(fc.array(happening, { maxLength: 40, size: 'max' }), (history) => {
      let state: Versions<string> = NO_VERSIONS;
      const put = new Map<number, string | null>();
      let historyFromMs = -Infinity;
      for (const one of history) {
        const { timeMs } = one;
        if (one.kind === 'advance') historyFromMs = Math.max(historyFromMs, timeMs - HISTORY_MS);
        else if (timeMs < historyFromMs) {
          const before = state;
          // a step without a state begins anew, and knows of no bound
          if (before.history().length > 0) assert.throws(() => before.put(timeMs, one.value), { code: 'too_late' });
        } else {
          put.set(timeMs, one.value);
          state = state.put(timeMs, one.value);
        }
        if (Number.isFinite(historyFromMs)) state = state.since(historyFromMs) ?? NO_VERSIONS;
        state = format.decode(format.encode(state));
        assert.equal(state.get(), holding(put, Infinity));
        for (let asked = -20; asked <= 60; asked += 1) {
          if (asked >= historyFromMs) assert.equal(state.asOf(asked), holding(put, asked));
          else if (state.history().length > 0) assert.throws(() => state.asOf(asked), { code: 'too_late' });
        }
      }
    }),
    { numRuns: 300 },
  );
});
