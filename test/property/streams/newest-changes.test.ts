// The newest change of each key, against a map: keys of any bytes, deletions, several fetches, cleared between.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { NewestChanges } from '../../../streams/newest-changes.ts';
import { slabsOf } from '../../../streams/testing/memory-slab.ts';

const CHANGELOG = { topic: 'changelog', partition: 0 };

interface Change {
  readonly key: Buffer;
  readonly value: Buffer | null;
}

class Pair {
  readonly #changes = new NewestChanges();
  readonly #expected = new Map<string, string | null>();

  take(changes: readonly Change[]): void {
    const records = changes.map((one) => ({ ...CHANGELOG, offset: 0, timestampMs: 0, headers: [], ...one }));
    for (const slab of slabsOf(CHANGELOG, records)) this.#changes.take(slab);
    for (const { key, value } of changes) this.#expected.set(key.toString('hex'), value?.toString('hex') ?? null);
  }

  requireSame(): void {
    const found = [...this.#changes.writes()].map(
      ({ key, value }) => [key.toString('hex'), value?.toString('hex') ?? null] as const,
    );
    assert.deepEqual(found, [...this.#expected]);
  }

  clear(): void {
    this.#changes.clear();
    this.#expected.clear();
  }
}

const bytes = fc.uint8Array({ maxLength: 3 }).map((array) => Buffer.from(array));
// few letters, so that keys come again
const key = fc.oneof(
  bytes,
  fc.array(fc.constantFrom(0, 1, 255), { maxLength: 5 }).map((array) => Buffer.from(array)),
);
const change = fc.record({ key, value: fc.option(bytes, { nil: null }) });

test('what is told of each key is what came last, in the order in which keys came', () => {
  fc.assert(
    fc.property(
      fc.array(fc.record({ changes: fc.array(change, { maxLength: 60 }), clear: fc.boolean() }), { maxLength: 8 }),
      (fetches) => {
        const pair = new Pair();
        for (const { changes, clear } of fetches) {
          pair.take(changes);
          pair.requireSame();
          if (clear) pair.clear();
        }
        pair.requireSame();
      },
    ),
  );
});

test('more keys than there is room for at first, each twice', () => {
  const pair = new Pair();
  for (const round of [1, 2]) {
    const changes = Array.from({ length: 5000 }, (_, number) => ({
      key: Buffer.from(`K${number}`),
      value: Buffer.from(`${round}:${number}`),
    }));
    pair.take(changes);
  }
  pair.requireSame();
  pair.clear();
  pair.take([{ key: Buffer.from('K1'), value: null }]);
  pair.requireSame();
});
