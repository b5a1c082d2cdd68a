// Committed rows over a store that comes on behind the commits, or not at all: keys of any bytes, and more of them than are put in
// order at a time.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { memoryStores } from '../../../../streams/memory-store.ts';
import { encodeRecordBatch } from '../../../../streams/record-batch.ts';
import { CommittedRows } from '../../../../streams/state/committed-rows.ts';
import { type EncodedBatch } from '../../../../streams/log.ts';

const PLACE = { topic: 'changelog', partition: 0 };

interface Row {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

function batchOf(rows: readonly Row[]): EncodedBatch {
  const records = rows.map(({ key, value }) => ({ key: Buffer.from(key), value: Buffer.from(value), timestampMs: 0 }));
  return {
    ...{ ...PLACE, count: rows.length },
    bytes: encodeRecordBatch(records.map((record) => ({ ...PLACE, ...record }))),
  };
}

async function scanned(rows: CommittedRows, range: { from?: Buffer; to?: Buffer }): Promise<[string, string][]> {
  const found: [string, string][] = [];
  for await (const { key, value } of rows.scan(range)) found.push([key.toString('hex'), value.toString('hex')]);
  return found;
}

const bytes = (maxLength: number) => fc.uint8Array({ maxLength });
const row = fc.record({ key: bytes(2), value: bytes(40) });
const commit = fc.record({
  batches: fc.array(fc.array(row, { minLength: 1, maxLength: 12 }), { maxLength: 3 }),
  isStored: fc.integer({ min: 0, max: 3 }).map((chance) => chance === 0),
});

test('rows are those of the last commit, in the order of their bytes, however little memory there is', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(commit, { maxLength: 25, size: 'max' }),
      fc.constantFrom(0, 300, 1_000_000),
      bytes(2),
      bytes(2),
      async (commits, separateBytesMax, from, to) => {
        const store = await memoryStores().open('rows');
        const rows = new CommittedRows(store, separateBytesMax);
        const wanted = new Map<string, string>();
        for (const { batches, isStored } of commits) {
          for (const { key, value } of batches.flat())
            wanted.set(Buffer.from(key).toString('hex'), Buffer.from(value).toString('hex'));
          rows.committed(batches.map(batchOf));
          if (isStored) {
            const all = [...wanted].map(([key, value]) => ({
              key: Buffer.from(key, 'hex'),
              value: Buffer.from(value, 'hex'),
            }));
            await store.write(all);
            rows.stored(rows.commits);
            assert.equal(rows.sizeBytes, 0);
          }
          const ordered = [...wanted].sort(([a], [b]) => (a < b ? -1 : 1));
          assert.deepEqual(await scanned(rows, {}), ordered);
          const bounds = { from: Buffer.from(from), to: Buffer.from(to) };
          const [first, end] = [bounds.from.toString('hex'), bounds.to.toString('hex')];
          assert.deepEqual(
            await scanned(rows, bounds),
            ordered.filter(([key]) => key >= first && key < end),
          );
          const got = await rows.multiGet(ordered.map(([key]) => Buffer.from(key, 'hex')));
          assert.deepEqual(
            got.map((value) => value?.toString('hex')),
            ordered.map(([, value]) => value),
          );
        }
      },
    ),
    { numRuns: 200 },
  );
});

test('many changed rows come in order, and a page of them needs no more than its own', async () => {
  const rows = new CommittedRows(await memoryStores().open('rows'));
  const keys = Array.from({ length: 9000 }, (_, number) => `key-${(number * 7919) % 9000}`);
  for (let at = 0; at < keys.length; at += 900)
    rows.committed([
      batchOf(keys.slice(at, at + 900).map((key) => ({ key: Buffer.from(key), value: Buffer.from('1') }))),
    ]);
  const found: string[] = [];
  for await (const { key } of rows.scan({})) found.push(key.toString());
  assert.deepEqual(found, [...keys].sort());
  const page: string[] = [];
  for await (const { key } of rows.scan({ from: Buffer.from('key-5') })) {
    page.push(key.toString());
    if (page.length === 3) break;
  }
  assert.deepEqual(page, ['key-5', 'key-50', 'key-500']);
});

test('a store that does not come on does not make memory grow: of each key one row is kept', async () => {
  const rows = new CommittedRows(await memoryStores().open('rows'), 10_000);
  const value = Buffer.alloc(100, 1);
  for (let commits = 0; commits < 2000; commits += 1) {
    rows.committed([batchOf([{ key: Buffer.from(`key-${commits % 5}`), value }])]);
    assert.ok(rows.sizeBytes < 10_000 + 5 * 100 + 200, `${rows.sizeBytes} bytes after ${commits}`);
  }
});
