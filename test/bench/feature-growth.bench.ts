// Time per event as keys grow: the feature job over keys that all have a row already, with the same bound on memory for every size,
// beside Kafka Streams. On the peers' broker.
import { spawn } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import { systemClock } from '../../infra/clock.ts';
import { KafkaLog } from '../../infra/kafka/kafka-log.ts';
import { type Draw, drawn, produceKeys } from './drawn-events.ts';
import { type Run, finish, readOptions, rounded, say, tell } from './outcome.ts';
import { storeAlone } from './store-alone.ts';
import { freshState, kafkaStreamsCommand, ourCommand, profileOnce, requirePeers, work } from './peers.ts';

const options = readOptions();
requirePeers();
const SIZES = options.quick ? [10_000, 100_000] : [10_000, 100_000, 1_000_000, 10_000_000];
/** Of the largest size Kafka Streams would need more than ten minutes here. */
const PEER_KEYS_MAX = 1_000_000;
/** Twice the largest size: memory that grew with keys would show. */
const MEMORY_KEYS = 20_000_000;
const PROFILED_KEYS = options.quick ? 10_000 : 1_000_000;
const COMMIT_MS = 100;
/** A bound that the rows of ten million keys fit into. */
const LARGE_CACHE_MB = 2048;
/** Measured after every key has its row. */
const MEASURED_EVENTS = options.quick ? 200_000 : 1_000_000;
const PARTITIONS = 4;

interface Usage {
  readonly cpuS: number;
  readonly peakMb: number;
}

function usageOf(pid: number): Usage {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  const peak = /VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? '0';
  return { cpuS: (Number(stat[11]) + Number(stat[12])) / 100, peakMb: Math.round(Number(peak) / 1024) };
}

type Engine = 'millrace' | 'millrace with 2 GB' | 'kafka-streams' | 'rocksdb alone';

function commandOf(engine: Engine, group: string, topics: { in: string; out: string }, stateFolder: string): string[] {
  if (engine === 'kafka-streams') return kafkaStreamsCommand(group, topics, 'eos', COMMIT_MS, { stateFolder });
  const more = engine === 'millrace' ? [] : ['--cache-mb', String(LARGE_CACHE_MB)];
  return ourCommand(group, topics, 'eos', COMMIT_MS, stateFolder, more);
}

async function once(engine: Engine, keys: number, draw: Draw): Promise<Run> {
  if (engine === 'rocksdb alone') return storeAlone(keys, MEASURED_EVENTS, PARTITIONS, drawn(keys));
  const name = `growth-${engine.replaceAll(' ', '-')}-${keys}`;
  const group = `${name}-${process.pid}-${Math.round(performance.now())}`;
  const [input, output] = [`in-${name}`, `out-${name}`];
  const log = new KafkaLog({ brokers: ['127.0.0.1:29092'], clientId: 'growth', clock: systemClock });
  const admin = log.admin();
  await admin.deleteTopics([input, output]);
  await admin.ensureTopics([input, output].map((topic) => ({ name: topic, partitions: PARTITIONS, config: {} })));
  await produceKeys(log, input, { partitions: PARTITIONS, keys, drawnEvents: MEASURED_EVENTS, draw });
  const state = freshState(name);
  const [command = '', ...args] = commandOf(engine, group, { in: input, out: output }, state);
  const child = spawn(command, args, { cwd: work, stdio: 'ignore' });
  const done = async (): Promise<number> =>
    (await admin.groupOffsets(group)).reduce((sum, { offset }) => sum + Math.max(0, offset), 0);
  try {
    while ((await done()) < keys) await systemClock.sleep(50);
    const [startMs, startEvents, before] = [systemClock.monotonicMs(), await done(), usageOf(child.pid ?? 0)];
    while ((await done()) < keys + MEASURED_EVENTS) await systemClock.sleep(50);
    const seconds = (systemClock.monotonicMs() - startMs) / 1000;
    const after = usageOf(child.pid ?? 0);
    const events = keys + MEASURED_EVENTS - startEvents;
    return {
      keys,
      us_per_event: rounded((seconds * 1e6) / events),
      cpu_us_per_event: rounded(((after.cpuS - before.cpuS) * 1e6) / events),
      peak_rss_mb: after.peakMb,
    };
  } finally {
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGTERM');
    await ended;
    const own = (await admin.listTopics()).filter((topic) => topic.includes(group));
    await admin.deleteTopics([input, output, ...own]);
    await log.close();
    rmSync(state, { recursive: true, force: true });
  }
}

const variants: Record<string, Run[]> = {};
const plan = SIZES.flatMap((keys): [Engine, number, Draw][] => [
  ['millrace', keys, 'uniform'],
  ['millrace', keys, 'skewed'],
  ['millrace with 2 GB', keys, 'uniform'],
  ['rocksdb alone', keys, 'uniform'],
  ...(keys > PEER_KEYS_MAX ? [] : [['kafka-streams', keys, 'uniform'] as [Engine, number, Draw]]),
]);
if (!options.quick) plan.push(['millrace', MEMORY_KEYS, 'uniform']);
for (const [engine, keys, draw] of plan) {
  const variant = `${engine} ${keys} keys ${draw}`;
  const run = await once(engine, keys, draw);
  say(`${variant}: ${tell(run)}`);
  variants[variant] = [run];
}
await profileOnce(
  options,
  `Feature job over ${PROFILED_KEYS} keys, uniformly drawn, the first event of each included.`,
  () => once('millrace', PROFILED_KEYS, 'uniform'),
);
finish(options, {
  measures:
    'Time and CPU per event of the feature job (exactly once, 100 ms) after every key has got its row; our bound on rows in memory is the same for all sizes. Uniformly drawn, the worst case, nearly every event of ten million keys finds its row on disk (a million rows just about fit, packed); skewed, the key at place k comes with a chance of 1/k; with 2 GB, the bound is so large that the rows of ten million keys fit. RocksDB alone: one small row read and written per event through the Node binding, four stores of one process, nothing else. Windows hand-written for Kafka Streams, declared for us.',
  settings: { measured_events: MEASURED_EVENTS, cache_mb: 64, commit_ms: COMMIT_MS },
  variants,
});
process.exit(0);
