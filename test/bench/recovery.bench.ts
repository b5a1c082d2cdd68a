// After kill -9, with the local state kept and with it deleted: ours beside Kafka Streams, by the peers' own program (restore.py).
import { systemClock } from '../../infra/clock.ts';
import { KafkaLog } from '../../infra/kafka/kafka-log.ts';
import { produceKeys } from './drawn-events.ts';
import { type Run, finish, readOptions, say, tell } from './outcome.ts';
import { BROKER, freshState, kafkaStreamsCommand, ourCommand, profileOnce, python, requirePeers } from './peers.ts';

const options = readOptions();
requirePeers();
const ROUNDS = options.quick ? 1 : 3;
const COMMIT_MS = 100;
const PARTITIONS = 4;
/** Each has one event: both engines' changelogs are of the same length, and long enough to tell the time per record. */
const MANY_KEYS = options.quick ? 100_000 : 1_000_000;
const MANY_KEYS_TOPIC = 'recovery-many-keys';
/** The peers' own choice: a long changelog where all of it is read again, a short one where nothing should be. */
const INPUTS = {
  kept: 'flights-300k',
  deleted: options.quick ? 'flights-300k' : 'flights',
  'of many keys deleted': MANY_KEYS_TOPIC,
} as const;
type State = keyof typeof INPUTS;

function kafkaLog(): KafkaLog {
  return new KafkaLog({ brokers: [BROKER], clientId: 'recovery', clock: systemClock });
}

async function produceManyKeys(): Promise<void> {
  const log = kafkaLog();
  await log.admin().deleteTopics([MANY_KEYS_TOPIC]);
  await log.admin().ensureTopics([{ name: MANY_KEYS_TOPIC, partitions: PARTITIONS, config: {} }]);
  const events = { partitions: PARTITIONS, keys: MANY_KEYS, drawnEvents: 0, draw: 'uniform' } as const;
  await produceKeys(log, MANY_KEYS_TOPIC, events);
  await log.close();
}

async function deleteManyKeys(): Promise<void> {
  const log = kafkaLog();
  await log.admin().deleteTopics([MANY_KEYS_TOPIC]);
  await log.close();
}

interface Engine {
  /** what it says when it is given its partitions, and when all of them are at work, as regular expressions */
  readonly begins: string;
  readonly done: string;
  command(group: string, topics: { in: string; out: string }, stateFolder: string): string[];
}

const millrace: Engine = {
  begins: 'restore begins',
  done: 'at work: 4 tasks',
  command: (group, topics, stateFolder) => ourCommand(group, topics, 'eos', COMMIT_MS, stateFolder),
};

const kafkaStreams: Engine = {
  begins: 'RESTORE_START',
  done: 'REBALANCING->RUNNING',
  command: (group, topics, stateFolder) =>
    kafkaStreamsCommand(group, topics, 'eos', COMMIT_MS, { stateFolder, threads: 2, java: ['-Dsession.ms=6000'] }),
};

async function measure(name: string, engine: Engine, state: State): Promise<Run> {
  const group = `${name}-${process.pid}-${Math.round(performance.now())}`;
  const topics = { in: INPUTS[state], out: `out-${name}` };
  const folder = freshState(group);
  const result = await python('restore.py', [
    ...[name, topics.in, topics.out, group, folder, engine.done, engine.begins],
    ...(state === 'kept' ? ['--keepstate'] : []),
    ...['--', ...engine.command(group, topics, folder)],
  ]);
  const atWorkS = result['restart_to_running_s'];
  if (typeof atWorkS !== 'number') throw new Error(`${name} was not at work again: ${JSON.stringify(result)}`);
  return {
    restart_to_work_s: atWorkS,
    restore_s: Number(result['restore_s'] ?? 0),
    changelog_records: Number(result['changelog_records']),
    changelog_records_per_s: Number(result['records_s'] ?? 0),
    peak_rss_mb: (result['rss_mb'] as readonly number[])[0] ?? Number.NaN,
  };
}

await produceManyKeys();
const runs: Record<string, Run[]> = {};
for (let round = 1; round <= ROUNDS; round += 1) {
  for (const state of ['kept', 'deleted', 'of many keys deleted'] as const) {
    for (const [name, engine] of Object.entries({ millrace, 'kafka-streams': kafkaStreams })) {
      const run = await measure(`recovery-${name}-${state.replaceAll(' ', '-')}`, engine, state);
      const variant = `${name} state ${state}`;
      say(`round ${round}, ${variant}: ${tell(run)}`);
      (runs[variant] ??= []).push(run);
    }
  }
}
await deleteManyKeys();
await profileOnce(options, 'Feature job after kill -9, its state deleted: the second start.', () =>
  measure('recovery-profile', millrace, 'deleted'),
);
finish(options, {
  measures:
    'Seconds from the restart of a killed feature job until all its tasks are at work again, and of that the restore; the changelog as long as the job had made it; of many keys, one record for each of a million. Exactly once, 100 ms commits, 2 threads for Kafka Streams and one for us.',
  settings: { inputs: INPUTS, many_keys: MANY_KEYS, commit_ms: COMMIT_MS },
  variants: runs,
});
