// After kill -9, with the local state kept and with it deleted: ours beside Kafka Streams, by the peers' own program (restore.py).
import { type Run, finish, readOptions, say, tell } from './outcome.ts';
import { freshState, kafkaStreamsCommand, ourCommand, profileOnce, python, requirePeers } from './peers.ts';

const options = readOptions();
requirePeers();
const ROUNDS = options.quick ? 1 : 3;
const COMMIT_MS = 100;
/** The peers' own choice: a long changelog where all of it is read again, a short one where nothing should be. */
const INPUTS = { deleted: options.quick ? 'flights-300k' : 'flights', kept: 'flights-300k' } as const;
type State = keyof typeof INPUTS;

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

const runs: Record<string, Run[]> = {};
for (let round = 1; round <= ROUNDS; round += 1) {
  for (const state of ['kept', 'deleted'] as const) {
    for (const [name, engine] of Object.entries({ millrace, 'kafka-streams': kafkaStreams })) {
      const run = await measure(`recovery-${name}-${state}`, engine, state);
      const variant = `${name} state ${state}`;
      say(`round ${round}, ${variant}: ${tell(run)}`);
      (runs[variant] ??= []).push(run);
    }
  }
}
await profileOnce(options, 'Feature job after kill -9, its state deleted: the second start.', () =>
  measure('recovery-profile', millrace, 'deleted'),
);
finish(options, {
  measures:
    'Seconds from the restart of a killed feature job until all its tasks are at work again, and of that the restore; the changelog as long as the job had made it. Exactly once, 100 ms commits, 2 threads for Kafka Streams and one for us.',
  settings: { inputs: INPUTS, commit_ms: COMMIT_MS },
  variants: runs,
});
