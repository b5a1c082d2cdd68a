// An instance whose task cannot be made, or not be closed, leaves nothing open: databases have locks, members keep partitions.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Application } from '../../../streams/application.ts';
import { type Log } from '../../../streams/log.ts';
import { memoryStores } from '../../../streams/memory-store.ts';
import { type ApplicationSpec } from '../../../streams/processor.ts';
import { type StateStore, type StateStores } from '../../../streams/store.ts';
import { MemoryBroker } from '../../../streams/testing/memory-broker.ts';
import { MemoryLog } from '../../../streams/testing/memory-log.ts';
import { SimulatedTime } from '../../../streams/testing/simulated-time.ts';
import { compiledOn, counting, plainOptions } from '../../fakes/plain-engine.ts';

const PARTITIONS = new Map([
  ['words', 1],
  ['counts', 1],
]);
const changelogTopic = (store: string): string => `changelog-${store}`;

type SubTopology = ApplicationSpec['subTopologies'][number];

class Scene {
  readonly time = new SimulatedTime({ startMs: 1_700_000_000_000 });
  readonly broker = new MemoryBroker({ clock: this.time.clock });
  readonly #log = new MemoryLog({ broker: this.broker, clock: this.time.clock, clientId: 'test' });
  readonly #compiled = compiledOn(counting, PARTITIONS, changelogTopic);
  /** stores, readers, members and sessions */
  readonly open = new Set<string>();

  constructor() {
    this.broker.createTopics(this.#compiled.topics);
  }

  #opened<T extends { close(...args: never[]): Promise<void> }>(what: string, one: T): T {
    this.open.add(what);
    const close = one.close.bind(one);
    one.close = (...args) => {
      this.open.delete(what);
      return close(...args);
    };
    return one;
  }

  log(offsetsFail: (topic: string) => boolean): Log {
    let readers = 0;
    const admin = this.#log.admin();
    const offsets = admin.offsets.bind(admin);
    admin.offsets = async (partitions) => {
      if (partitions.some(({ topic }) => offsetsFail(topic))) throw new Error('no offsets');
      return offsets(partitions);
    };
    return {
      reader: () => this.#opened(`reader ${(readers += 1)}`, this.#log.reader()),
      writer: () => this.#log.writer(),
      transactions: async (id, timeoutMs) => this.#opened('session', await this.#log.transactions(id, timeoutMs)),
      atLeastOnce: () => this.#log.atLeastOnce(),
      membership: (options) => this.#opened('member', this.#log.membership(options)),
      admin: () => this.#opened('admin', admin),
      close: () => this.#log.close(),
    };
  }

  stores(change: (store: StateStore) => StateStore): StateStores {
    const stores = memoryStores();
    return { ...stores, open: async (name) => change(this.#opened(`store ${name}`, await stores.open(name))) };
  }

  application(
    changed: (sub: SubTopology) => object,
    offsetsFail: (topic: string) => boolean,
    change: (store: StateStore) => StateStore,
  ): Application {
    const { spec } = this.#compiled;
    const subTopologies = spec.subTopologies.map((sub) => ({ ...sub, ...changed(sub) }));
    return new Application({
      ...plainOptions(changelogTopic),
      ...{ spec: { ...spec, subTopologies }, log: this.log(offsetsFail), clock: this.time.clock, instance: 'a' },
      stores: this.stores(change),
    });
  }
}

const NOTHING = {
  stops: false,
  changed: (): object => ({}),
  offsetsFail: (): boolean => false,
  change: (store: StateStore): StateStore => store,
};

for (const { what, stops, changed, offsetsFail, change, why } of [
  {
    ...{ ...NOTHING, what: 'a processor cannot be made', why: /no processor/ },
    changed: () => ({
      create: async () => {
        throw new Error('no processor');
      },
    }),
  },
  {
    ...{ ...NOTHING, what: 'the ends of what a task writes to are not told', why: /no offsets/ },
    changed: () => ({ outputLanes: () => [{ topic: 'counts', partition: 0, lane: 0 }] }),
    offsetsFail: (topic: string) => topic === 'counts',
  },
  {
    ...{ ...NOTHING, what: 'a store cannot be closed', why: /no close/, stops: true },
    change: (store: StateStore): StateStore => ({
      ...{ multiGet: (keys) => store.multiGet(keys), write: (writes) => store.write(writes) },
      scan: (range) => store.scan(range),
      close: async () => {
        await store.close();
        throw new Error('no close');
      },
    }),
  },
])
  test(`${what}: the instance ends, and nothing of it stays open`, () => {
    const scene = new Scene();
    return scene.time.run(async () => {
      const application = scene.application(changed, offsetsFail, change);
      await application.start();
      // a failure of the ending is told by `finished`
      application.finished.catch(() => undefined);
      while (stops && application.status().tasks.length === 0) await scene.time.clock.sleep(5);
      if (stops) await application.stop();
      await assert.rejects(application.finished, why);
      assert.deepEqual([...scene.open], []);
    }, 60_000);
  });
