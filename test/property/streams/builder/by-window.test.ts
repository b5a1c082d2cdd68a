// A state with a value per window, through its bytes, against a map of all that was put and a bound below which nothing is kept.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ByWindow, NO_WINDOWS, byWindow } from '../../../../streams/builder/by-window.ts';
import { text } from '../../../../streams/builder/format.ts';

const time = fc.integer({ min: -20, max: 40 });
const happening = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('put' as const),
      timeMs: time,
      value: fc.option(fc.constantFrom('', 'x', 'ü'), { freq: 3 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('since' as const), timeMs: time }) },
);
const format = byWindow(text);

test('it answers as a map does from which what starts too early is gone', () => {
  fc.assert(
    fc.property(fc.array(happening, { maxLength: 40, size: 'max' }), time, time, (history, fromMs, toMs) => {
      let state: ByWindow<string> = NO_WINDOWS;
      const known = new Map<number, string>();
      let keptFromMs = -Infinity;
      for (const one of history) {
        if (one.kind === 'since') {
          keptFromMs = Math.max(keptFromMs, one.timeMs);
          for (const startMs of known.keys()) if (startMs < keptFromMs) known.delete(startMs);
          state = state.since(one.timeMs) ?? new ByWindow<string>([], keptFromMs);
        } else if (one.timeMs < keptFromMs) {
          const before = state;
          assert.throws(() => before.put(one.timeMs, one.value), { code: 'too_late' });
        } else {
          if (one.value === null) known.delete(one.timeMs);
          else known.set(one.timeMs, one.value);
          state = state.put(one.timeMs, one.value);
        }
        state = format.decode(format.encode(state));
        const all = [...known].map(([startMs, value]) => ({ startMs, value })).sort((a, b) => a.startMs - b.startMs);
        assert.deepEqual(
          state.fetch(fromMs, toMs),
          all.filter(({ startMs }) => startMs >= fromMs && startMs <= toMs),
        );
        assert.equal(state.get(fromMs), known.get(fromMs) ?? null);
      }
    }),
  );
});
