// What every CheckpointStorage must do.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type CheckpointStorage } from '../../../streams/checkpoints/checkpoint-storage.ts';

async function* chunksOf(...chunks: readonly Buffer[]): AsyncIterable<Buffer> {
  for (const chunk of chunks) yield await Promise.resolve(chunk);
}

async function read(storage: CheckpointStorage, name: string): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of storage.get(name)) chunks.push(chunk);
  return Buffer.concat(chunks);
}

const bytes = (text: string): Buffer => Buffer.from(text);

export function storageSuite(name: string, make: () => CheckpointStorage): void {
  test(`${name}: gives back what was put, whatever its size, and lists by prefix in order`, async () => {
    const storage = make();
    // above the size at which an upload goes in parts
    const large = Buffer.alloc(20_000_001, 'large ');
    const pieces = Array.from({ length: 21 }, (_, at) => large.subarray(at * 1_000_000, (at + 1) * 1_000_000));
    assert.equal(await storage.put('b/2', chunksOf(...pieces)), large.length);
    assert.equal(await storage.put('b/1', chunksOf(bytes('one '), bytes('object'))), 10);
    assert.equal(await storage.put('a%2F~_.-/1', chunksOf()), 0);
    assert.ok((await read(storage, 'b/2')).equals(large));
    assert.equal((await read(storage, 'b/1')).toString(), 'one object');
    assert.equal((await read(storage, 'a%2F~_.-/1')).length, 0);
    assert.deepEqual(await storage.list('b/'), [
      { name: 'b/1', bytes: 10 },
      { name: 'b/2', bytes: large.length },
    ]);
    assert.deepEqual(
      (await storage.list('')).map((one) => one.name),
      ['a%2F~_.-/1', 'b/1', 'b/2'],
    );
    assert.deepEqual(await storage.list('none/'), []);
  });

  test(`${name}: replaces, deletes, and says what is not there`, async () => {
    const storage = make();
    await storage.put('a/1', chunksOf(bytes('before')));
    await storage.put('a/1', chunksOf(bytes('after')));
    assert.equal((await read(storage, 'a/1')).toString(), 'after');
    await storage.delete('a/1');
    await storage.delete('a/1');
    await assert.rejects(read(storage, 'a/1'), { name: 'Failure', code: 'unknown_name' });
    assert.deepEqual(await storage.list('a/'), []);
  });

  for (const [when, size] of [
    ['soon', 10],
    ['between parts', 18_000_000],
  ] as const) {
    test(`${name}: what ends ${when} leaves what was there before`, async () => {
      const storage = make();
      await storage.put('a/1', chunksOf(bytes('before')));
      let isClosed = false;
      const broken = async function* (): AsyncIterable<Buffer> {
        try {
          for (let left = size; left > 0; left -= 1_000_000) yield Buffer.alloc(Math.min(left, 1_000_000));
          throw new Error('the rows broke off');
        } finally {
          isClosed = true;
        }
      };
      await assert.rejects(storage.put('a/1', broken()), /broke off/);
      await assert.rejects(storage.put('a/2', broken()), /broke off/);
      assert.deepEqual(await storage.list('a/'), [{ name: 'a/1', bytes: 6 }]);

      isClosed = false;
      const stop = new AbortController();
      const stopped = async function* (): AsyncIterable<Buffer> {
        try {
          for (let left = size; ; left -= 1_000_000) {
            if (left <= 0) stop.abort();
            yield Buffer.alloc(1_000_000);
          }
        } finally {
          isClosed = true;
        }
      };
      await assert.rejects(storage.put('a/1', stopped(), stop.signal), { name: 'AbortError' });
      assert.ok(isClosed, 'who makes the chunks is told to stop');
      assert.deepEqual(await storage.list('a/'), [{ name: 'a/1', bytes: 6 }]);
    });
  }
}
