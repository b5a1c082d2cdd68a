import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { memoryStores } from '../../../../streams/memory-store.ts';
import { VersionedStore, type VersionedValue } from '../../../../streams/stores/versioned-store.ts';

const KEYS = ['', 'a', 'a\0', 'ab', 'ü'];
const RETENTION_MS = 20;
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
        value: fc.option(fc.string(), { freq: 3 }),
      }),
    },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant('ask' as const), key: keys, timeMs: times }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('advance' as const), byMs: fc.nat(15) }) },
    {
      weight: 2,
      arbitrary: fc.record({ kind: fc.constant('expire' as const), rowsMax: fc.integer({ min: 2, max: 9 }) }),
    },
  ),
  { maxLength: 80, size: 'max' },
);

/** Every row for ever: key, then instant. */
class Naive {
  readonly rows = new Map<string, Map<number, Buffer | null>>(KEYS.map((key) => [key, new Map()]));

  asOf(key: string, timeMs: number): VersionedValue | null {
    const validFromMs = Math.max(...[...(this.rows.get(key)?.keys() ?? [])].filter((from) => from <= timeMs));
    const value = this.rows.get(key)?.get(validFromMs) ?? null;
    return value === null ? null : { validFromMs, value };
  }
}

test('answers as a map that forgets nothing, whatever was given up meanwhile', async () => {
  await fc.assert(
    fc.asyncProperty(happenings, async (history) => {
      const store = await memoryStores().open('s');
      const versions = new VersionedStore(store, { retentionMs: RETENTION_MS });
      const naive = new Naive();
      let watermarkMs = -40;
      versions.advance(watermarkMs);
      let next: Buffer | null = null;
      for (const happening of history) {
        if (happening.kind === 'put') {
          const value = happening.value === null ? null : Buffer.from(happening.value);
          const isTaken = await versions.put(happening.key, happening.timeMs, value);
          assert.equal(isTaken, happening.timeMs >= watermarkMs - RETENTION_MS);
          if (isTaken) naive.rows.get(happening.key)?.set(happening.timeMs, value);
        } else if (happening.kind === 'ask') {
          const { key, timeMs } = happening;
          if (timeMs < watermarkMs - RETENTION_MS)
            await assert.rejects(versions.getAsOf(key, timeMs), { code: 'too_late' });
          else assert.deepEqual(await versions.getAsOf(key, timeMs), naive.asOf(key, timeMs));
          assert.deepEqual(await versions.get(key), naive.asOf(key, Infinity));
        } else if (happening.kind === 'advance') {
          watermarkMs += happening.byMs;
          versions.advance(watermarkMs);
        } else {
          const slice = await versions.expired(next, happening.rowsMax);
          await store.write(slice.writes);
          next = slice.next;
        }
      }
      for (next = null; ;) {
        const slice = await versions.expired(next, 3);
        await store.write(slice.writes);
        next = slice.next;
        if (next === null) break;
      }
      const fromMs = watermarkMs - RETENTION_MS;
      for (const key of KEYS) {
        for (const timeMs of [fromMs, fromMs + 1, fromMs + RETENTION_MS, watermarkMs + 1, 60])
          assert.deepEqual(await versions.getAsOf(key, timeMs), naive.asOf(key, timeMs));
        const kept: number[] = [];
        for await (const { validFromMs } of versions.history(key)) kept.push(validFromMs);
        const needed = [...(naive.rows.get(key)?.keys() ?? [])].filter((time) => time > fromMs);
        assert.equal(kept.length, needed.length + (naive.asOf(key, fromMs) === null ? 0 : 1), 'no row too many');
      }
    }),
    { numRuns: 300 },
  );
});
