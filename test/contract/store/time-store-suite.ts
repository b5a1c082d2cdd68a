// Stores of versions and of windows, on any StateStores: what single calls must do. Random histories are in test/property.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type StateStores } from '../../../streams/store.ts';
import { VersionedStore } from '../../../streams/stores/versioned-store.ts';
import { WindowStore, type WindowRow } from '../../../streams/stores/window-store.ts';

const bytes = (text: string): Buffer => Buffer.from(text);

async function all<T>(rows: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const row of rows) found.push(row);
  return found;
}

const show = ({ key, windowStartMs, value }: WindowRow): string => `${key}@${windowStartMs}=${value.toString()}`;

export function timeStoreSuite(name: string, make: () => StateStores): void {
  test(`${name}: a value holds from its instant until the next one's, a deletion too, before 1970 as after`, async () => {
    const store = await make().open('versions');
    const versions = new VersionedStore(store, { retentionMs: 1_000 });
    await versions.put('k', 100, bytes('at 100'));
    await versions.put('k', -50, bytes('at -50'));
    await versions.put('k', 200, null);
    await versions.put('k', 300, bytes(''));
    await versions.put('k\0', 10, bytes('of another key'));
    await versions.put('', 20, bytes('of the empty key'));
    const asOf = async (timeMs: number): Promise<string | null> =>
      (await versions.getAsOf('k', timeMs))?.value.toString() ?? null;
    assert.deepEqual(await Promise.all([-51, -50, 99, 100, 199, 200, 299, 300, 9e15].map(asOf)), [
      null,
      'at -50',
      'at -50',
      'at 100',
      'at 100',
      null,
      null,
      '',
      '',
    ]);
    assert.deepEqual(await versions.get('k'), { validFromMs: 300, value: bytes('') });
    assert.deepEqual(await versions.get(''), { validFromMs: 20, value: bytes('of the empty key') });
    assert.equal(await versions.get('none'), null);
    assert.deepEqual(
      (await all(versions.history('k'))).map(({ validFromMs }) => validFromMs),
      [300, 200, 100, -50],
    );
    await store.close();
  });

  test(`${name}: history before retention is refused, and its rows are given up`, async () => {
    const store = await make().open('versions');
    const versions = new VersionedStore(store, { retentionMs: 100 });
    for (const timeMs of [10, 20, 30, 400]) await versions.put('k', timeMs, bytes(String(timeMs)));
    await versions.put('gone', 5, bytes('5'));
    await versions.put('gone', 6, null);
    versions.advance(200);
    versions.advance(150);
    assert.equal(await versions.put('gone', 99, bytes('late')), false);
    assert.equal((await versions.getAsOf('k', 100))?.value.toString(), '30');
    await assert.rejects(versions.getAsOf('k', 99), { name: 'Failure', code: 'too_late' });
    for (let from: Buffer | null = null; ;) {
      const { writes, next } = await versions.expired(from, 2);
      await store.write(writes);
      if (next === null) break;
      from = next;
    }
    assert.deepEqual(
      (await all(versions.history('k'))).map(({ validFromMs }) => validFromMs),
      [400, 30],
    );
    assert.deepEqual(
      await all(store.scan({ to: bytes('k') })).then((rows) => rows.length),
      2,
      'nothing is left of gone',
    );
    await store.close();
  });

  test(`${name}: windows by key and time, over segments; both ends included`, async () => {
    const store = await make().open('windows');
    const windows = new WindowStore(store, { retentionMs: 1_000, segmentMs: 100 });
    for (const start of [-150, -100, 0, 50, 100, 950]) {
      await windows.put('b', start, bytes(`b${start}`));
      await windows.put('a', start, bytes(`a${start}`));
    }
    await windows.put('a', 50, bytes('again'));
    await windows.put('a', 100, null);
    const found = async (rows: AsyncIterable<WindowRow>): Promise<string[]> => (await all(rows)).map(show);
    assert.deepEqual(await found(windows.fetch('a', -100, 100)), ['a@-100=a-100', 'a@0=a0', 'a@50=again']);
    assert.deepEqual(await found(windows.fetchAll(0, 949)), [
      'a@0=a0',
      'a@50=again',
      'b@0=b0',
      'b@50=b50',
      'b@100=b100',
    ]);
    assert.deepEqual(await found(windows.fetch('a', -Infinity, Infinity)), [
      ...['a@-150=a-150', 'a@-100=a-100', 'a@0=a0', 'a@50=again', 'a@950=a950'],
    ]);
    assert.deepEqual(await found(windows.fetch('a', 10, 9)), []);
    assert.equal((await all(windows.fetchAll(-Infinity, Infinity))).length, 11);
    await store.close();
  });

  test(`${name}: an expired window is neither taken nor answered, and its room is freed`, async () => {
    const store = await make().open('windows');
    const windows = new WindowStore(store, { retentionMs: 100, segmentMs: 50 });
    for (const start of [0, 60, 120]) await windows.put('a', start, bytes(String(start)));
    assert.deepEqual(await windows.expired(10), []);
    windows.advance(165);
    assert.equal(await windows.put('a', 64, bytes('late')), false);
    assert.equal(await windows.put('a', 65, bytes('in time')), true);
    assert.deepEqual((await all(windows.fetchAll(0, 1_000))).map(show), ['a@65=in time', 'a@120=120']);
    const writes = await windows.expired(10);
    await store.write(writes);
    assert.equal(writes.length, 1, 'the segment in which retention begins waits until it is over');
    assert.equal((await all(store.scan({}))).length, 3);
    await store.close();
  });
}
