// The peers' feature job, ours beside Kafka Streams and Quix Streams in one run, by the peers' own harness, on their broker.
// On Avro the events, and so the rows, are the same as on JSON; their schemas are in the platform's own registry, on that broker too.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { systemClock } from '../../infra/clock.ts';
import { KafkaLog } from '../../infra/kafka/kafka-log.ts';
import { avroFlights, startPeersRegistry } from './avro-flights.ts';
import { type ToldRows, tellRows } from './feature-rows.ts';
import { type Run, finish, readOptions, rounded, say, tell } from './outcome.ts';
import { BROKER, freshState, ourCommand, profileOnce, python, requirePeers, script, work } from './peers.ts';

const options = readOptions();
requirePeers();
const peersRegistry = await startPeersRegistry();
process.once('exit', () => peersRegistry.kill());
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));
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
    // without what the start took, up to the first output
    steady_cpu_s_per_million: rounded((1e6 * (number('cpu_s') - number('cpu_startup_s'))) / number('n')),
    broker_cpu_s_per_million: number('broker_cpu_s_per_M'),
    peak_rss_mb: (result['rss_mb'] as readonly number[]).reduce((sum, mb) => sum + mb, 0),
    others_cores: number('others_cores'),
  };
}

interface OurJob {
  readonly guarantee: 'alo' | 'eos';
  readonly topic: string;
  /** options of the job besides */
  readonly more?: readonly string[];
  /** what runs it, e.g. pinned to one core */
  readonly through?: readonly string[];
}

async function ours(name: string, { guarantee, topic, more = [], through = [] }: OurJob): Promise<Run> {
  const group = `${name}-${process.pid}-${Math.round(performance.now())}`;
  const state = freshState(name);
  const out = `out-${name}`;
  const command = ourCommand(group, { in: topic, out }, guarantee, COMMIT_MS, state, more);
  const args = [name, '--group', group, '--in', topic, '--out', out, '--fresh', '--statedir', state];
  return runOf(await python('harness.py', [...args, '--', ...through, ...command]));
}

async function kafkaStreams(name: string, guarantee: 'alo' | 'eos', topic: string): Promise<Run> {
  return runOf(await script('run_ks.sh', [name, 'papi-kv', guarantee, '1', String(COMMIT_MS), '0', topic]));
}

async function quix(name: string, guarantee: 'alo' | 'eos'): Promise<Run> {
  return runOf(await script('run_quix.sh', [name, 'kv', guarantee, '1', String(COMMIT_MS / 1000), 'flights-300k']));
}

const input = options.quick ? 'flights-300k' : 'flights';
const avroInput = await avroFlights(input, peersRegistry.registry);
const avro = { topic: avroInput, more: ['--format', 'avro', '--registry', peersRegistry.url] };
const jobs: Readonly<Record<string, () => Promise<Run>>> = {
  'millrace exactly-once': () => ours('bench-millrace-eos', { guarantee: 'eos', topic: input }),
  'kafka-streams exactly-once': () => kafkaStreams('bench-ks-eos', 'eos', input),
  'millrace at-least-once': () => ours('bench-millrace-alo', { guarantee: 'alo', topic: input }),
  'kafka-streams at-least-once': () => kafkaStreams('bench-ks-alo', 'alo', input),
  'millrace avro exactly-once': () => ours('bench-avro-eos', { guarantee: 'eos', ...avro }),
  'millrace avro at-least-once': () => ours('bench-avro-alo', { guarantee: 'alo', ...avro }),
  // what one core of its own does: the broker has the other one
  'millrace avro exactly-once on one core': () =>
    ours('bench-avro-core', { guarantee: 'eos', ...avro, through: ['taskset', '-c', '0'] }),
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
await profileOnce(
  options,
  'Feature job on JSON, exactly once, 100 ms commits, all flights from the start of the log.',
  () => ours('bench-millrace-profile', { guarantee: 'eos', topic: input }),
);
const log = new KafkaLog({ brokers: [BROKER], clientId: 'bench', clock: systemClock });
const json = await tellRows(log, 'out-bench-millrace-eos', null);
const reference: unknown = JSON.parse(readFileSync(join(work, 'data/reference.json'), 'utf8'));
const isReference = ({ sums }: ToldRows): boolean | null =>
  // the reference is that of all flights
  input === 'flights' ? isDeepStrictEqual(sums, reference) : null;
const equality: Record<string, boolean | null> = { output_equals_reference: isReference(json) };
for (const name of ['eos', 'alo', 'core']) {
  const told = await tellRows(log, `out-bench-avro-${name}`, peersRegistry.registry);
  equality[`avro_${name}_output_equals_reference`] = isReference(told);
  equality[`avro_${name}_rows_equal_json_rows`] = told.digest === json.digest;
}
await log.close();
await peersRegistry.stop();
for (const [name, isEqual] of Object.entries(equality)) say(`${name}: ${String(isEqual)}`);
const middle = (name: string, figure: string): number => {
  const values = (runs[name] ?? []).map((run) => run[figure] ?? Number.NaN).sort((a, b) => a - b);
  return values[(values.length - 1) >> 1] ?? Number.NaN;
};
const [eos, alo] = [middle('millrace exactly-once', 'events_per_s'), middle('millrace at-least-once', 'events_per_s')];
finish(options, {
  measures:
    "Events per second from the first output to the last committed offset, CPU of the engine with its threads and children, the largest resident memory; by the peers' harness (shared/peers/streams/py/harness.py). Windows declared for us, hand-written for the peers. Broker and engine share two cores. Quix runs on 300,000 events. Avro: the same events and rows in the Confluent frame; on one core: all threads of the job pinned to one, which the broker may use too.",
  settings: {
    topic: input,
    commit_ms: COMMIT_MS,
    threads: 1,
    ...equality,
    ratio_to_kafka_streams: rounded(eos / middle('kafka-streams exactly-once', 'events_per_s')),
    ratio_to_quix: rounded(eos / middle('quix exactly-once', 'events_per_s')),
    cpu_ratio_to_kafka_streams: rounded(
      middle('millrace exactly-once', 'cpu_s_per_million') / middle('kafka-streams exactly-once', 'cpu_s_per_million'),
    ),
    price_of_exactly_once: rounded(1 - eos / alo),
    avro_events_per_cpu_s: rounded(1e6 / middle('millrace avro exactly-once', 'cpu_s_per_million')),
    avro_events_per_steady_cpu_s: rounded(1e6 / middle('millrace avro exactly-once', 'steady_cpu_s_per_million')),
  },
  variants: runs,
});
