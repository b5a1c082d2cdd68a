// From an event to its feature row, readable: open loop at 2,000 events/s, ours beside Kafka Streams, by the peers' own harness.
import { type Run, finish, readOptions, rounded, say, tell } from './outcome.ts';
import { freshState, kafkaStreamsCommand, ourCommand, profileOnce, python, requirePeers } from './peers.ts';

const options = readOptions();
requirePeers();
const ROUNDS = options.quick ? 1 : 3;
const [RATE, SECONDS, WARM_SECONDS] = ['2000', options.quick ? '5' : '15', options.quick ? '4' : '8'];

async function measure(name: string, command: (group: string) => string[], output = `lo-${name}`): Promise<Run> {
  const group = `${name}-${process.pid}-${Math.round(performance.now())}`;
  const result = await python('latency.py', [
    name,
    'flights',
    `li-${name}`,
    output,
    RATE,
    SECONDS,
    WARM_SECONDS,
    '--',
    ...command(group),
  ]);
  const number = (key: string): number => Number(result[key]);
  if (!(number('n') > 0)) throw new Error(`${name} gave nothing: ${JSON.stringify(result)}`);
  return {
    p50_ms: number('p50_ms'),
    p99_ms: number('p99_ms'),
    seen_share: rounded(number('n') / number('want')),
    engine_cores: number('engine_cpu_cores'),
    peak_rss_mb: (result['rss_mb'] as readonly number[])[0] ?? Number.NaN,
    busy_cores: number('system_busy_cores'),
  };
}

const ours = (name: string, guarantee: 'alo' | 'eos', commitMs: number) => (): Promise<Run> =>
  measure(name, (group) =>
    ourCommand(group, { in: `li-${name}`, out: `lo-${name}` }, guarantee, commitMs, freshState(name)),
  );
/** @param lowLatency its producer does not linger; unless told so it does, for up to 100 ms */
const theirs =
  (name: string, guarantee: 'alo' | 'eos', commitMs: number, lowLatency = false) =>
  (): Promise<Run> =>
    measure(name, (group) =>
      kafkaStreamsCommand(group, { in: `li-${name}`, out: `lo-${name}` }, guarantee, commitMs, {
        stateFolder: `state/${group}`,
        java: lowLatency ? ['-Dlowlat=1'] : [],
      }),
    );

const jobs: Readonly<Record<string, () => Promise<Run>>> = {
  'millrace exactly-once 100 ms': ours('lat-mr-eos-100', 'eos', 100),
  'kafka-streams exactly-once 100 ms': theirs('lat-ks-eos-100', 'eos', 100),
  'millrace at-least-once': ours('lat-mr-alo', 'alo', 1000),
  'kafka-streams at-least-once': theirs('lat-ks-alo-100', 'alo', 1000),
  'kafka-streams at-least-once, no linger': theirs('lat-ks-alo', 'alo', 1000, true),
  'millrace exactly-once 20 ms': ours('lat-mr-eos-20', 'eos', 20),
  // its own events: what producing and consuming take by themselves
  'no engine': () => measure('lat-none', () => ['sleep', '600'], 'li-lat-none'),
};
const runs: Record<string, Run[]> = {};
for (let round = 1; round <= ROUNDS; round += 1) {
  for (const [name, job] of Object.entries(jobs)) {
    const run = await job();
    say(`round ${round}, ${name}: ${tell(run)}`);
    (runs[name] ??= []).push(run);
  }
}
await profileOnce(
  options,
  `Feature job at ${RATE} events/s, exactly once, 20 ms commits.`,
  ours('lat-mr-profile', 'eos', 20),
);
finish(options, {
  measures:
    'From the intended sending time of an event to the moment at which a read-committed consumer has its row (no coordinated omission); the load generator, the broker and the engine share two cores, so the tails are mostly contention: only ratios within one run mean anything. By shared/peers/streams/py/latency.py.',
  settings: { events_per_s: Number(RATE), seconds: Number(SECONDS) },
  variants: runs,
});
