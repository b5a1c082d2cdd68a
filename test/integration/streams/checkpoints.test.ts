// Checkpoints of a declared topology on Apache Kafka and RocksDB, in a folder, as `MILLRACE_CHECKPOINTS` names it: an instance is
// killed with its disk, and the next one begins with the checkpoint.
import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { storageAt } from '../../../infra/checkpoints/storage-place.ts';
import { systemClock } from '../../../infra/clock.ts';
import { readSettings } from '../../../infra/settings.ts';
import { runTopology } from '../../../infra/topology-runner.ts';
import { type Application } from '../../../streams/application.ts';
import { topology } from '../../../streams/builder/topology.ts';
import { windows } from '../../../streams/builder/windows.ts';
import { Checkpoints } from '../../../streams/checkpoints/checkpoints.ts';
import { TopologyWorld } from './topology-world.ts';

const PARTITIONS = 2;
const KEYS = 3_000;
const START_MS = 1_700_000_000_000;
const WITHIN_MS = 60_000;

const declared = topology('spending', (builder) => {
  windows(builder, 'spent', {
    from: { topic: 'payments', format: 'json', eventTime: 'at' },
    step: '1h',
    features: { payments_24h: { function: 'count', window: '24h' } },
  }).to('spent', { format: 'json', key: 'card', eventTime: 'at' });
});

const world = new TopologyWorld();
const { folder, names } = world;
const changelog = names.changelog('spending', 'spent');
const place = pathToFileURL(join(folder, 'checkpoints')).href;
/** what a test that failed has left running */
const running = new Set<Instance>();

before(() => world.start(['payments', 'spent'].map((name) => ({ name, partitions: PARTITIONS, config: {} }))));

after(async () => {
  for (const instance of running) await instance.stop();
  await world.stop();
});

interface Instance {
  readonly application: Application;
  readonly notices: readonly string[];
  stop(): Promise<void>;
}

/** At work, its states restored. */
async function start(dataDir: string): Promise<Instance> {
  const notices: string[] = [];
  const settings = readSettings({
    MILLRACE_DATA_DIR: join(folder, dataDir),
    MILLRACE_CHECKPOINTS: place,
    MILLRACE_CHECKPOINT_INTERVAL_MS: '500',
  });
  const connections = world.connections(dataDir);
  const application = await runTopology(declared, connections, settings, {
    ...{ instance: '0', guarantee: 'exactly-once' },
    notice: (text) => notices.push(text),
  });
  await until(() => application.status().tasks.length === PARTITIONS, 'tasks');
  const instance: Instance = {
    ...{ application, notices },
    stop: async () => {
      running.delete(instance);
      await application.stop();
      await connections.log.close();
    },
  };
  running.add(instance);
  return instance;
}

async function until(isSo: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const endMs = performance.now() + WITHIN_MS;
  while (!(await isSo())) {
    if (performance.now() > endMs) throw new Error(`${what}: not within ${WITHIN_MS} ms`);
    await systemClock.sleep(50);
  }
}

/** One payment of each of so many cards, all at work when it comes back. */
async function pay({ application }: Instance, cards: number): Promise<void> {
  const { processed } = application.status();
  const writer = world.log.writer();
  await writer.append(
    Array.from({ length: cards }, (_, card) => ({
      ...{ topic: 'payments', timestampMs: START_MS, key: Buffer.from(`card-${card}`) },
      value: Buffer.from(JSON.stringify({ at: START_MS, card })),
    })),
  );
  await writer.close();
  await until(() => application.status().processed >= processed + cards, 'payments');
}

/** The last value of each key. */
async function spent(records: number): Promise<ReadonlyMap<string, number>> {
  const reader = world.log.reader();
  for (let partition = 0; partition < PARTITIONS; partition += 1) reader.assign({ topic: 'spent', partition }, 0);
  const last = new Map<string, number>();
  let count = 0;
  await until(async () => {
    for (const fetched of await reader.poll(100))
      for (const { key, value } of fetched.records) {
        count += 1;
        last.set(String(key), (JSON.parse(String(value)) as { payments_24h: number }).payments_24h);
      }
    return count >= records;
  }, `${records} rows`);
  await reader.close();
  return last;
}

/** Of each partition, offset of its newest checkpoint. */
async function checkpointed(): Promise<readonly number[]> {
  const checkpoints = new Checkpoints(await storageAt(place, { endpoint: null, region: null }));
  return Promise.all(
    Array.from({ length: PARTITIONS }, async (_, partition) => {
      const newest = await checkpoints.newest({ topic: changelog, partition });
      return newest?.offset ?? 0;
    }),
  );
}

/** Records of the changelog from these offsets on, by partition. */
async function changes(from: readonly number[]): Promise<number> {
  const places = from.map((offset, partition) => ({ topic: changelog, partition, offset }));
  const admin = world.log.admin();
  const ends = new Map((await admin.offsets(places)).map(({ partition, end }) => [partition, end]));
  await admin.close();
  const reader = world.log.reader();
  const left = new Set(
    places.filter(({ partition, offset }) => offset < (ends.get(partition) ?? 0)).map((at) => at.partition),
  );
  for (const place of places) if (left.has(place.partition)) reader.assign(place, place.offset);
  let count = 0;
  await until(async () => {
    if (left.size === 0) return true;
    for (const { partition, slabs, nextOffset } of await reader.poll(100)) {
      for (const slab of slabs) count += slab.count;
      if (nextOffset >= (ends.get(partition) ?? 0)) left.delete(partition);
    }
    return left.size === 0;
  }, 'changelog');
  await reader.close();
  return count;
}

test('an instance on another disk begins with the checkpoints, and reads what came after them', async () => {
  const first = await start('one');
  for (let round = 0; round < 3; round += 1) await pay(first, KEYS);
  // what is written is committed, and the changelog with it
  await spent(3 * KEYS);
  await until(async () => (await checkpointed()).every((offset) => offset > 0), 'checkpoints');
  await first.stop();
  const tail = await changes(await checkpointed());
  assert.ok(tail < (await changes([0, 0])));
  rmSync(join(folder, 'one'), { recursive: true });

  const second = await start('two');
  assert.equal(second.application.status().restoredRecords, tail, second.notices.join('\n'));
  assert.equal(second.notices.filter((text) => /rows from a checkpoint at/.test(text)).length, PARTITIONS);
  await pay(second, 100);
  const values = await spent(3 * KEYS + 100);
  assert.equal(values.size, KEYS);
  for (const [key, value] of values) assert.equal(value, Number(key.slice('card-'.length)) < 100 ? 4 : 3, key);
  assert.deepEqual(
    second.notices.filter((text) => /could not|alone/.test(text)),
    [],
  );
  await second.stop();
});
