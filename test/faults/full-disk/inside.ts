// Run by full-disk.test.ts with TMPDIR on a small file system of its own.
import assert from 'node:assert/strict';
import {
  closeSync,
  existsSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readdirSync,
  rmSync,
  statfsSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterEach, test } from 'node:test';
import { Artifacts } from '../../../infra/artifacts.ts';
import { connect } from '../../../infra/connect.ts';
import { rocksStores } from '../../../infra/rocksdb/rocksdb-stores.ts';
import { readSettings } from '../../../infra/settings.ts';
import { Failure } from '../../../schemas/failure.ts';
import { Platform } from '../platform.ts';

const disk = tmpdir();
const ballast = join(disk, 'ballast');
const MB = 1_048_576;

/** Leaves so much of the disk. */
function fill(leftMb: number): void {
  const file = openSync(ballast, 'a');
  const block = Buffer.alloc(MB);
  for (let { bavail, bsize } = statfsSync(disk); bavail * bsize > leftMb * MB; { bavail, bsize } = statfsSync(disk))
    writeSync(file, block, 0, Math.min(MB, bavail * bsize - leftMb * MB));
  closeSync(file);
}

const free = (): void => rmSync(ballast, { force: true });
afterEach(free);

const full =
  (words: RegExp) =>
  (error: unknown): boolean => {
    assert.ok(error instanceof Failure, String(error));
    assert.equal(error.code, 'disk_full', error.advice);
    assert.match(error.advice, words);
    assert.match(error.advice, /Free some space/);
    return true;
  };

test('a state store refuses, and has everything that it took', async () => {
  const folder = mkdtempSync(join(disk, 'state-'));
  const stores = rocksStores(folder);
  const store = await stores.open('rows');
  fill(4);
  const keys: Buffer[] = [];
  const value = Buffer.alloc(64 * 1024, 7);
  const write = async (): Promise<void> => {
    for (let number = 0; ; number += 1) {
      const key = Buffer.from(String(number));
      await store.write([{ key, value }]);
      keys.push(key);
    }
  };
  await assert.rejects(write(), full(/the state folder is full/));
  assert.ok(keys.length > 0);
  await store.close();
  free();
  const again = await stores.open('rows');
  for (const found of await again.multiGet(keys)) assert.ok(found?.equals(value) === true);
  await again.close();
  rmSync(folder, { recursive: true });
});

test('an artifact is there whole or not at all', async () => {
  const folder = mkdtempSync(join(disk, 'artifacts-'));
  const artifacts = new Artifacts(folder);
  await artifacts.put('run/model.onnx', Readable.from([Buffer.from('small')]));
  fill(4);
  const large = Readable.from(Array.from({ length: 16 }, () => Buffer.alloc(MB)));
  await assert.rejects(artifacts.put('run/model.onnx', large), full(/the artifacts is full/));
  assert.deepEqual(readdirSync(join(folder, 'artifacts', 'run')), ['model.onnx']);
  assert.equal(readFileSync(artifacts.file('run/model.onnx') ?? '', 'utf8'), 'small');
  free();
  await artifacts.put('run/model.onnx', Readable.from([Buffer.from('again')]));
  assert.equal(readFileSync(artifacts.file('run/model.onnx') ?? '', 'utf8'), 'again');
  rmSync(folder, { recursive: true });
});

test('the platform does not start on a disk that is nearly full', async () => {
  const platform = await Platform.make();
  fill(100);
  const { code, text } = await platform.run(['up'], 30_000);
  assert.equal(code, 1);
  assert.match(text, /Only 10\d MB are free at .*at least 200 MB\. Free some space, or set MILLRACE_DATA_DIR/);
  assert.ok(!existsSync(join(platform.folder, 'kafka')));
  await platform.remove();
});

test('a disk that fills up while the platform runs: it says so, waits, and goes on with every acknowledged record', async () => {
  const platform = await Platform.make({ MILLRACE_KAFKA_HEAP_MB: '384' });
  platform.start(['up']);
  await platform.says(/Millrace is up/, 120_000);
  const { log } = connect(readSettings({ ...process.env, ...platform.environment }, platform.folder), 'test');
  await log.admin().ensureTopics([{ name: 'numbers', partitions: 1, config: {} }]);
  const writer = log.writer();
  const BATCHES = 60;
  const value = Buffer.alloc(100_000, 1);
  let acknowledged = 0;
  const append = async (): Promise<void> => {
    const [written] = await writer.append([
      { topic: 'numbers', partition: 0, timestampMs: 1, key: Buffer.from(String(acknowledged)), value },
    ]);
    assert.equal(written?.firstOffset, acknowledged);
    acknowledged += 1;
  };
  await append();
  fill(2);
  const appending = (async () => {
    while (acknowledged < BATCHES) await append();
  })();
  await platform.says(/kafka (ended|does not start).*The disk that holds .* is full\. Free some space/s, 60_000);
  assert.ok(acknowledged < BATCHES);
  free();
  await appending;

  const reader = log.reader();
  reader.assign({ topic: 'numbers', partition: 0 }, 0);
  const keys: string[] = [];
  while (keys.length < BATCHES)
    for (const { records } of await reader.poll(1000)) keys.push(...records.map(({ key }) => String(key)));
  assert.deepEqual(
    keys,
    Array.from({ length: BATCHES }, (_, number) => String(number)),
  );
  await Promise.all([reader.close(), writer.close()]);
  await log.close();
  let ready = false;
  while (!ready) {
    const { processes } = JSON.parse((await platform.command(['status', '--json'], 20_000)).text) as {
      processes: { ready: boolean }[];
    };
    ready = processes.every((process) => process.ready);
  }
  await platform.remove();
});
