import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { memoryStores } from '../../../../streams/memory-store.ts';
import { type WindowRow, WindowStore } from '../../../../streams/stores/window-store.ts';

const KEYS = ['', 'a', 'a\0', 'ab', 'ü'];
const RETENTION_MS = 30;
const keys = fc.constantFrom(...KEYS);
const times = fc.integer({ min: -60, max: 60 });

const happenings = fc.array(
  fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        kind: fc.constant('put' as const),
        key: keys,
        timeMs: times,
        value: fc.option(fc.string(), { freq: 4 }),
      }),
    },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant('ask' as const), key: keys, fromMs: times, toMs: times }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('advance' as const), byMs: fc.nat(15) }) },
    {
      weight: 1,
      arbitrary: fc.record({ kind: fc.constant('expire' as const), rowsMax: fc.integer({ min: 1, max: 9 }) }),
    },
  ),
  { maxLength: 80, size: 'max' },
);

async function all(rows: AsyncIterable<WindowRow>): Promise<WindowRow[]> {
  const found: WindowRow[] = [];
  for await (const row of rows) found.push(row);
  return found;
}

const compare = (a: WindowRow, b: WindowRow): number =>
  Buffer.from(a.key).compare(Buffer.from(b.key)) || a.windowStartMs - b.windowStartMs;

test('answers as a list of all windows that have not expired, in order, whatever was freed meanwhile', async () => {
  await fc.assert(
    fc.asyncProperty(happenings, fc.integer({ min: 1, max: 40 }), async (history, segmentMs) => {
      const store = await memoryStores().open('s');
      const windows = new WindowStore(store, { retentionMs: RETENTION_MS, segmentMs });
      let naive: WindowRow[] = [];
      let keptFromMs = -Infinity;
      for (const happening of history) {
        if (happening.kind === 'put') {
          const { key, timeMs: windowStartMs } = happening;
          const value = happening.value === null ? null : Buffer.from(happening.value);
          const isTaken = await windows.put(key, windowStartMs, value);
          assert.equal(isTaken, windowStartMs >= keptFromMs);
          if (!isTaken) continue;
          naive = naive.filter((row) => row.key !== key || row.windowStartMs !== windowStartMs);
          if (value !== null) naive.push({ key, windowStartMs, value });
        } else if (happening.kind === 'ask') {
          const { key, fromMs, toMs } = happening;
          const expected = naive
            .filter(({ windowStartMs: start }) => start >= Math.max(fromMs, keptFromMs) && start <= toMs)
            .sort(compare);
          assert.deepEqual(await all(windows.fetchAll(fromMs, toMs)), expected);
          assert.deepEqual(
            await all(windows.fetch(key, fromMs, toMs)),
            expected.filter((row) => row.key === key),
          );
        } else if (happening.kind === 'advance') {
          keptFromMs = Math.max(keptFromMs, -70) + happening.byMs;
          windows.advance(keptFromMs + RETENTION_MS);
        } else await store.write(await windows.expired(happening.rowsMax));
      }
      for (;;) {
        const writes = await windows.expired(4);
        if (writes.length === 0) break;
        await store.write(writes);
      }
      const left: Buffer[] = [];
      for await (const { key } of store.scan({})) left.push(key);
      const needed = naive.filter(({ windowStartMs }) => windowStartMs >= keptFromMs - segmentMs).length;
      assert.ok(left.length <= needed, 'what expired a segment ago has left the store');
    }),
    { numRuns: 300 },
  );
});
