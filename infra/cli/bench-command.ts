// bench: the jobs that the peers run too, for a stranger who measures them all alike.
import { mkdirSync } from 'node:fs';
import type { FeatureJobOptions } from '../bench/feature-job.ts';
import { startThreads } from '../threads.ts';
import {
  type CliCommand,
  type CommandInput,
  WrongUsage,
  countOption,
  requiredOption,
  say,
  textOption,
} from './command.ts';
import { untilStopped } from './until-stopped.ts';

const GUARANTEES = { alo: 'at-least-once', eos: 'exactly-once' } as const;

/** The job makes hardly an object per record. In single runs on a busy machine 12 MB to unbounded (64 MB held) took about the same CPU, 6 MB some more. */
const YOUNG_GENERATION_MB_MAX = 24;

export const bench: CliCommand = {
  usage:
    'feature-job --group G --in TOPIC --out TOPIC --state DIR [--brokers B] [--guarantee alo|eos] [--commit-ms N] [--cache-mb N] [--threads N] [--format json|avro --registry URL]',
  help: [
    'feature-job: last, count, sum, mean and max of dep_delay over 1 h, 24 h and 7 d by the record key, hourly panes, every update',
    'emitted. JSON in: {"ts": epoch ms, "dep_delay": number, "p"?: number}; JSON out: k, ts, p, last, count_1h, sum_1h, … max_7d.',
    'Avro in and out: the same fields in the Confluent frame; events by the schema that they name, whatever else it has.',
    'Offsets are committed under the group G; the state has a changelog topic.',
    '--brokers    127.0.0.1:29092 unless given',
    '--guarantee  eos (default): one transaction per commit; alo: outputs at once, offsets after them',
    '--commit-ms  100 by default',
    '--cache-mb   rows kept in memory per thread, MiB, 64 by default; the rest is read from RocksDB',
    '--threads    instances in threads of this process, 1 by default',
    '--format     json (default) or avro, in and out',
    '--registry   with avro: a Confluent-compatible schema registry; the schema of the rows is registered there as OUT-value',
  ],
  argumentsMax: 1,
  options: {
    brokers: { type: 'string' },
    group: { type: 'string' },
    in: { type: 'string' },
    out: { type: 'string' },
    guarantee: { type: 'string' },
    'commit-ms': { type: 'string' },
    'cache-mb': { type: 'string' },
    threads: { type: 'string' },
    state: { type: 'string' },
    format: { type: 'string' },
    registry: { type: 'string' },
  },
  async run(input) {
    const [job] = input.positionals;
    if (job !== 'feature-job')
      throw new WrongUsage('unknown_name', job === undefined ? 'No job is named.' : `There is no job ${job}.`, {
        field: 'JOB',
        fix: 'Use feature-job.',
      });
    const options = optionsOf(input);
    const threads = countOption(input, 'threads') ?? 1;
    mkdirSync(options.stateDir, { recursive: true });
    const jobs = startThreads(
      new URL('../bench/feature-job-thread.ts', import.meta.url),
      Array.from({ length: threads }, (_, number) => ({ ...options, instance: String(number) })),
      { youngGenerationMbMax: YOUNG_GENERATION_MB_MAX },
    );
    await jobs.running;
    say(`feature-job runs in ${threads} ${threads === 1 ? 'thread' : 'threads'}`);
    await Promise.race([untilStopped(input.signal), jobs.ended]);
    jobs.stop();
    await jobs.ended;
  },
};

function optionsOf(input: CommandInput): Omit<FeatureJobOptions, 'instance'> {
  const guarantee = textOption(input, 'guarantee') ?? 'eos';
  if (guarantee !== 'alo' && guarantee !== 'eos')
    throw new WrongUsage('invalid_field', `--guarantee is ${guarantee}.`, {
      field: '--guarantee',
      fix: 'Give alo or eos.',
    });
  const cacheMb = countOption(input, 'cache-mb');
  return {
    brokers: (textOption(input, 'brokers') ?? '127.0.0.1:29092').split(','),
    group: requiredOption(input, 'group', 'Name the consumer group.'),
    input: requiredOption(input, 'in', 'Name the topic to read.'),
    output: requiredOption(input, 'out', 'Name the topic to write.'),
    stateDir: requiredOption(input, 'state', 'Name a folder for the state.'),
    guarantee: GUARANTEES[guarantee],
    commitMs: countOption(input, 'commit-ms') ?? 100,
    ...(cacheMb === null ? {} : { cacheMb }),
    ...registryOf(input),
  };
}

/** None: JSON. */
function registryOf(input: CommandInput): Pick<FeatureJobOptions, 'registryUrl'> {
  const format = textOption(input, 'format') ?? 'json';
  const registryUrl = textOption(input, 'registry');
  if (format !== 'json' && format !== 'avro')
    throw new WrongUsage('invalid_field', `--format is ${format}.`, { field: '--format', fix: 'Give json or avro.' });
  if (format === 'json') {
    if (registryUrl === null) return {};
    throw new WrongUsage('invalid_field', '--registry is given, and the format is json.', {
      field: '--registry',
      fix: 'Give --format avro, or leave --registry out.',
    });
  }
  const fix = 'Give the address of a Confluent-compatible schema registry, such as http://127.0.0.1:8081.';
  if (registryUrl === null)
    throw new WrongUsage('missing_field', '--registry is missing: Avro needs schemas.', { field: '--registry', fix });
  if (!/^https?:/.test(registryUrl) || !URL.canParse(registryUrl))
    throw new WrongUsage('invalid_field', '--registry is no address.', { field: '--registry', fix });
  return { registryUrl };
}
