// Checkpoints of real stores: taken while the store goes on, restored into an empty one, with the changelog's tail on top.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { rocksStores } from '../../../infra/rocksdb/rocksdb-stores.ts';
import { folderStorage } from '../../../infra/checkpoints/folder-storage.ts';
import { type CheckpointHeader } from '../../../streams/checkpoints/checkpoint-format.ts';
import { type CheckpointStorage } from '../../../streams/checkpoints/checkpoint-storage.ts';
import { Checkpoints, type RestoreOptions } from '../../../streams/checkpoints/checkpoints.ts';
import { memoryStorage } from '../../../streams/checkpoints/memory-storage.ts';
import { memoryStores } from '../../../streams/memory-store.ts';
import { type StateStore, type StateStores, type StoreWrite } from '../../../streams/store.ts';

const POSITION = Buffer.from('\0changelog-position');
const AS_OF_MS = 1_000;
const HEADER: CheckpointHeader = {
  ...{ store: 'app.s-0', topic: 'changelog', partition: 0, offset: 0 },
  ...{ takenAtMs: 2_000, asOfMs: AS_OF_MS },
};
const AS_OF_FROM_MS = 500;

const positionOf = ({ offset }: { readonly offset: number }): StoreWrite[] => [
  { key: POSITION, value: Buffer.from(String(offset)) },
];

/** A changelog of a store: what write `offset` changes. Keys come back, change and go. */
function changeAt(offset: number): StoreWrite {
  const key = Buffer.from(`k${(offset * 7_919) % 500}`);
  return { key, value: offset % 5 === 0 ? null : Buffer.from(`value ${offset}`) };
}

async function write(store: StateStore, from: number, to: number): Promise<void> {
  const writes = Array.from({ length: to - from }, (_, at) => changeAt(from + at));
  await store.write([...writes, ...positionOf({ offset: to })]);
}

function truth(to: number): Map<string, string> {
  const rows = new Map<string, string>();
  for (let offset = 0; offset < to; offset += 1) {
    const { key, value } = changeAt(offset);
    if (value === null) rows.delete(key.toString());
    else rows.set(key.toString(), value.toString());
  }
  return new Map([...rows].sort(([a], [b]) => (a < b ? -1 : 1)));
}

async function contents(store: StateStore): Promise<Map<string, string>> {
  const rows = new Map<string, string>();
  for await (const { key, value } of store.scan({}))
    if (!key.equals(POSITION)) rows.set(key.toString(), value.toString());
  return rows;
}

/** Every chunk passes through `change`: the object then is what is left of it. */
function changing(storage: CheckpointStorage, change: (name: string, whole: Buffer) => Buffer): CheckpointStorage {
  return {
    ...storage,
    async *get(name) {
      const chunks: Buffer[] = [];
      for await (const chunk of storage.get(name)) chunks.push(chunk);
      yield change(name, Buffer.concat(chunks));
    },
  };
}

function restoring(stores: StateStores, more: Partial<RestoreOptions> = {}): RestoreOptions {
  return {
    stores,
    store: HEADER.store,
    changelog: { topic: HEADER.topic, partition: HEADER.partition, end: 10_000 },
    asOfFromMs: AS_OF_FROM_MS,
    position: positionOf,
    ...more,
  };
}

/** Three checkpoints of a store that goes on while each is written. */
async function threeCheckpoints(stores: StateStores, storage: CheckpointStorage): Promise<Checkpoints> {
  const checkpoints = new Checkpoints(storage);
  const store = await stores.open(HEADER.store);
  for (const offset of [1_000, 2_000, 3_000]) {
    await write(store, offset - 1_000, offset);
    const begun = await checkpoints.begin(store, { ...HEADER, offset }, [POSITION]);
    await write(store, offset, offset + 500);
    const { bytes } = await begun.write();
    assert.ok(bytes > 1_000);
    await write(store, offset + 500, offset + 1_000);
  }
  await store.close();
  return checkpoints;
}

function suite(
  name: string,
  make: () => { stores: StateStores; elsewhere: StateStores; storage: CheckpointStorage },
): void {
  test(`${name}: a machine without the store has its moment back, and with the tail all of it`, async () => {
    const { stores, elsewhere, storage } = make();
    const checkpoints = await threeCheckpoints(stores, storage);
    assert.equal((await checkpoints.newest(HEADER))?.offset, 3_000);
    const { restored, skipped } = await checkpoints.restore(restoring(elsewhere));
    assert.ok(restored !== null);
    assert.deepEqual(skipped, []);
    assert.deepEqual(restored.header, { ...HEADER, offset: 3_000 });
    const { store } = restored;
    assert.deepEqual(await contents(store), truth(3_000));
    assert.equal(restored.rows, truth(3_000).size);
    assert.equal((await store.multiGet([POSITION]))[0]?.toString(), '3000');
    await write(store, 3_000, 4_000);
    assert.deepEqual(await contents(store), truth(4_000));
    await store.close();
  });

  test(`${name}: damaged and torn ones are skipped, one by one, and leave nothing behind`, async () => {
    const { stores, elsewhere, storage } = make();
    await threeCheckpoints(stores, storage);
    const torn = changing(storage, (object, whole) => {
      if (object.includes('3000')) return whole.subarray(0, whole.length - 5);
      if (!object.includes('2000')) return whole;
      const turned = Buffer.from(whole);
      turned.writeUInt8(turned.readUInt8(whole.length >> 1) ^ 1, whole.length >> 1);
      return turned;
    });
    // rows that neither the checkpoint nor the changelog knows: of a store that was torn
    const left = await elsewhere.open(HEADER.store);
    await left.write([{ key: Buffer.from('stale'), value: Buffer.from('v') }]);
    await left.close();
    const { restored, skipped } = await new Checkpoints(torn).restore(restoring(elsewhere));
    assert.ok(restored !== null);
    assert.deepEqual(
      skipped.map(({ name: object, failure }) => [object, failure.code]),
      [
        ['changelog-0/0000000000003000.checkpoint', 'undecodable_record'],
        ['changelog-0/0000000000002000.checkpoint', 'undecodable_record'],
      ],
    );
    assert.match(skipped[0]?.failure.advice ?? '', /3000.*torn.*older one/);
    assert.equal(restored.header.offset, 1_000);
    assert.deepEqual(await contents(restored.store), truth(1_000));
    await restored.store.close();

    const none = await new Checkpoints(changing(storage, () => Buffer.alloc(0))).restore(restoring(elsewhere));
    assert.equal(none.restored, null);
    assert.equal(none.skipped.length, 3);
    const store = await elsewhere.open(HEADER.store);
    assert.equal((await contents(store)).size, 0);
    assert.deepEqual(await store.multiGet([POSITION]), [null]);
    await store.close();
  });

  test(`${name}: what does not fit is skipped: beyond the changelog's end, too old, of another changelog`, async () => {
    const { stores, elsewhere, storage } = make();
    const checkpoints = await threeCheckpoints(stores, storage);
    const offsetOf = async (more: Partial<RestoreOptions>): Promise<number | null> => {
      const { restored } = await checkpoints.restore(restoring(elsewhere, more));
      await restored?.store.close();
      return restored?.header.offset ?? null;
    };
    assert.equal(await offsetOf({ changelog: { topic: 'changelog', partition: 0, end: 2_999 } }), 2_000);
    assert.equal(await offsetOf({ changelog: { topic: 'changelog', partition: 0, end: 0 } }), null);
    assert.equal(await offsetOf({ changelog: { topic: 'changelog', partition: 1, end: 9_999 } }), null);
    assert.equal(await offsetOf({ changelog: { topic: 'other', partition: 0, end: 9_999 } }), null);
    assert.equal(await offsetOf({ asOfFromMs: AS_OF_MS + 1 }), null);
    assert.equal(await offsetOf({ asOfFromMs: AS_OF_MS }), 3_000);
    const store = await stores.open('old');
    const old = { store: HEADER.store, topic: HEADER.topic, partition: 0, offset: 4_000, takenAtMs: 2_000 };
    await (await checkpoints.begin(store, old, [])).write();
    assert.equal(await offsetOf({}), 3_000, 'an older version did not say as of when it was');
    await store.close();
  });

  test(`${name}: pruning keeps the newest, and two at least; stores do not see each other's`, async () => {
    const { stores, storage } = make();
    const checkpoints = await threeCheckpoints(stores, storage);
    assert.deepEqual(await checkpoints.list({ topic: 'changelog', partition: 1 }), []);
    assert.deepEqual(await checkpoints.prune(HEADER, 1), ['changelog-0/0000000000001000.checkpoint']);
    assert.deepEqual(
      (await checkpoints.list(HEADER)).map(({ offset }) => offset),
      [3_000, 2_000],
    );
    assert.deepEqual(await checkpoints.prune(HEADER, 1), []);
  });

  test(`${name}: one that is abandoned or stopped leaves nothing, and the store closes`, async () => {
    const { stores, storage } = make();
    const checkpoints = new Checkpoints(storage);
    const store = await stores.open(HEADER.store);
    await write(store, 0, 400);
    await (await checkpoints.begin(store, HEADER, [POSITION])).abandon();
    const begun = await checkpoints.begin(store, HEADER, [POSITION]);
    await assert.rejects(begun.write(AbortSignal.abort()), { name: 'AbortError' });
    await store.close();
    assert.deepEqual(await checkpoints.list(HEADER), []);
  });
}

const folder = mkdtempSync(join(tmpdir(), 'millrace-checkpoints-'));
let count = 0;
after(() => rmSync(folder, { recursive: true, force: true }));

suite('memory', () => ({ stores: memoryStores(), elsewhere: memoryStores(), storage: memoryStorage() }));
suite('rocksdb, folder', () => {
  count += 1;
  const own = join(folder, String(count));
  return {
    stores: rocksStores(join(own, 'here')),
    elsewhere: rocksStores(join(own, 'elsewhere')),
    storage: folderStorage(join(own, 'checkpoints')),
  };
});
