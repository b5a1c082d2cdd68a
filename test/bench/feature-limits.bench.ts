// What the feature job cannot be quicker than, each by itself: reading the events from this broker, the loop from event to row in
// memory, writing as many bytes to this broker, and RocksDB. All flights, on the peers' broker, in this process.
import { systemClock } from '../../infra/clock.ts';
import { featureTopology } from '../../infra/bench/feature-topology.ts';
import { KafkaLog } from '../../infra/kafka/kafka-log.ts';
import { compile } from '../../streams/builder/compile.ts';
import { DirectTask } from '../../streams/direct-task.ts';
import { DEFAULT_POLICIES } from '../../streams/failure-policies.ts';
import { type EncodedBatch, type Fetched } from '../../streams/log.ts';
import { memoryStores } from '../../streams/memory-store.ts';
import { RowTable } from '../../streams/state/row-table.ts';
import { type Run, finish, readOptions, rounded, say, tell } from './outcome.ts';
import { BROKER, requirePeers } from './peers.ts';
import { endsOf } from './read-topic.ts';
import { storeAlone } from './store-alone.ts';

const options = readOptions();
requirePeers();
const ROUNDS = options.quick ? 1 : 3;
const INPUT = options.quick ? 'flights-300k' : 'flights';
const OUTPUT = 'limits-out';
const CACHE_BYTES = 16 * 1024 * 1024;
const STORE_KEYS = 10_000;
const STORE_ROWS = options.quick ? 100_000 : 500_000;
/** Events between two commits, as at 100 ms and some 200,000 events/s. */
const COMMIT_EVENTS = 20_000;

interface Measured {
  readonly events: number;
  readonly bytes: number;
}

/** Wall time, CPU of this process (not the broker's), and bytes. */
async function timed(work: () => Promise<Measured>): Promise<Run> {
  const [startMs, cpu] = [performance.now(), process.cpuUsage()];
  const { events, bytes } = await work();
  const seconds = (performance.now() - startMs) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  return {
    events,
    events_per_s: Math.round(events / seconds),
    mb_per_s: rounded(bytes / seconds / 1e6),
    cpu_s_per_million: rounded((user + system) / events),
  };
}

const log = new KafkaLog({ brokers: [BROKER], clientId: 'limits', clock: systemClock });

/** Slabs as the job gets them; nothing is done with them. */
async function readSlabs(): Promise<Fetched[]> {
  const left = new Map((await endsOf(log, INPUT)).map((end, partition) => [partition, end]));
  const reader = log.reader();
  const all: Fetched[] = [];
  for (const partition of left.keys()) reader.assign({ topic: INPUT, partition }, 0);
  while (left.size > 0)
    for (const fetched of await reader.poll(500)) {
      all.push(fetched);
      if (fetched.nextOffset >= (left.get(fetched.partition) ?? 0)) left.delete(fetched.partition);
    }
  await reader.close();
  return all;
}

const measured = (fetched: readonly Fetched[]): Measured => {
  const slabs = fetched.flatMap((one) => one.slabs);
  // several slabs may lie in the bytes of one fetch
  const buffers = new Set(slabs.map(({ data }) => data));
  return {
    events: slabs.reduce((sum, { count }) => sum + count, 0),
    bytes: [...buffers].reduce((sum, { length }) => sum + length, 0),
  };
};

/** Fields out of the event, panes, row, changelog record; no broker, and a map for a store. */
async function loop(fetched: readonly Fetched[], outputs: EncodedBatch[]): Promise<Measured> {
  const { spec } = compile(featureTopology({ group: 'limits', input: INPUT, output: OUTPUT }, { format: 'json' }), {
    partitions: new Map([INPUT, OUTPUT].map((topic) => [topic, 4])),
    internalTopic: (name) => name,
    changelogTopic: () => 'limits-changelog',
  });
  const [topology] = spec.subTopologies;
  if (topology?.kind !== 'direct' || topology.store === null) throw new Error('the job is one direct stage');
  const { serde } = topology.store;
  const before = {
    application: 'limits',
    policies: { ...DEFAULT_POLICIES, decode: 'stop' as const },
    clock: systemClock,
    schemas: null,
  };
  const tasks = await Promise.all(
    Array.from({ length: 4 }, async (_, partition) => {
      const store = await memoryStores().open('rows');
      return new DirectTask({
        ...{ ...before, topology, rows: new RowTable(store, serde, CACHE_BYTES, true) },
        changelog: { topic: 'limits-changelog', partition },
        input: { topic: INPUT, partition, offset: 0, metadata: '', global: false },
      });
    }),
  );
  let [events, bytes, uncommitted] = [0, 0, 0];
  const commit = async (): Promise<void> => {
    for (const task of tasks) {
      const drawn = task.draw();
      for (const batch of [...drawn.batches, ...drawn.changes.batches]) bytes += batch.bytes.length;
      outputs.push(...drawn.batches);
      await drawn.committed({ nextOffset: 0, logEnd: 0 });
    }
    uncommitted = 0;
  };
  for (const one of fetched) {
    const task = tasks[one.partition];
    if (task === undefined) continue;
    task.take(one);
    do await task.prepare();
    while (task.process(() => false));
    const count = one.slabs.reduce((sum, slab) => sum + slab.count, 0);
    events += count;
    uncommitted += count;
    if (uncommitted >= COMMIT_EVENTS) await commit();
  }
  await commit();
  await Promise.all(tasks.map((task) => task.close()));
  return { events, bytes };
}

/** Batches that were made before, in transactions of some megabytes. */
async function write(batches: readonly EncodedBatch[]): Promise<Measured> {
  const session = await log.transactions('limits', 60_000);
  let [events, bytes] = [0, 0];
  for (let at = 0; at < batches.length; at += 16) {
    const some = batches.slice(at, at + 16);
    session.begin();
    await session.appendEncoded(some);
    await session.commit();
    for (const batch of some) {
      events += batch.count;
      bytes += batch.bytes.length;
    }
  }
  await session.close();
  return { events, bytes };
}

const admin = log.admin();
const variants: Record<string, Run[]> = {};
const add = (name: string, run: Run): void => {
  say(`${name}: ${tell(run)}`);
  (variants[name] ??= []).push(run);
};
for (let round = 1; round <= ROUNDS; round += 1) {
  await admin.deleteTopics([OUTPUT]);
  await admin.ensureTopics([{ name: OUTPUT, partitions: 4, config: {} }]);
  let fetched: Fetched[] = [];
  add('events read from the broker', await timed(async () => measured((fetched = await readSlabs()))));
  const outputs: EncodedBatch[] = [];
  add('the loop in memory', await timed(() => loop(fetched, outputs)));
  add('rows written to the broker', await timed(() => write(outputs)));
  add('rocksdb alone', await storeAlone(STORE_KEYS, STORE_ROWS, 4, Math.random));
}
await admin.deleteTopics([OUTPUT]);
await log.close();
finish(options, {
  measures:
    'What the feature job cannot be quicker than, each by itself in one process, on the broker that the job uses: its events read to where records can be looked at; the loop over them in memory (fields, panes, rows and changelog as bytes; a commit every 20,000 events, a map for a store); its rows written in transactions, made before (MB/s of the broker with one writer); one small row read and one written per event in RocksDB through its Node binding. CPU is this process’s.',
  settings: { topic: INPUT, commit_events: COMMIT_EVENTS, store_keys: STORE_KEYS },
  variants,
});
process.exit(0);
