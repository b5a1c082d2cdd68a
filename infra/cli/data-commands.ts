// replay, sql, verify: what goes in, and what can be asked.
import { existsSync, readFileSync } from 'node:fs';
import { AvroCodec, type AvroSchema } from '../../schemas/codec.ts';
import { Failure } from '../../schemas/failure.ts';
import { systemClock } from '../clock.ts';
import { ClickHouseSql } from '../clickhouse/client.ts';
import type { Connections } from '../connect.ts';
import { JsonLines } from '../demo/json-lines.ts';
import { replay as replayEvents } from '../demo/replayer.ts';
import { clickhouseUrlOf } from '../settings.ts';
import {
  type CliCommand,
  type CommandInput,
  WrongUsage,
  answer,
  instantOption,
  positiveOption,
  requiredOption,
  say,
  textOption,
} from './command.ts';
import { requireBroker } from './running.ts';

const PROGRESS_EVERY = 20_000;

export const replay: CliCommand = {
  usage:
    'FILE.jsonl --topic T --key-field F --event-time-field F [--schema FILE.avsc] [--speed X] [--from T] [--until T]',
  help: [
    '--topic             has to exist: `millrace apply` makes the topics that definitions name',
    "--key-field         holds the record's key",
    '--event-time-field  holds the event time: epoch milliseconds or ISO 8601 text',
    '--schema            an Avro schema: it is registered, and the lines become Avro; else they stay JSON, which features and',
    '                    scoring read, but which gets no columns in ClickHouse and can be no part of a training set',
    '--speed             multiple of real time (60: a minute per second); without it as fast as it goes',
    '--from, --until     event times from here (inclusive) to there (exclusive)',
    'Started again with the same file and --from, it goes on where the topic ends.',
  ],
  argumentsMax: 1,
  options: {
    topic: { type: 'string' },
    'key-field': { type: 'string' },
    'event-time-field': { type: 'string' },
    schema: { type: 'string' },
    speed: { type: 'string' },
    from: { type: 'string' },
    until: { type: 'string' },
  },
  async run(input) {
    const path = fileOf(input.positionals[0]);
    const topic = requiredOption(input, 'topic', 'Name the topic to produce to.');
    const speed = positiveOption(input, 'speed');
    const schema = schemaOption(input);
    const events = new JsonLines(readFileSync(path, 'utf8'), {
      topic,
      keyField: requiredOption(input, 'key-field', "Name the field that holds the record's key."),
      eventTimeField: requiredOption(input, 'event-time-field', 'Name the field that holds the event time.'),
      fromMs: instantOption(input, 'from') ?? Number.NEGATIVE_INFINITY,
      untilMs: instantOption(input, 'until') ?? Number.POSITIVE_INFINITY,
      ...(schema === null ? {} : { schema }),
    });
    const { connect } = await import('../connect.ts');
    await requireBroker(input.settings);
    const connections = connect(input.settings, 'replay');
    try {
      await requireTopic(connections, topic);
      const produced = await produceLines(input, connections, { topic, events, schema, speed });
      answer(
        input,
        { topic, produced, skipped: events.length - produced },
        `${produced} records produced to ${topic}${produced < events.length ? `; ${events.length - produced} were there already` : ''}.`,
      );
    } finally {
      await connections.log.close();
    }
  },
};

/** @throws Failure `missing_field` */
function fileOf(path: string | undefined): string {
  const told = { field: 'FILE', fix: 'Give a file with one JSON object per line.' };
  if (path === undefined) throw new WrongUsage('missing_field', 'FILE.jsonl is missing.', told);
  if (!existsSync(path)) throw new Failure('missing_field', `There is no ${path}.`, told);
  return path;
}

/** @throws Failure `invalid_field` when it is no record schema */
function schemaOption(input: CommandInput): AvroSchema | null {
  const path = textOption(input, 'schema');
  if (path === null) return null;
  try {
    const schema = JSON.parse(readFileSync(path, 'utf8')) as AvroSchema;
    // compiled once here, so that a mistake in it is told before anything is produced
    new AvroCodec(0, schema);
    return schema;
  } catch (cause) {
    throw new Failure('invalid_field', `${path} is no Avro schema: ${cause instanceof Error ? cause.message : ''}.`, {
      field: '--schema',
      fix: 'Give a file with an Avro record schema (JSON).',
      cause,
    });
  }
}

async function requireTopic({ log }: Connections, topic: string): Promise<void> {
  const admin = log.admin();
  try {
    if (((await admin.partitionsOf([topic])).get(topic) ?? 0) > 0) return;
  } finally {
    await admin.close();
  }
  throw new Failure('unknown_name', `There is no topic ${topic}.`, {
    field: '--topic',
    fix: 'Apply the definitions that name it (`millrace apply`), or create it.',
  });
}

interface Produced {
  readonly topic: string;
  readonly events: JsonLines;
  /** null: JSON */
  readonly schema: AvroSchema | null;
  /** multiple of real time; null: as fast as it goes */
  readonly speed: number | null;
}

async function produceLines(
  input: CommandInput,
  { log, codec, topics, registry }: Connections,
  { topic, events, schema, speed }: Produced,
): Promise<number> {
  const encoder =
    schema === null
      ? { encode: (value: unknown) => Buffer.from(JSON.stringify(value)) }
      : new AvroCodec<unknown>(await registry.register(`${topic}-value`, schema), schema);
  let told = 0;
  return replayEvents({
    log,
    clock: systemClock,
    names: topics,
    codec,
    codecs: new Map([[topic, encoder]]),
    events,
    speed,
    waitFor: async () => undefined,
    progress: (eventTimeMs, count) => {
      if (count - told < PROGRESS_EVERY) return;
      told = count;
      say(`  ${count} produced, up to ${new Date(eventTimeMs).toISOString()}`);
    },
    signal: input.signal,
    endMs: (events.timeMs(events.length - 1) ?? 0) + 1,
  });
}

export const sql: CliCommand = {
  usage: '"SELECT …" [--format NAME]',
  help: [
    'Tables are those of the database millrace: `millrace sql "SHOW TABLES"`; name another in front: system.parts.',
    '--format   any ClickHouse format; PrettyCompact by default, JSONEachRow with --json',
  ],
  argumentsMax: Number.POSITIVE_INFINITY,
  options: { format: { type: 'string' } },
  async run(input) {
    const statement = input.positionals.join(' ');
    if (statement === '')
      throw new WrongUsage('missing_field', 'No statement is given.', {
        field: 'SQL',
        fix: 'Quote it: `millrace sql "SELECT count() FROM lifecycle"`.',
      });
    const client = new ClickHouseSql(clickhouseUrlOf(input.settings), systemClock, 3000);
    process.stdout.write(
      await client.text(
        statement,
        textOption(input, 'format') ?? (input.json ? 'JSONEachRow' : 'PrettyCompactMonoBlock'),
      ),
    );
  },
};

export const verify: CliCommand = {
  usage: 'PREDICTION_ID',
  help: [
    'Reads the prediction, looks up the feature rows that it names, hashes the weights, runs the model again, and compares.',
  ],
  argumentsMax: 1,
  options: {},
  async run(input) {
    const [id] = input.positionals;
    if (id === undefined)
      throw new WrongUsage('missing_field', 'PREDICTION_ID is missing.', {
        field: 'PREDICTION_ID',
        fix: 'Take one from `millrace sql "SELECT prediction_id FROM flight_delay_predictions LIMIT 5"`.',
      });
    const { verifyPrediction } = await import('../verify-prediction.ts');
    await requireBroker(input.settings);
    const { prediction, checks } = await verifyPrediction(input.settings, id);
    const ok = checks.every((check) => check.ok);
    const head = `${prediction.prediction_id}: score ${prediction.score} by ${prediction.model} version ${prediction.version} at ${new Date(prediction.event_time).toISOString()}`;
    answer(
      input,
      { ok, prediction, checks },
      [
        head,
        ...checks.map((check) => `  ${check.ok ? 'ok    ' : 'WRONG '} ${check.name}: ${check.detail}`),
        ok ? 'The prediction is what its receipt says.' : 'The prediction does NOT match its receipt.',
      ].join('\n'),
    );
    if (!ok) process.exitCode = 1;
  },
};
