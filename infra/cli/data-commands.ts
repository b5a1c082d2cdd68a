// replay, sql, verify: what goes in, and what can be asked.
import { existsSync, readFileSync } from 'node:fs';
import { Failure } from '../../schemas/failure.ts';
import { systemClock } from '../clock.ts';
import { ClickHouseSql } from '../clickhouse/client.ts';
import { connect } from '../connect.ts';
import { JsonLines } from '../demo/json-lines.ts';
import { replay as replayEvents } from '../demo/replayer.ts';
import { clickhouseUrlOf } from '../settings.ts';
import { verifyPrediction } from '../verify-prediction.ts';
import { type CliCommand, answer, instantOption, positiveOption, requiredOption, say, textOption } from './command.ts';

const PROGRESS_EVERY = 20_000;

export const replay: CliCommand = {
  summary: 'produce a file of JSON lines to a topic, in event-time order',
  usage: 'FILE.jsonl --topic T --key-field F --event-time-field F [--speed X] [--from T] [--until T]',
  help: [
    'Event times are epoch milliseconds or ISO 8601 text. --speed 1 is real time, 60 a minute per second; without it as fast as it goes.',
    'Started again, it goes on where the topic ends.',
  ],
  options: {
    topic: { type: 'string' },
    'key-field': { type: 'string' },
    'event-time-field': { type: 'string' },
    speed: { type: 'string' },
    from: { type: 'string' },
    until: { type: 'string' },
  },
  async run(input) {
    const [path] = input.positionals;
    if (path === undefined || !existsSync(path))
      throw new Failure('missing_field', path === undefined ? 'FILE.jsonl is missing.' : `There is no ${path}.`, {
        field: 'FILE',
        fix: 'Give a file with one JSON object per line.',
      });
    const topic = requiredOption(input, 'topic', 'Name the topic to produce to.');
    const events = new JsonLines(readFileSync(path, 'utf8'), {
      topic,
      keyField: requiredOption(input, 'key-field', "Name the field that holds the record's key."),
      eventTimeField: requiredOption(input, 'event-time-field', 'Name the field that holds the event time.'),
      fromMs: instantOption(input, 'from') ?? Number.NEGATIVE_INFINITY,
      untilMs: instantOption(input, 'until') ?? Number.POSITIVE_INFINITY,
    });
    const { log, codec, topics } = connect(input.settings, 'replay');
    try {
      let told = 0;
      const produced = await replayEvents({
        log,
        clock: systemClock,
        names: topics,
        codec,
        codecs: new Map([[topic, { encode: (value: unknown) => Buffer.from(JSON.stringify(value)) }]]),
        events,
        speed: positiveOption(input, 'speed'),
        waitFor: async () => undefined,
        progress: (eventTimeMs, count) => {
          if (count - told < PROGRESS_EVERY) return;
          told = count;
          say(`  ${count} produced, up to ${new Date(eventTimeMs).toISOString()}`);
        },
        signal: input.signal,
        endMs: (events.timeMs(events.length - 1) ?? 0) + 1,
      });
      answer(
        input,
        { topic, produced, skipped: events.length - produced },
        `${produced} records produced to ${topic}${produced < events.length ? `; ${events.length - produced} were there already` : ''}.`,
      );
    } finally {
      await log.close();
    }
  },
};

export const sql: CliCommand = {
  summary: 'ask ClickHouse',
  usage: '"SELECT …" [--format NAME]',
  help: [
    'Tables are in the database millrace: `millrace sql "SHOW TABLES FROM millrace"`.',
    '--format   any ClickHouse format; PrettyCompact by default, JSONEachRow with --json',
  ],
  options: { format: { type: 'string' } },
  async run(input) {
    const statement = input.positionals.join(' ');
    if (statement === '')
      throw new Failure('missing_field', 'No statement is given.', {
        field: 'SQL',
        fix: 'Quote it: `millrace sql "SELECT count() FROM millrace.lifecycle"`.',
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
  summary: 'check a prediction against its receipt: rows, weights, score',
  usage: 'PREDICTION_ID',
  help: [
    'Reads the prediction, looks up the feature rows that it names, hashes the weights, runs the model again, and compares.',
  ],
  options: {},
  async run(input) {
    const [id] = input.positionals;
    if (id === undefined)
      throw new Failure('missing_field', 'PREDICTION_ID is missing.', {
        field: 'PREDICTION_ID',
        fix: 'Take one from `millrace sql "SELECT prediction_id FROM millrace.flight_delay_predictions LIMIT 5"`.',
      });
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
