// What every StateStores implementation must do.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type StateStores } from '../../../streams/store.ts';

const bytes = (text: string): Buffer => Buffer.from(text);

export function storeSuite(name: string, make: () => StateStores): void {
  test(`${name}: answers in the order of the keys, null for what is missing`, async () => {
    const store = await make().open('a');
    await store.write([
      { key: bytes('k1'), value: bytes('v1') },
      { key: bytes('k2'), value: bytes('v2') },
    ]);
    const answers = await store.multiGet([bytes('k2'), bytes('none'), bytes('k1')]);
    assert.deepEqual(
      answers.map((value) => value?.toString() ?? null),
      ['v2', null, 'v1'],
    );
    await store.close();
  });

  test(`${name}: deletes, and keeps the last write of a key in a batch`, async () => {
    const store = await make().open('a');
    await store.write([{ key: bytes('k'), value: bytes('1') }]);
    await store.write([
      { key: bytes('k'), value: null },
      { key: bytes('n'), value: bytes('1') },
      { key: bytes('n'), value: bytes('2') },
    ]);
    const answers = await store.multiGet([bytes('k'), bytes('n')]);
    assert.deepEqual(
      answers.map((value) => value?.toString() ?? null),
      [null, '2'],
    );
    await store.close();
  });

  test(`${name}: scans in byte order, from included, to excluded, both ways`, async () => {
    const store = await make().open('a');
    const keys = ['a', 'ab', 'b', 'ba', 'c', '\u00e9'];
    await store.write(keys.map((key) => ({ key: bytes(key), value: bytes(key.toUpperCase()) })));
    const scan = async (range: Parameters<typeof store.scan>[0]): Promise<string[]> => {
      const found: string[] = [];
      for await (const { key } of store.scan(range)) found.push(key.toString());
      return found;
    };
    assert.deepEqual(await scan({}), keys);
    assert.deepEqual(await scan({ from: bytes('ab'), to: bytes('c') }), ['ab', 'b', 'ba']);
    assert.deepEqual(await scan({ to: bytes('c'), reverse: true, limit: 2 }), ['ba', 'b']);
    await store.close();
  });

  test(`${name}: rows outlive the handle; destroying empties`, async () => {
    const stores = make();
    const first = await stores.open('a');
    await first.write([{ key: bytes('k'), value: bytes('v') }]);
    await first.close();
    const second = await stores.open('a');
    assert.equal((await second.multiGet([bytes('k')]))[0]?.toString(), 'v');
    await second.close();
    await stores.destroy('a');
    const third = await stores.open('a');
    assert.equal((await third.multiGet([bytes('k')]))[0], null);
    await third.close();
  });

  test(`${name}: a scan sees one moment: nothing that is written once its first row has come`, async () => {
    const store = await make().open('a');
    const keyOf = (number: number): Buffer => bytes(String(number).padStart(6, '0'));
    const numbers = Array.from({ length: 3_000 }, (_, number) => number);
    await store.write(numbers.map((number) => ({ key: keyOf(number), value: bytes('before') })));
    const rows = store.scan({})[Symbol.asyncIterator]();
    const first = await rows.next();
    await store.write([
      ...numbers.map((number) => ({ key: keyOf(number), value: number % 2 === 0 ? bytes('after') : null })),
      { key: keyOf(9_999), value: bytes('after') },
    ]);
    const seen = [first];
    for (let row = await rows.next(); row.done !== true; row = await rows.next()) seen.push(row);
    assert.equal(seen.length, numbers.length);
    assert.ok(seen.every((row) => row.done !== true && row.value.value.toString() === 'before'));
    await store.close();
  });

  test(`${name}: a scan that was left early does not keep the store open`, async () => {
    const store = await make().open('a');
    await store.write(Array.from({ length: 100 }, (_, at) => ({ key: bytes(`k${at}`), value: bytes('v') })));
    for await (const { key } of store.scan({})) if (key.toString() === 'k1') break;
    await store.close();
  });
}
