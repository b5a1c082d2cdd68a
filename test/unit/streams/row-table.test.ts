// Rows in memory stay within their bound however many new keys a slab brings.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { memoryStores } from '../../../streams/memory-store.ts';
import { OutputBatches } from '../../../streams/output-batches.ts';
import { decodeRecordBatches, encodeRecordBatch } from '../../../streams/record-batch.ts';
import { type Row, type RowSerde } from '../../../streams/state/row.ts';
import { RowTable } from '../../../streams/state/row-table.ts';

const INPUT = { topic: 'in', partition: 0 };
const CHANGELOG = { topic: 'changelog', partition: 0 };
const NEW_KEYS = 8000;
const CACHE_BYTES = 1_000_000;
/** What a row of this test takes at least, packed: its head, its key, its one number; and its place in the index. */
const ROW_BYTES = 32;

/** One double: how often the key was seen. */
const serde: RowSerde = {
  doubles: 1,
  bytesMax: () => 4,
  write: ({ data, start }, into, at) => into.writeUInt32LE(data[start] ?? 0, at),
  read: (bytes, into) => {
    into.data[into.start] = bytes.readUInt32LE(0);
    into.panes = 1;
  },
};

function seen(row: Row): number {
  return row.panes === 0 ? 0 : (row.data[row.start] ?? 0);
}

test('slabs of new keys alone do not outrun the bound, and what was let go of is read again', async () => {
  const store = await memoryStores().open('rows');
  const rows = new RowTable(store, serde, CACHE_BYTES, true);
  const outputs = new OutputBatches();
  const count = async (keys: readonly string[]): Promise<void> => {
    const bytes = encodeRecordBatch(
      keys.map((key) => ({ ...INPUT, timestampMs: 0, key: Buffer.from(key), value: Buffer.from('x') })),
    );
    const [slab] = decodeRecordBatches(bytes, INPUT, 0, []).slabs;
    assert.ok(slab !== undefined);
    if (rows.needsLoading) await rows.load(slab);
    for (const key of keys) {
      const row = rows.rowOf(Buffer.from(key), 0, key.length);
      row.data[row.start] = seen(row) + 1;
      row.panes = 1;
      rows.changed();
    }
    rows.drawChangelog(outputs, CHANGELOG);
    outputs.take();
    await rows.writeStore(rows.drawStore(), { nextOffset: 0, logEnd: 0 }, 0);
    rows.sweep();
  };
  for (let slab = 0; slab < 20; slab += 1) {
    await count(Array.from({ length: NEW_KEYS }, (_, number) => `key-${slab}-${number}`));
    // one slab more may be there until the next sweep
    assert.ok(rows.cachedBytes < 2 * CACHE_BYTES, `${rows.cachedBytes} bytes after ${slab + 1} slabs`);
    assert.ok(rows.cachedRows * ROW_BYTES < rows.cachedBytes);
  }
  await count(['key-0-0', 'key-0-0', 'key-19-7999']);
  assert.deepEqual(
    ['key-0-0', 'key-19-7999'].map((key) => seen(rows.rowOf(Buffer.from(key), 0, key.length))),
    [3, 2],
  );
});

test('a row that could not be read is not taken for a new one', async () => {
  const stores = memoryStores();
  const store = await stores.open('rows');
  await store.write([{ key: Buffer.from('a'), value: Buffer.from([7, 0, 0, 0]) }]);
  let fails = true;
  const failing = {
    multiGet: (keys: readonly Buffer[]) => (fails ? Promise.reject(new Error('disk')) : store.multiGet(keys)),
    write: store.write.bind(store),
    scan: store.scan.bind(store),
    close: store.close.bind(store),
  };
  const rows = new RowTable(failing, serde, CACHE_BYTES, false);
  const bytes = encodeRecordBatch([{ ...INPUT, timestampMs: 0, key: Buffer.from('a'), value: Buffer.from('x') }]);
  const [slab] = decodeRecordBatches(bytes, INPUT, 0, []).slabs;
  assert.ok(slab !== undefined);
  await assert.rejects(rows.load(slab), /disk/);
  assert.equal(rows.cachedRows, 0);
  fails = false;
  await rows.load(slab);
  assert.equal(seen(rows.rowOf(Buffer.from('a'), 0, 1)), 7);
});
