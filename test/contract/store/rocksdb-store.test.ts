import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import { rocksStores } from '../../../infra/rocksdb/rocksdb-stores.ts';
import { storeSuite } from './store-suite.ts';

const folder = mkdtempSync(join(tmpdir(), 'millrace-rocksdb-'));
let count = 0;
after(() => rmSync(folder, { recursive: true, force: true }));

storeSuite('rocksdb', () => {
  count += 1;
  return rocksStores(join(folder, String(count)));
});
