// The peers' feature job, ours beside Kafka Streams and Quix Streams in one run, by the peers' own harness, on their broker.
import { type Run, finish, readOptions, rounded, say, tell } from './outcome.ts';
import { freshState, ourCommand, python, requirePeers, script, text } from './peers.ts';

const options = readOptions();
requirePeers();
const ROUNDS = options.quick ? 1 : 3;
const COMMIT_MS = 100;

function runOf(result: Readonly<Record<string, unknown>>): Run {
  const number = (name: string): number => Number(result[name]);
  if (result['status'] !== 'ok')
    throw new Error(`a run ended with ${String(result['status'])}: ${JSON.stringify(result)}`);
  return {
    events: number('n'),
    events_per_s: number('ev_s'),
    cpu_s_per_million: number('cpu_s_per_M'),
    broker_cpu_s_per_million: number('broker_cpu_s_per_M'),
    peak_rss_mb: (result['rss_mb'] as readonly number[]).reduce((sum, mb) => sum + mb, 0),
    others_cores: number('others_cores'),
  };
}

async function ours(name: string, guarantee: 'alo' | 'eos', topic: string): Promise<Run> {
  const group = `${name}-${process.pid}-${Math.round(performance.now())}`;
  const state = freshState(name);
  const out = `out-${name}`;
  const command = ourCommand(group, { in: topic, out }, guarantee, COMMIT_MS, state);
  const args = [name, '--group', group, '--in', topic, '--out', out, '--fresh', '--statedir', state];
  return runOf(await python('harness.py', [...args, '--', ...command]));
}

async function kafkaStreams(name: string, guarantee: 'alo' | 'eos', topic: string): Promise<Run> {
  return runOf(await script('run_ks.sh', [name, 'papi-kv', guarantee, '1', String(COMMIT_MS), '0', topic]));
}

async function quix(name: string, guarantee: 'alo' | 'eos'): Promise<Run> {
  return runOf(await script('run_quix.sh', [name, 'kv', guarantee, '1', String(COMMIT_MS / 1000), 'flights-300k']));
}

async function isEqual(topic: string): Promise<boolean> {
  return (
    (await text('check_features.py', [topic])).includes('EQUAL') &&
    !(await text('check_features.py', [topic])).includes('DIFFERENT')
  );
}

const input = options.quick ? 'flights-300k' : 'flights';
const jobs: Readonly<Record<string, () => Promise<Run>>> = {
  'millrace exactly-once': () => ours('bench-millrace-eos', 'eos', input),
  'kafka-streams exactly-once': () => kafkaStreams('bench-ks-eos', 'eos', input),
  'millrace at-least-once': () => ours('bench-millrace-alo', 'alo', input),
  'kafka-streams at-least-once': () => kafkaStreams('bench-ks-alo', 'alo', input),
  'quix exactly-once': () => quix('bench-quix-eos', 'eos'),
};

const runs: Record<string, Run[]> = {};
for (let round = 1; round <= ROUNDS; round += 1) {
  for (const [name, job] of Object.entries(jobs)) {
    const run = await job();
    say(`round ${round}, ${name}: ${tell(run)}`);
    (runs[name] ??= []).push(run);
  }
}
const checked = input === 'flights' ? await isEqual('out-bench-millrace-eos') : null;
if (checked !== null) say(`read-committed output ${checked ? 'equals' : 'DIFFERS FROM'} the reference`);
const middle = (name: string, figure: string): number => {
  const values = (runs[name] ?? []).map((run) => run[figure] ?? Number.NaN).sort((a, b) => a - b);
  return values[(values.length - 1) >> 1] ?? Number.NaN;
};
const [eos, alo] = [middle('millrace exactly-once', 'events_per_s'), middle('millrace at-least-once', 'events_per_s')];
finish(options, {
  measures:
    "Events per second from the first output to the last committed offset, CPU of the engine with its threads and children, the largest resident memory; by the peers' harness (shared/peers/streams/py/harness.py). Windows declared for us, hand-written for the peers. Broker and engine share two cores. Quix runs on 300,000 events.",
  settings: {
    topic: input,
    commit_ms: COMMIT_MS,
    threads: 1,
    output_equals_reference: checked,
    ratio_to_kafka_streams: rounded(eos / middle('kafka-streams exactly-once', 'events_per_s')),
    ratio_to_quix: rounded(eos / middle('quix exactly-once', 'events_per_s')),
    cpu_ratio_to_kafka_streams: rounded(
      middle('millrace exactly-once', 'cpu_s_per_million') / middle('kafka-streams exactly-once', 'cpu_s_per_million'),
    ),
    price_of_exactly_once: rounded(1 - eos / alo),
  },
  variants: runs,
});
