// A changelog forgets deletions after a day: what was away for longer begins anew, what is up to date says so in time. The clock of
// the instance, and the wall clock that the log cleaner goes by, are moved by hand.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Application } from '../../../streams/application.ts';
import { type Clock } from '../../../streams/clock.ts';
import { LocalStates } from '../../../streams/local-states.ts';
import { type StateName } from '../../../streams/local-store.ts';
import { type Log } from '../../../streams/log.ts';
import { memoryStores } from '../../../streams/memory-store.ts';
import { POSITION_KEY, storedPosition } from '../../../streams/state/position.ts';
import { type StateStore } from '../../../streams/store.ts';
import { MemoryBroker } from '../../../streams/testing/memory-broker.ts';
import { MemoryLog } from '../../../streams/testing/memory-log.ts';
import { SimulatedTime } from '../../../streams/testing/simulated-time.ts';
import { compiledOn, counting, plainOptions } from '../../fakes/plain-engine.ts';
import { spending, valueOf } from '../../property/streams/queries/spent-windows.ts';

const HOUR_MS = 3_600_000;
const STATE: StateName = { name: 'app.rows-0', changelog: { topic: 'changelog', partition: 0 } };
const never = new AbortController().signal;
const FORGOTTEN = /was up to date last at .*, and its changelog remembers deletions for a day/;

class Scene {
  readonly time = new SimulatedTime({ startMs: 1_700_000_000_000 });
  #passedMs = 0;
  readonly clock: Clock = {
    ...this.time.clock,
    nowMs: () => this.time.clock.nowMs() + this.#passedMs,
    monotonicMs: () => this.time.clock.monotonicMs() + this.#passedMs,
  };
  // sessions and fetches go on by the time that is simulated
  readonly broker = new MemoryBroker({ clock: { ...this.time.clock, nowMs: () => this.clock.nowMs() } });
  readonly log: Log = new MemoryLog({ broker: this.broker, clock: this.time.clock, clientId: 'test' });
  readonly notices: string[] = [];
  readonly failures: unknown[] = [];
  readonly stores = memoryStores();
  readonly #writer = this.log.writer();
  readonly #producer = this.broker.newProducer();
  #sequence = 0;

  constructor() {
    this.broker.createTopics([{ name: 'changelog', partitions: 1, config: {} }]);
  }

  /** Nothing else happens meanwhile. */
  pass(ms: number): void {
    this.#passedMs += ms;
  }

  /** The log cleaner comes by, and again after a day and an hour: no deletion of before is left. */
  passDay(): void {
    this.broker.compact('changelog');
    this.pass(25 * HOUR_MS);
    this.broker.compact('changelog');
  }

  states(): LocalStates {
    return new LocalStates({
      ...{ stores: this.stores, admin: this.log.admin(), reader: this.log.reader(), clock: this.clock },
      notice: (text) => this.notices.push(text),
      failed: (error) => this.failures.push(error),
    });
  }

  /** key → value; null deletes */
  async write(changes: Readonly<Record<string, string | null>>): Promise<void> {
    for (const record of recordsOf(changes)) await this.#writer.append([record]);
  }

  /** At once, and who waits for news hears nothing of it. */
  writeUnheard(changes: Readonly<Record<string, string | null>>): void {
    const records = recordsOf(changes);
    const producer = { ...this.#producer, sequence: this.#sequence, transactional: false };
    this.#sequence += records.length;
    this.broker.partition(STATE.changelog).append(records, producer);
  }

  /** Restored, and closed again. @returns what it has, and how many records were read for it */
  async restore(states = this.states()): Promise<{ readonly rows: Record<string, string>; readonly read: number }> {
    const before = states.restoredRecords;
    const rows = await states.restore(STATE, never, async (store) => {
      const found = await rowsOf(store);
      await store.close();
      return found;
    });
    return { rows, read: states.restoredRecords - before };
  }

  async asOfMs(name = STATE.name): Promise<number> {
    const store = await this.stores.open(name);
    const { asOfMs } = await storedPosition(store);
    await store.close();
    return asOfMs;
  }

  async until(isSo: () => boolean): Promise<void> {
    while (!isSo()) await this.time.clock.sleep(5);
  }

  run(body: () => Promise<void>): Promise<void> {
    return this.time.run(body, 60_000);
  }
}

function recordsOf(changes: Readonly<Record<string, string | null>>) {
  return Object.entries(changes).map(([key, value]) => ({
    ...{ topic: 'changelog', partition: 0, timestampMs: 0, key: Buffer.from(key) },
    value: value === null ? null : Buffer.from(value),
  }));
}

async function rowsOf(store: StateStore): Promise<Record<string, string>> {
  const rows: Record<string, string> = {};
  for await (const { key, value } of store.scan({})) if (key[0] !== 0) rows[key.toString()] = value.toString();
  return rows;
}

test('a store that was away for longer than deletions are remembered is restored anew, and what was deleted stays so', () => {
  const scene = new Scene();
  return scene.run(async () => {
    await scene.write({ a: '1', b: '2' });
    assert.deepEqual(await scene.restore(), { rows: { a: '1', b: '2' }, read: 2 });
    await scene.write({ b: null });
    scene.passDay();
    await scene.write({ c: '3' });
    assert.deepEqual(await scene.restore(), { rows: { a: '1', c: '3' }, read: 2 });
    assert.match(scene.notices.join('\n'), FORGOTTEN);
    assert.equal(scene.notices.length, 1);
  });
});

test('one that was away for less is read on, and one that lacks nothing, however long it was away', () => {
  const scene = new Scene();
  return scene.run(async () => {
    await scene.write({ a: '1', b: '2' });
    await scene.restore();
    await scene.write({ b: null });
    scene.pass(22 * HOUR_MS);
    assert.deepEqual(await scene.restore(), { rows: { a: '1' }, read: 1 });
    scene.pass(1000 * HOUR_MS);
    assert.deepEqual(await scene.restore(), { rows: { a: '1' }, read: 0 });
    // and is as new as the changelog from then on
    scene.pass(22 * HOUR_MS);
    await scene.write({ c: '3' });
    assert.deepEqual(await scene.restore(), { rows: { a: '1', c: '3' }, read: 1 });
    assert.deepEqual(scene.notices, []);
  });
});

test('what an older version has kept does not say as of when it is: it is restored anew, once', () => {
  const scene = new Scene();
  return scene.run(async () => {
    await scene.write({ a: '1', b: '2' });
    const store = await scene.stores.open(STATE.name);
    const position = Buffer.alloc(8);
    position.writeBigInt64BE(1n);
    await store.write([
      { key: Buffer.from('b'), value: Buffer.from('old') },
      { key: POSITION_KEY, value: position },
    ]);
    await store.close();
    assert.deepEqual(await scene.restore(), { rows: { a: '1', b: '2' }, read: 2 });
    assert.match(scene.notices.join('\n'), /was up to date last at an unknown time/);
    assert.equal((await scene.restore()).read, 0);
    assert.equal(scene.notices.length, 1);
  });
});

test('a time that lies in the future is of a clock that was wrong, and says nothing', () => {
  const scene = new Scene();
  return scene.run(async () => {
    await scene.write({ a: '1' });
    scene.pass(1000 * HOUR_MS);
    await scene.restore();
    scene.pass(-1000 * HOUR_MS);
    await scene.write({ b: '2' });
    assert.deepEqual(await scene.restore(), { rows: { a: '1', b: '2' }, read: 2 });
  });
});

test('a copy that nothing is written to stays up to date, hour after hour', () => {
  const scene = new Scene();
  return scene.run(async () => {
    const states = scene.states();
    await scene.write({ a: '1', b: '2' });
    await states.follow([STATE]);
    await scene.until(() => states.progress()[0]?.position === 2);
    for (let hour = 0; hour < 30; hour += 1) {
      scene.pass(HOUR_MS);
      await scene.time.clock.sleep(1000);
    }
    assert.ok(scene.clock.nowMs() - (await scene.asOfMs()) < 2 * HOUR_MS);
    await scene.write({ b: null });
    assert.deepEqual((await scene.restore(states)).rows, { a: '1' });
    assert.ok(states.restoredRecords <= 1);
    assert.deepEqual([scene.notices, scene.failures], [[], []]);
    await states.close();
  });
});

test('a copy that was suspended for a day begins anew', () => {
  const scene = new Scene();
  return scene.run(async () => {
    const states = scene.states();
    await scene.write({ a: '1', b: '2', c: '3' });
    await states.follow([STATE]);
    await scene.until(() => states.progress()[0]?.position === 3);
    scene.writeUnheard({ b: null, c: '4' });
    scene.passDay();
    await scene.until(() => scene.notices.length > 0);
    assert.match(scene.notices.join(), FORGOTTEN);
    assert.deepEqual((await scene.restore(states)).rows, { a: '1', c: '4' });
    assert.deepEqual(scene.failures, []);
    await states.close();
  });
});

test('a copy that was suspended for a day is not taken over', () => {
  const scene = new Scene();
  return scene.run(async () => {
    const states = scene.states();
    await scene.write({ a: '1', b: '2', c: '3' });
    await states.follow([STATE]);
    await scene.until(() => states.progress()[0]?.position === 3);
    states.claim(STATE);
    scene.writeUnheard({ b: null, c: '4' });
    scene.passDay();
    assert.deepEqual((await scene.restore(states)).rows, { a: '1', c: '4' });
    assert.match(scene.notices.join(), FORGOTTEN);
    await states.close();
  });
});

test('a restore that stands still for a day begins anew: its time is that of its beginning', () => {
  const scene = new Scene();
  return scene.run(async () => {
    const states = scene.states();
    await scene.write({ a: '1', b: '2', c: '3' });
    // keeps the end out of reach
    const open = await scene.log.transactions('open', 600_000);
    open.begin();
    await open.append(recordsOf({ d: '4' }));
    const restored = scene.restore(states);
    await scene.time.clock.sleep(500);
    assert.equal(states.progress()[0]?.position, 3);
    scene.pass(25 * HOUR_MS);
    await open.abort();
    await scene.write({ b: null });
    assert.deepEqual((await restored).rows, { a: '1', c: '3' });
    assert.match(scene.notices.join(), FORGOTTEN);
    assert.ok(scene.clock.nowMs() - (await scene.asOfMs()) < HOUR_MS);
    await states.close();
  });
});

test('what is restored is as of when its end was asked for, and what is kept too long does not count for the group', () => {
  const scene = new Scene();
  return scene.run(async () => {
    const states = scene.states();
    await scene.write({ a: '1' });
    const beforeMs = Math.floor(scene.clock.nowMs());
    await scene.restore(states);
    const asOfMs = await scene.asOfMs();
    assert.ok(asOfMs >= beforeMs && asOfMs <= scene.clock.nowMs());
    assert.deepEqual(await states.kept(), [{ name: STATE.name, position: 1 }]);
    scene.pass(25 * HOUR_MS);
    assert.deepEqual(await states.kept(), [{ name: STATE.name, position: 0 }]);
    await states.close();
  });
});

/** An instance of each kind of task; its inputs are single records. */
const APPLICATIONS = [
  {
    ...{ kind: 'merged', declared: counting, source: 'words', out: 'counts', store: 'counting.stage-0-0' },
    value: JSON.stringify('word'),
  },
  {
    ...{ kind: 'direct', declared: spending, source: 'payments', out: 'spent-rows', store: 'spending.spent-0' },
    value: valueOf({ key: 'k', at: 1_700_000_000_000, amount: 1, isMalformed: false }),
  },
] as const;

for (const { kind, declared, source, out, store, value } of APPLICATIONS)
  test(`a ${kind} task without work says once an hour that it is up to date, in a commit`, () => {
    const scene = new Scene();
    return scene.run(async () => {
      const partitions = new Map([source, out].map((topic) => [topic, 1]));
      const { spec, topics } = compiledOn(declared, partitions, (name) => `changelog-${name}`);
      scene.broker.createTopics(topics);
      const start = async (): Promise<Application> => {
        const started = new Application({
          ...plainOptions((name) => `changelog-${name}`),
          ...{ spec, log: scene.log, clock: scene.clock, stores: scene.stores, instance: 'a' },
          notice: (text) => scene.notices.push(text),
        });
        await started.start();
        return started;
      };
      const application = await start();
      const record = { topic: source, partition: 0, timestampMs: 1_700_000_000_000, key: Buffer.from('k') };
      await scene.log.writer().append([{ ...record, value: Buffer.from(value) }]);
      await scene.until(() => application.status().written >= 2);
      await scene.time.clock.sleep(3000);
      const { commits } = application.status();
      for (let hour = 1; hour <= 3; hour += 1) {
        scene.pass(HOUR_MS);
        await scene.time.clock.sleep(1000);
        assert.equal(application.status().commits, commits + hour);
        assert.ok(scene.clock.nowMs() - (await scene.asOfMs(store)) < 2000);
      }
      await application.stop();

      // nobody else has written to it meanwhile
      scene.pass(100 * HOUR_MS);
      const again = await start();
      await scene.until(() => again.status().tasks.length === 1);
      assert.deepEqual(scene.notices, []);
      await again.stop();
    });
  });
