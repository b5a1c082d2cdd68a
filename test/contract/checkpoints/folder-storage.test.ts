import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { folderStorage } from '../../../infra/checkpoints/folder-storage.ts';
import { storageSuite } from './storage-suite.ts';

const folder = mkdtempSync(join(tmpdir(), 'millrace-checkpoints-'));
let count = 0;
after(() => rmSync(folder, { recursive: true, force: true }));

storageSuite('folder', () => {
  count += 1;
  return folderStorage(join(folder, String(count)));
});

test('folder: what a dead process left is not listed, and goes after a day', async () => {
  const storage = folderStorage(join(folder, 'left'));
  const put = (): Promise<number> => storage.put('s/1', chunks());
  const chunks = async function* (): AsyncIterable<Buffer> {
    yield await Promise.resolve(Buffer.from('whole'));
  };
  await put();
  const [old, young] = ['0.partial', '1.partial'].map((name) => join(folder, 'left', 's', name));
  assert.ok(old !== undefined && young !== undefined);
  for (const path of [old, young]) writeFileSync(path, 'half');
  utimesSync(old, 1, 1);
  assert.deepEqual(await storage.list(''), [{ name: 's/1', bytes: 5 }]);
  await put();
  assert.deepEqual([existsSync(old), existsSync(young)], [false, true]);
});
