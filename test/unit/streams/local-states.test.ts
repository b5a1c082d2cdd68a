// Local stores that are restored, followed and handed over, on the log in memory and by its time.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Failure } from '../../../schemas/failure.ts';
import { CalledOff, LocalStates } from '../../../streams/local-states.ts';
import { type StateName } from '../../../streams/local-store.ts';
import { type Log } from '../../../streams/log.ts';
import { memoryStores } from '../../../streams/memory-store.ts';
import { type StateStore, type StateStores } from '../../../streams/store.ts';
import { MemoryBroker } from '../../../streams/testing/memory-broker.ts';
import { MemoryLog } from '../../../streams/testing/memory-log.ts';
import { SimulatedTime } from '../../../streams/testing/simulated-time.ts';

const PARTITIONS = 20;
const never = new AbortController().signal;

class Scene {
  readonly time = new SimulatedTime({ startMs: 1_700_000_000_000 });
  readonly broker = new MemoryBroker({ clock: this.time.clock });
  readonly log: Log = new MemoryLog({ broker: this.broker, clock: this.time.clock, clientId: 'test' });
  readonly notices: string[] = [];
  readonly failures: unknown[] = [];
  writer = this.log.writer();

  constructor() {
    this.#makeChangelog();
  }

  #makeChangelog(): void {
    this.broker.createTopics([{ name: 'changelog', partitions: PARTITIONS, config: {} }]);
  }

  /** The changelog is another one of the same name from now on, which is empty. */
  makeAnew(): void {
    this.broker.deleteTopics(['changelog']);
    this.#makeChangelog();
    this.writer = this.log.writer();
  }

  /** A change that is not committed: the changelog's end is out of reach. */
  async writeOpen(partition: number): Promise<void> {
    const session = await this.log.transactions(`open-${partition}`, 600_000);
    session.begin();
    await session.append([
      { topic: 'changelog', partition, timestampMs: 0, key: Buffer.from('open'), value: Buffer.from('never') },
    ]);
  }

  states(stores: StateStores): LocalStates {
    return new LocalStates({
      ...{ stores, admin: this.log.admin(), reader: this.log.reader(), clock: this.time.clock },
      notice: (text) => this.notices.push(text),
      failed: (error) => this.failures.push(error),
    });
  }

  /** key → value; null deletes */
  async write(partition: number, changes: readonly (readonly [string, string | null])[]): Promise<void> {
    for (const [key, value] of changes)
      await this.writer.append([
        {
          ...{ topic: 'changelog', partition, timestampMs: 0, key: Buffer.from(key) },
          value: value === null ? null : Buffer.from(value),
        },
      ]);
  }

  /** Two rows are written, and a copy of them is kept. */
  async followTwoRows(states: LocalStates): Promise<void> {
    await this.write(0, [
      ['a', '1'],
      ['b', '2'],
    ]);
    await states.follow([stateOf(0)]);
    await this.until(() => states.progress()[0]?.position === 2);
  }

  /** Lets time pass until `isSo`. */
  async until(isSo: () => boolean): Promise<void> {
    while (!isSo()) await this.time.clock.sleep(5);
  }

  run(body: () => Promise<void>): Promise<void> {
    return this.time.run(body, 60_000);
  }
}

const stateOf = (partition: number): StateName => ({
  name: `app.rows-${partition}`,
  changelog: { topic: 'changelog', partition },
});
const held = async (store: StateStore): Promise<StateStore> => store;

async function contentOf(store: StateStore): Promise<Record<string, string>> {
  const content: Record<string, string> = {};
  for await (const { key, value } of store.scan({})) if (key[0] !== 0) content[key.toString()] = value.toString();
  return content;
}

test('a store is restored to the end of its changelog, and from where it stood the next time', () => {
  const scene = new Scene();
  return scene.run(async () => {
    const stores = memoryStores();
    const first = scene.states(stores);
    await scene.write(0, [
      ['a', '1'],
      ['b', '2'],
      ['a', '3'],
      ['c', '4'],
      ['b', null],
    ]);
    let wasEmpty = true;
    const store = await first.restore(stateOf(0), never, async (opened, isEmpty) => {
      wasEmpty = isEmpty;
      return opened;
    });
    assert.deepEqual(await contentOf(store), { a: '3', c: '4' });
    assert.equal(wasEmpty, false);
    assert.equal(first.restoredRecords, 5);
    await store.close();
    await first.close();

    const second = scene.states(stores);
    await scene.write(0, [['d', '5']]);
    assert.deepEqual(await contentOf(await second.restore(stateOf(0), never, held)), { a: '3', c: '4', d: '5' });
    assert.equal(second.restoredRecords, 1);
    assert.equal(await second.restore(stateOf(1), never, async (_store, isEmpty) => isEmpty), true);
    await second.close();
  });
});

test('many are restored, some at a time, each to its own end', () => {
  const scene = new Scene();
  return scene.run(async () => {
    const partitions = Array.from({ length: PARTITIONS }, (_, partition) => partition);
    for (const partition of partitions)
      await scene.write(partition, [
        ['key', `old ${partition}`],
        ['key', `new ${partition}`],
      ]);
    const states = scene.states(memoryStores());
    let most = 0;
    const restored = Promise.all(
      partitions.map((partition) => states.restore(stateOf(partition), never, (store) => contentOf(store))),
    );
    let done = false;
    restored.finally(() => (done = true)).catch(() => undefined);
    await scene.until(() => {
      most = Math.max(most, states.progress().length);
      return done;
    });
    assert.deepEqual(
      await restored,
      partitions.map((partition) => ({ key: `new ${partition}` })),
    );
    assert.ok(most > 1 && most < PARTITIONS, `${most} at a time`);
    await states.close();
  });
});

test('a standby copy follows, and hands over what the last moment lacked', () => {
  const scene = new Scene();
  return scene.run(async () => {
    const states = scene.states(memoryStores());
    const rows = Array.from({ length: 50 }, (_, index) => [`key-${index}`, 'x'] as const);
    await scene.write(3, rows);
    await states.follow([stateOf(3), stateOf(4)]);
    await scene.until(() => states.progress().find(({ name }) => name === stateOf(3).name)?.position === 50);
    assert.equal(states.restoredRecords, 0);
    await scene.write(3, [['key-0', 'last']]);
    const content = await states.restore(stateOf(3), never, (store) => contentOf(store));
    assert.equal(Object.keys(content).length, 50);
    assert.equal(content['key-0'], 'last');
    assert.ok(states.restoredRecords <= 1, `${states.restoredRecords} records`);
    assert.deepEqual(
      states.progress().map(({ name, role }) => `${role} ${name}`),
      [`standby ${stateOf(4).name}`],
    );
    await states.close();
    assert.deepEqual(scene.failures, []);
  });
});

test('a copy that a task has claimed is neither closed nor opened until the task lets go of it', () => {
  const scene = new Scene();
  return scene.run(async () => {
    const states = scene.states(memoryStores());
    await scene.followTwoRows(states);
    states.claim(stateOf(0));
    // the group may say that it is no copy any more before the task has come to its state
    await states.follow([]);
    const store = await states.restore(stateOf(0), never, held);
    assert.equal(states.restoredRecords, 0);
    await states.follow([stateOf(0)]);
    assert.deepEqual(states.progress(), []);
    await store.close();
    states.release(stateOf(0));
    await scene.until(() => states.progress()[0]?.position === 2);
    await states.close();
    assert.deepEqual(scene.failures, []);
  });
});

test('a copy that is not kept any more is closed, and goes on from where it was', () => {
  const scene = new Scene();
  return scene.run(async () => {
    const states = scene.states(memoryStores());
    await scene.followTwoRows(states);
    await states.follow([]);
    assert.deepEqual(states.progress(), []);
    assert.deepEqual(await states.kept(), [{ name: stateOf(0).name, position: 2 }]);
    await states.follow([stateOf(0)]);
    await scene.write(0, [['c', '3']]);
    await scene.until(() => states.progress()[0]?.position === 3);
    assert.equal(states.progress()[0]?.records, 1);
    await states.close();
  });
});

test('a restore is called off, while it waits for its place and while it reads', () => {
  const scene = new Scene();
  return scene.run(async () => {
    const states = scene.states(memoryStores());
    // a transaction that is open keeps the end out of reach
    const session = await scene.log.transactions('open', 600_000);
    session.begin();
    for (let partition = 0; partition < PARTITIONS; partition += 1)
      await session.append([
        { topic: 'changelog', partition, timestampMs: 0, key: Buffer.from('k'), value: Buffer.from('v') },
      ]);
    const calls = Array.from({ length: PARTITIONS }, (_, partition) => {
      const abort = new AbortController();
      return { abort, restored: states.restore(stateOf(partition), abort.signal, held) };
    });
    const outcomes = Promise.allSettled(calls.map(({ restored }) => restored));
    await scene.until(() => states.progress().length > 1);
    for (const { abort } of calls) abort.abort();
    for (const outcome of await outcomes)
      assert.ok(outcome.status === 'rejected' && outcome.reason instanceof CalledOff);
    await session.abort();
    assert.deepEqual(await states.restore(stateOf(0), never, (store) => contentOf(store)), {});
    await session.close();
    await states.close();
  });
});

/** Stores of which one is damaged until it is destroyed. */
function withDamage(stores: StateStores, name: string, when: 'opened' | 'written'): StateStores {
  let damaged = true;
  const fail = (): never => {
    throw new Failure('damaged_state', `The state store ${name} is damaged.`, { field: name });
  };
  return {
    ...stores,
    open: async (opened) => {
      const store = await stores.open(opened);
      if (!damaged || opened !== name) return store;
      if (when === 'opened') return fail();
      return {
        multiGet: (keys) => store.multiGet(keys),
        write: async () => fail(),
        scan: (range) => store.scan(range),
        close: () => store.close(),
      };
    },
    destroy: async (destroyed) => {
      if (destroyed === name) damaged = false;
      await stores.destroy(destroyed);
    },
  };
}

for (const when of ['opened', 'written'] as const) {
  test(`a store that is found damaged when it is ${when} comes back from the changelog, for a task and for a copy`, () => {
    const scene = new Scene();
    return scene.run(async () => {
      await scene.write(0, [['a', '1']]);
      await scene.write(1, [['b', '2']]);
      for (const partition of [0, 1]) {
        const states = scene.states(withDamage(memoryStores(), stateOf(partition).name, when));
        if (partition === 1) {
          await states.follow([stateOf(1)]);
          await scene.until(() => states.progress()[0]?.position === 1);
        }
        const content = await states.restore(stateOf(partition), never, (store) => contentOf(store));
        assert.deepEqual(content, partition === 0 ? { a: '1' } : { b: '2' });
        await states.close();
      }
      assert.equal(scene.notices.length, 2);
      assert.match(scene.notices[0] ?? '', /damaged\. It is restored from its changelog/);
      assert.deepEqual(scene.failures, []);
    });
  });
}

test('a copy whose changelog is made anew begins anew, and so it does not keep rows of the one before', () => {
  const scene = new Scene();
  return scene.run(async () => {
    const states = scene.states(memoryStores());
    await scene.followTwoRows(states);
    scene.makeAnew();
    await scene.write(0, [['c', '3']]);
    await scene.until(() => states.progress()[0]?.position === 1);
    assert.deepEqual(await states.restore(stateOf(0), never, (store) => contentOf(store)), { c: '3' });
    assert.match(scene.notices.join(), /stands at 2 of its changelog changelog\/0, which does not reach there/);
    await states.close();
    assert.deepEqual(scene.failures, []);
  });
});

test('a copy that stands beyond the end of its changelog is not taken over', () => {
  const scene = new Scene();
  return scene.run(async () => {
    const states = scene.states(memoryStores());
    await scene.followTwoRows(states);
    scene.makeAnew();
    states.claim(stateOf(0));
    assert.deepEqual(await states.restore(stateOf(0), never, (store) => contentOf(store)), {});
    assert.match(scene.notices.join(), /stands at 2, its changelog reaches from 0 to 0/);
    await states.close();
  });
});

for (const kept of ['a copy', 'a store'] as const)
  test(`${kept} is brought up to an end that is no more: it comes back from what there is now`, () => {
    const scene = new Scene();
    return scene.run(async () => {
      const states = scene.states(memoryStores());
      await scene.followTwoRows(states);
      if (kept === 'a store') await states.follow([]);
      await scene.writeOpen(0);
      states.claim(stateOf(0));
      const restored = states.restore(stateOf(0), never, (store) => contentOf(store));
      await scene.time.clock.sleep(500);
      scene.makeAnew();
      await scene.write(0, [['c', '3']]);
      assert.deepEqual(await restored, { c: '3' });
      await states.close();
    });
  });

test('what a store lacks is deleted in its changelog while it is restored: it ends at what is left', () => {
  const scene = new Scene();
  return scene.run(async () => {
    const states = scene.states(memoryStores());
    await scene.followTwoRows(states);
    await states.follow([]);
    await scene.writeOpen(0);
    const restored = states.restore(stateOf(0), never, async (store, isEmpty) => {
      assert.equal(isEmpty, true);
      return contentOf(store);
    });
    await scene.time.clock.sleep(500);
    scene.broker.deleteRecords([{ ...stateOf(0).changelog, offset: 3 }]);
    assert.deepEqual(await restored, {});
    await states.close();
  });
});
