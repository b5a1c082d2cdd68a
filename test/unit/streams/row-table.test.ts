// Rows in memory stay within their bound however many new keys a slab brings.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { memoryStores } from '../../../streams/memory-store.ts';
import { OutputBatches } from '../../../streams/output-batches.ts';
import { decodeRecordBatches, encodeRecordBatch } from '../../../streams/record-batch.ts';
import { RowTable } from '../../../streams/state/row-table.ts';

const INPUT = { topic: 'in', partition: 0 };
const CHANGELOG = { topic: 'changelog', partition: 0 };
/** More than one sweep looks at without new rows. */
const NEW_KEYS = 8000;
const CACHE_BYTES = 1_000_000;

interface Row {
  count: number;
}

test('slabs of new keys alone do not outrun the sweep, and what was let go of is read again', async () => {
  const store = await memoryStores().open('rows');
  const serde = {
    newRow: (): Row => ({ count: 0 }),
    sizeBytes: () => 100,
    bytesMax: () => 4,
    write: ({ count }: Row, into: Buffer, at: number) => into.writeUInt32LE(count, at),
    read: (bytes: Buffer): Row => ({ count: bytes.readUInt32LE(0) }),
  };
  const rows = new RowTable<Row>(store, serde, CACHE_BYTES, true);
  const outputs = new OutputBatches();
  const count = async (keys: readonly string[]): Promise<void> => {
    const bytes = encodeRecordBatch(
      keys.map((key) => ({ ...INPUT, timestampMs: 0, key: Buffer.from(key), value: Buffer.from('x') })),
    );
    const [slab] = decodeRecordBatches(bytes, INPUT, 0, []).slabs;
    assert.ok(slab !== undefined);
    if (rows.needsLoading) await rows.load(slab);
    for (const key of keys) {
      const entry = rows.entryOf(key);
      entry.row.count += 1;
      rows.change(entry);
    }
    rows.drawChangelog(outputs, CHANGELOG);
    outputs.take();
    await rows.writeStore(rows.drawStore(), 0);
    rows.sweep();
  };
  for (let slab = 0; slab < 20; slab += 1) {
    await count(Array.from({ length: NEW_KEYS }, (_, number) => `key-${slab}-${number}`));
    // two slabs are not let go of: they were used just now
    assert.ok(rows.cachedRows <= CACHE_BYTES / 100 + 2 * NEW_KEYS, `${rows.cachedRows} rows after ${slab + 1} slabs`);
  }
  await count(['key-0-0', 'key-0-0', 'key-19-7999']);
  assert.deepEqual([rows.entryOf('key-0-0').row.count, rows.entryOf('key-19-7999').row.count], [3, 2]);
});
