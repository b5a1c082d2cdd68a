// What open RocksDB databases tell of themselves: of a real one.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { storeNumbers, storeSizes, tickersIn } from '../../../../infra/rocksdb/open-databases.ts';
import { rocksStores } from '../../../../infra/rocksdb/rocksdb-stores.ts';

const folder = mkdtempSync(join(tmpdir(), 'millrace-open-'));
after(() => rmSync(folder, { recursive: true }));

test('sizes and counters grow with what is written and read; a closed store tells nothing', async () => {
  const store = await rocksStores(folder).open('windows-0');
  const before = (await storeNumbers()).get('windows-0');
  assert.ok(before !== undefined);
  assert.equal(before.estimatedKeys, 0);
  const rows = Array.from({ length: 1000 }, (_, index) => ({
    key: Buffer.from(`key ${index}`),
    value: Buffer.alloc(100, index),
  }));
  await store.write(rows);
  await store.multiGet(rows.slice(0, 10).map(({ key }) => key));
  await store.multiGet([Buffer.from('nowhere')]);
  const told = (await storeNumbers()).get('windows-0');
  assert.ok(told !== undefined);
  assert.equal(told.estimatedKeys, 1000);
  assert.equal(told.memtableHits, 10);
  assert.equal(told.memtableMisses, 1);
  assert.ok(told.bytesWritten > 100_000, `${told.bytesWritten} bytes written`);
  assert.ok(told.memtableBytes > before.memtableBytes + 100_000, `${told.memtableBytes} bytes in memtables`);
  assert.equal((await storeSizes()).get('windows-0'), told.tableBytes + told.memtableBytes);
  assert.equal(told.backgroundErrors, 0);
  await store.close();
  assert.ok(!(await storeSizes()).has('windows-0'));

  // opened again, what was in the log is in a table, and its blocks are read through the cache
  const again = await rocksStores(folder).open('windows-0');
  await again.multiGet(rows.map(({ key }) => key));
  const later = (await storeNumbers()).get('windows-0');
  assert.ok(later !== undefined && later.tableBytes > 1000 && later.blockCacheMisses > 0, JSON.stringify(later));
  await again.close();
});

test("RocksDB's text of tickers is read by whole names; histograms are none", () => {
  const text = [
    'rocksdb.block.cache.hit COUNT : 59990',
    'rocksdb.sim.block.cache.hit COUNT : 7',
    'rocksdb.db.write.stall P50 : 0.000000 P95 : 0.000000 COUNT : 3 SUM : 0',
    'rocksdb.stall.micros COUNT : 12',
  ].join('\n');
  const { blockCacheHits, stallMicros, bytesWritten } = tickersIn(text);
  assert.deepEqual([blockCacheHits, stallMicros, bytesWritten], [59_990, 12, 0]);
});
