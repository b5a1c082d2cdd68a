// A state with versions keeps the laws of the versioned store: the same questions get the same answers, history included.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { text } from '../../../../streams/builder/format.ts';
import { NO_VERSIONS, type Versions, versions } from '../../../../streams/builder/versions.ts';
import { memoryStores } from '../../../../streams/memory-store.ts';
import { VersionedStore } from '../../../../streams/stores/versioned-store.ts';

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

test('as the versioned store answers, so does a state with versions, through its bytes', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(happening, { maxLength: 40, size: 'max' }), async (history) => {
      const store = new VersionedStore(await memoryStores().open('s'), { retentionMs: HISTORY_MS });
      let state: Versions<string> = NO_VERSIONS;
      let watermarkMs = -Infinity;
      for (const one of history) {
        const { timeMs } = one;
        if (one.kind === 'advance') {
          watermarkMs = Math.max(watermarkMs, timeMs);
          store.advance(timeMs);
        } else if (await store.put('k', timeMs, one.value === null ? null : Buffer.from(one.value)))
          state = state.put(timeMs, one.value);
        if (Number.isFinite(watermarkMs)) {
          const left = state.since(watermarkMs - HISTORY_MS);
          // a step without a state begins anew, at the time that its task has come to
          state = left ?? NO_VERSIONS;
        }
        state = format.decode(format.encode(state));
        assert.equal(state.get(), (await store.get('k'))?.value.toString() ?? null);
        for (let asked = -20; asked <= 60; asked += 1) {
          if (asked < store.historyFromMs) {
            if (state.history().length > 0) assert.throws(() => state.asOf(asked), { code: 'too_late' });
          } else assert.equal(state.asOf(asked), (await store.getAsOf('k', asked))?.value.toString() ?? null);
        }
      }
    }),
    { numRuns: 100 },
  );
});
