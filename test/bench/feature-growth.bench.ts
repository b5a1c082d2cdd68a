// Time per event as keys grow: the feature job over uniformly drawn keys, all of which have a row already, with the same bound on
// memory for every size. On the peers' broker.
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { systemClock } from '../../infra/clock.ts';
import { KafkaLog } from '../../infra/kafka/kafka-log.ts';
import { BatchBuilder } from '../../streams/batch-builder.ts';
import { partitionOfKey } from '../../streams/murmur2.ts';
import { type Run, finish, readOptions, rounded, say, tell } from './outcome.ts';
import { freshState, ourCommand, requirePeers, work } from './peers.ts';

const options = readOptions();
requirePeers();
const SIZES = options.quick ? [10_000, 100_000] : [10_000, 100_000, 1_000_000, 10_000_000];
/** Measured after every key has its row. */
const MEASURED_EVENTS = options.quick ? 200_000 : 1_000_000;
const PARTITIONS = 4;
const BATCH_BYTES = 500_000;
const START_MS = Date.parse('2026-01-01T00:00:00Z');

function drawn(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

/** Every key once, then uniformly drawn ones; event time goes on by 1 ms an event. */
async function produce(log: KafkaLog, topic: string, keys: number): Promise<void> {
  const session = await log.atLeastOnce();
  const builders = Array.from({ length: PARTITIONS }, () => new BatchBuilder(BATCH_BYTES + 1000));
  const random = drawn(keys);
  for (let index = 0; index < keys + MEASURED_EVENTS; index += 1) {
    const number = index < keys ? index : Math.floor(random() * keys);
    const key = Buffer.from(`K${String(number).padStart(8, '0')}`);
    const partition = partitionOfKey(key, PARTITIONS);
    const builder = builders[partition];
    if (builder === undefined) continue;
    const value = `{"ts":${START_MS + index},"tailnum":"${key.toString()}","dep_delay":${number % 97}}`;
    const at = builder.begin(START_MS + index, key, 0, key.length, value.length);
    builder.end(at + builder.bytes.write(value, at, 'latin1'));
    if (builder.lengthBytes < BATCH_BYTES) continue;
    const { count } = builder;
    await session.appendEncoded([{ topic, partition, bytes: builder.take(), count }]);
  }
  for (const [partition, builder] of builders.entries()) {
    const { count } = builder;
    if (count > 0) await session.appendEncoded([{ topic, partition, bytes: builder.take(), count }]);
  }
  await session.close();
}

interface Usage {
  readonly cpuS: number;
  readonly peakMb: number;
}

function usageOf(pid: number): Usage {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  const peak = /VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? '0';
  return { cpuS: (Number(stat[11]) + Number(stat[12])) / 100, peakMb: Math.round(Number(peak) / 1024) };
}

async function once(keys: number): Promise<Run> {
  const name = `growth-${keys}`;
  const group = `${name}-${process.pid}`;
  const [input, output] = [`in-${name}`, `out-${name}`];
  const log = new KafkaLog({ brokers: ['127.0.0.1:29092'], clientId: 'growth', clock: systemClock });
  const admin = log.admin();
  const changelog = `millrace.changelog.${group}.features`;
  await admin.deleteTopics([input, output]);
  await admin.ensureTopics([input, output].map((topic) => ({ name: topic, partitions: PARTITIONS, config: {} })));
  say(`${keys} keys: producing ${keys + MEASURED_EVENTS} events`);
  await produce(log, input, keys);
  const state = freshState(name);
  const [command = '', ...args] = ourCommand(group, { in: input, out: output }, 'eos', 100, state);
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
    child.kill('SIGTERM');
    await new Promise((resolve) => child.once('exit', resolve));
    await admin.deleteTopics([input, output, changelog]);
    await log.close();
    rmSync(join(state), { recursive: true, force: true });
  }
}

const variants: Record<string, Run[]> = {};
for (const keys of SIZES) {
  const run = await once(keys);
  say(tell(run));
  variants[`${keys} keys`] = [run];
}
finish(options, {
  measures:
    'Time and CPU per event of the feature job (exactly once, 100 ms) over uniformly drawn keys, after every key has got its row; the bound on rows in memory is the same for all. Uniform draws over millions of keys are the worst case: nearly every event finds its row on disk.',
  settings: { measured_events: MEASURED_EVENTS, cache_mb: 64 },
  variants,
});
process.exit(0);
