import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, readdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { rocksStores } from '../../../infra/rocksdb/rocksdb-stores.ts';
import { Failure } from '../../../schemas/failure.ts';
import { type StateStores } from '../../../streams/store.ts';
import { storeSuite } from './store-suite.ts';

const folder = mkdtempSync(join(tmpdir(), 'millrace-rocksdb-'));
let count = 0;
after(() => rmSync(folder, { recursive: true, force: true }));

function freshFolder(): string {
  count += 1;
  return join(folder, String(count));
}

function make(): StateStores {
  return rocksStores(freshFolder());
}

storeSuite('rocksdb', make);

/** The files of one kind, each as it is after several openings. */
async function filled(path: string, ending: RegExp): Promise<string[]> {
  for (const round of [1, 2, 3]) {
    const store = await rocksStores(path).open('a');
    await store.write(
      Array.from({ length: 500 }, (_, key) => ({ key: Buffer.from(`k${key}`), value: Buffer.alloc(200, round) })),
    );
    await store.close();
  }
  const files = readdirSync(join(path, 'a')).filter((name) => ending.test(name));
  assert.ok(files.length > 0);
  return files.map((name) => join(path, 'a', name));
}

async function readWhole(path: string): Promise<number> {
  const store = await rocksStores(path).open('a');
  try {
    let rows = 0;
    for await (const { key } of store.scan({})) rows += key.length > 0 ? 1 : 0;
    return rows;
  } finally {
    await store.close();
  }
}

const HARMS: readonly (readonly [what: string, ending: RegExp, harm: (file: string) => void])[] = [
  ['a deleted table', /\.sst$/, (file) => rmSync(file)],
  ['a table cut short', /\.sst$/, (file) => truncateSync(file, 100)],
  ['a table with a flipped byte', /\.sst$/, flipByte],
  ['a deleted CURRENT', /^CURRENT$/, (file) => rmSync(file)],
  ['rubbish in CURRENT', /^CURRENT$/, (file) => writeFileSync(file, 'rubbish')],
  ['a manifest cut short', /^MANIFEST/, (file) => truncateSync(file, 10)],
];

function flipByte(file: string): void {
  const bytes = readFileSync(file);
  bytes[1000] = (bytes[1000] ?? 0) ^ 255;
  writeFileSync(file, bytes);
}

for (const [what, ending, harm] of HARMS) {
  test(`rocksdb: ${what} is damage, told with the store's name; destroyed, it begins anew`, async () => {
    const path = freshFolder();
    for (const file of await filled(path, ending)) harm(file);
    await assert.rejects(
      readWhole(path),
      (error) => error instanceof Failure && error.code === 'damaged_state' && error.field === 'a',
    );
    await rocksStores(path).destroy('a');
    assert.equal(await readWhole(path), 0);
  });
}

test('rocksdb: a store that another has open is no damage', async () => {
  const path = freshFolder();
  const stores = rocksStores(path);
  const store = await stores.open('a');
  await assert.rejects(stores.open('a'), (error) => error instanceof Failure && error.code === 'conflict');
  await store.close();
});
