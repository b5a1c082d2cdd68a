// An application with a place for checkpoints, on the log in memory and by its time: what a machine without state begins with.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Failure } from '../../../schemas/failure.ts';
import { Application } from '../../../streams/application.ts';
import { type CheckpointStorage } from '../../../streams/checkpoints/checkpoint-storage.ts';
import { Checkpoints, type KeptCheckpoint } from '../../../streams/checkpoints/checkpoints.ts';
import { memoryStorage } from '../../../streams/checkpoints/memory-storage.ts';
import { memoryStores } from '../../../streams/memory-store.ts';
import { type StateStores } from '../../../streams/store.ts';
import { MemoryBroker } from '../../../streams/testing/memory-broker.ts';
import { MemoryLog } from '../../../streams/testing/memory-log.ts';
import { SimulatedTime } from '../../../streams/testing/simulated-time.ts';
import { compiledOn, counting, plainOptions } from '../../fakes/plain-engine.ts';

const INTERVAL_MS = 10_000;
const CHANGELOG = { topic: 'changelog-stage-0', partition: 0 };
const STORE = 'counting.stage-0-0';

const PARTITIONS = new Map([
  ['words', 1],
  ['counts', 1],
]);
const changelogTopic = (store: string): string => `changelog-${store}`;

/** One cluster; machines come and go. */
class Scene {
  readonly time = new SimulatedTime({ startMs: 1_700_000_000_000 });
  readonly broker = new MemoryBroker({ clock: this.time.clock });
  readonly notices: string[] = [];
  readonly storage: CheckpointStorage;
  readonly #log = new MemoryLog({ broker: this.broker, clock: this.time.clock, clientId: 'test' });
  readonly #writer = this.#log.writer();
  readonly #compiled = compiledOn(counting, PARTITIONS, changelogTopic);

  constructor(storage: CheckpointStorage = memoryStorage()) {
    this.storage = storage;
    this.broker.createTopics(this.#compiled.topics);
  }

  /** At work: its state is restored. */
  async start(stores: StateStores = memoryStores()): Promise<Application> {
    const application = new Application({
      ...plainOptions(changelogTopic),
      ...{ spec: this.#compiled.spec, log: this.#log, clock: this.time.clock, stores, instance: 'a' },
      checkpoints: { storage: this.storage, intervalMs: INTERVAL_MS },
      notice: (text) => this.notices.push(text),
    });
    await application.start();
    await this.until(() => application.status().tasks.length === 1);
    return application;
  }

  /** Counts each word, one commit at a time, so that the changelog is as long as the words are many. */
  async count(application: Application, words: readonly string[]): Promise<void> {
    for (const word of words) {
      const { written } = application.status();
      const value = Buffer.from(JSON.stringify(word));
      await this.#writer.append([{ topic: 'words', timestampMs: 1_000, key: Buffer.from(word), value }]);
      await this.until(() => application.status().written === written + 2);
    }
  }

  /** What the application said last, for each word. */
  counts(): Record<string, number> {
    const { records } = this.broker.partition({ topic: 'counts', partition: 0 }).read(0, Infinity);
    return Object.fromEntries(records.map(({ key, value }) => [String(key), Number(value)]));
  }

  /** Changelog records from an offset on. */
  tail(from: number): number {
    return this.broker.partition(CHANGELOG).read(from, Infinity).records.length;
  }

  list(): Promise<readonly KeptCheckpoint[]> {
    return new Checkpoints(this.storage).list(CHANGELOG);
  }

  /** Waits for a checkpoint that has everything up to now. */
  async checkpoint(): Promise<KeptCheckpoint> {
    const { highWatermark } = this.broker.bounds(CHANGELOG);
    for (;;) {
      const [newest] = await this.list();
      // the transaction's own mark in the changelog is no change
      if (newest !== undefined && newest.offset >= highWatermark - 1) return newest;
      await this.time.clock.sleep(100);
    }
  }

  async until(isSo: () => boolean): Promise<void> {
    while (!isSo()) await this.time.clock.sleep(5);
  }

  run(body: () => Promise<void>): Promise<void> {
    // compression takes real time, in which simulated time flies
    return this.time.run(body, 36_000_000);
  }
}

const words = (count: number, prefix = 'w'): string[] => Array.from({ length: count }, (_, at) => `${prefix}${at % 7}`);

test('a machine without state begins with the newest checkpoint, and reads the tail of the changelog only', () => {
  const scene = new Scene();
  return scene.run(async () => {
    const first = await scene.start();
    await scene.count(first, words(40));
    const { offset } = await scene.checkpoint();
    await scene.count(first, words(5));
    await first.stop();
    const second = await scene.start();
    assert.equal(scene.tail(offset), 5);
    assert.equal(second.status().restoredRecords, 5);
    assert.match(scene.notices.join('\n'), new RegExp(`${STORE} has 7 rows from a checkpoint at ${offset}`));
    await scene.count(second, words(7));
    assert.deepEqual(scene.counts(), { w0: 8, w1: 8, w2: 8, w3: 8, w4: 8, w5: 6, w6: 6 });
    await second.stop();
  });
});

test('a machine that has its state asks for no checkpoint', () => {
  const scene = new Scene();
  return scene.run(async () => {
    const stores = memoryStores();
    const first = await scene.start(stores);
    await scene.count(first, words(10));
    await scene.checkpoint();
    await first.stop();
    const again = await scene.start(stores);
    assert.deepEqual(scene.notices, []);
    await again.stop();
  });
});

test('two are kept; where the newest is damaged the one before is taken, where both are, the changelog', () => {
  const scene = new Scene();
  return scene.run(async () => {
    const first = await scene.start();
    for (let round = 0; round < 3; round += 1) {
      await scene.count(first, words(10));
      await scene.checkpoint();
    }
    const kept = await scene.list();
    assert.equal(kept.length, 2);
    await first.stop();
    for (const [damaged, { name }] of kept.entries()) {
      const chunks: Buffer[] = [];
      for await (const chunk of scene.storage.get(name)) chunks.push(chunk);
      const whole = Buffer.concat(chunks);
      whole.writeUInt8(whole.readUInt8(whole.length >> 1) ^ 1, whole.length >> 1);
      await scene.storage.put(
        name,
        (async function* () {
          yield await Promise.resolve(whole);
        })(),
      );
      scene.notices.length = 0;
      const next = await scene.start();
      const expected = kept[damaged + 1];
      assert.equal(next.status().restoredRecords, expected === undefined ? 30 : scene.tail(expected.offset));
      assert.equal(scene.notices.filter((text) => /is damaged/.test(text)).length, damaged + 1, scene.notices.join());
      await next.stop();
    }
    const last = await scene.start();
    await scene.count(last, ['w0']);
    assert.equal(scene.counts()['w0'], 7);
    await last.stop();
  });
});

test('what is beyond the end of a changelog is of another log: it is not used, now or when the new one has grown', async () => {
  const storage = memoryStorage();
  const before = new Scene(storage);
  await before.run(async () => {
    const application = await before.start();
    await before.count(application, words(20));
    await before.checkpoint();
    await application.stop();
  });
  const scene = new Scene(storage);
  await scene.run(async () => {
    const application = await scene.start();
    assert.match(scene.notices.join('\n'), /another log.*deleted/);
    assert.deepEqual(await scene.list(), []);
    await scene.count(application, words(60, 'other'));
    await application.stop();
    const again = await scene.start();
    await scene.count(again, ['w0']);
    assert.equal(scene.counts()['w0'], 1);
    await again.stop();
  });
});

test('a place that is not reached is told, and costs nothing else: the changelog is enough', () => {
  const fail = async (): Promise<never> => {
    throw new Failure('unreachable', 'The bucket is not reached.', { fix: 'Check the network.' });
  };
  const scene = new Scene({ ...memoryStorage(), put: fail, list: fail });
  return scene.run(async () => {
    const first = await scene.start();
    await scene.count(first, words(10));
    const isTold = (text: string): boolean => text.startsWith('1 of 1 checkpoints could not be written');
    await scene.until(() => scene.notices.some(isTold));
    await scene.count(first, words(10));
    await first.stop();
    scene.notices.length = 0;
    const second = await scene.start();
    assert.match(scene.notices.join('\n'), /its changelog alone.*not reached/);
    assert.equal(second.status().restoredRecords, 20);
    await second.stop();
  });
});

test('a place that takes nothing and does not answer holds up neither records nor the end', () => {
  const begun = Promise.withResolvers<void>();
  const storage = memoryStorage();
  const scene = new Scene({
    ...storage,
    // takes the first bytes, and never more
    put: async (_name, chunks) => {
      await chunks[Symbol.asyncIterator]().next();
      begun.resolve();
      return new Promise<number>(() => undefined);
    },
  });
  return scene.run(async () => {
    const application = await scene.start();
    await scene.count(application, words(10));
    let isBegun = false;
    begun.promise.then(() => (isBegun = true)).catch(() => undefined);
    await scene.until(() => isBegun);
    await scene.count(application, words(10));
    assert.equal(await application.stop(), true);
    assert.deepEqual(await storage.list(''), []);
  });
});
