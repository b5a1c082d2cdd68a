// `npm start`: the whole platform on a year of real flights, told as it happens.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Event } from '../../schemas/codec.ts';
import { Failure } from '../../schemas/failure.ts';
import { FOREVER_MS } from '../../streams/lane.ts';
import { ClickHouseSql } from '../clickhouse/client.ts';
import { systemClock } from '../clock.ts';
import type { Connections } from '../connect.ts';
import { applyDefinitions } from '../definitions.ts';
import { LoopProgress, demoCodecs, demoDefinitions, playDemo } from '../demo/demo.ts';
import { DEMO_ENDPOINT } from '../demo/flights.ts';
import { narrate } from '../demo/narration.ts';
import { type Report, makeReport, reportText, rowsOf } from '../demo/report.ts';
import { scorerLatency } from '../demo/scorer-latency.ts';
import { EventFollower } from '../event-follower.ts';
import { type Settings, clickhouseUrlOf } from '../settings.ts';
import {
  type CliCommand,
  type CommandInput,
  StartLine,
  WrongUsage,
  answer,
  instantOption,
  positiveOption,
  say,
  textOption,
} from './command.ts';
import { untilStopped } from './until-stopped.ts';
import { processesOf } from './status-command.ts';

/** The slice of `--quick`: one aircraft in so many, until the first retrained model has taken over. */
const QUICK_SAMPLE = 8;
const QUICK_END_MS = Date.parse('2013-09-05T00:00:00Z');
const TELL_EVERY_MS = 5000;
const STEP_MS = 250;
/** The warehouse is complete when nothing was missing and nothing has come for so many looks in a row. */
const SETTLED_LOOKS = 6;
const LAG_METRIC = /^millrace_warehouse_lag_records\{.*\} (\d+)/m;
const YEAR_START_MS = Date.parse('2013-01-01T00:00:00Z');
const YEAR_END_MS = Date.parse('2014-01-01T00:00:00Z');

export const demo: CliCommand = {
  usage: '[--quick] [--once] [--report FILE] [--speed X] [--from T] [--until T]',
  help: [
    '--quick    a slice, in under two minutes: one aircraft in eight, until 2013-09-05 (or --until)',
    '--once     stops everything at the end; else the platform stays up until Ctrl-C',
    '--report   writes the report as JSON',
    '--speed    multiple of real time (86400: a day per second); as fast as the loop takes it otherwise',
    '--from, --until   play a part of 2013 only',
    'A second start goes on where the first stopped; `npx millrace reset` starts over.',
  ],
  argumentsMax: 0,
  options: {
    quick: { type: 'boolean' },
    once: { type: 'boolean' },
    report: { type: 'string' },
    speed: { type: 'string' },
    from: { type: 'string' },
    until: { type: 'string' },
  },
  async run(input) {
    const plan = planOf(input);
    requireSamePlan(input.settings, plan);
    const [{ Stack }, { connect }] = await Promise.all([import('../supervisor/stack.ts'), import('../connect.ts')]);
    const line = new StartLine();
    const ready = (name: string): void => line.add(name);
    const stack = new Stack({ settings: input.settings, environment: { MILLRACE_TIME: 'event' }, say, ready });
    const startedMs = systemClock.monotonicMs();
    try {
      say('Millrace starts: Kafka, schema registry, ClickHouse, and a process per role (half a minute) …');
      await Promise.race([stack.start(), untilStopped(input.signal)]).finally(() => line.end());
      if (input.signal.aborted) return;
      const demo = new DemoRun(input, plan, startedMs, connect(input.settings, 'demo'));
      const report = await demo.run();
      if (report === null) return;
      const path = textOption(input, 'report');
      if (path !== null) writeFileSync(path, `${JSON.stringify(report, null, 2)}\n`);
      answer(input, report, `\n${reportText(report)}`);
      if (input.options['once'] === true) {
        demo.requireTrained();
        return;
      }
      const { host, httpPort } = input.settings;
      say(
        `\nThe platform stays up: console at http://${host}:${httpPort}. Ctrl-C stops it; a second \`npm start\` goes on from here.`,
      );
      await untilStopped(input.signal);
    } finally {
      say('stopping …');
      await stack.stop();
    }
  },
};

interface Plan {
  readonly sample: number;
  readonly fromMs: number;
  readonly untilMs: number;
  readonly speed: number | null;
}

function planOf(input: CommandInput): Plan {
  const fromMs = instantOption(input, 'from') ?? YEAR_START_MS;
  const isQuick = input.options['quick'] === true;
  const untilMs = instantOption(input, 'until') ?? (isQuick ? QUICK_END_MS : YEAR_END_MS);
  if (untilMs <= fromMs)
    throw new WrongUsage('invalid_field', '--until is not after --from.', {
      field: '--until',
      fix: 'Give a later instant of 2013.',
    });
  return {
    sample: isQuick ? QUICK_SAMPLE : 1,
    fromMs,
    untilMs,
    speed: positiveOption(input, 'speed'),
  };
}

// Going on counts the events that a topic holds: they must be the same events.
function requireSamePlan({ dataDir }: Settings, { sample, fromMs }: Plan): void {
  const path = join(dataDir, 'demo.json');
  const text = JSON.stringify({ sample, fromMs });
  if (existsSync(join(dataDir, 'kafka')) && existsSync(path) && readFileSync(path, 'utf8') !== text) {
    throw new Failure('conflict', `${dataDir} holds a demo that was started with another --quick or --from.`, {
      fix: 'Start it with the same options, or start over with `npx millrace reset`, or set MILLRACE_DATA_DIR.',
    });
  }
  mkdirSync(dataDir, { recursive: true });
  writeFileSync(path, text);
}

class DemoRun {
  readonly #input: CommandInput;
  readonly #plan: Plan;
  readonly #startedMs: number;
  readonly #connections: Connections;
  readonly #progress: LoopProgress;
  #released = false;
  #telling = false;
  #produced = 0;
  #predictionsBefore = 0;
  #eventTimeMs = 0;
  #failedTraining: string | null = null;
  #firstPredictionMs: number | null = null;

  constructor(input: CommandInput, plan: Plan, startedMs: number, connections: Connections) {
    this.#input = input;
    this.#plan = plan;
    this.#startedMs = startedMs;
    this.#connections = connections;
    this.#progress = new LoopProgress(this.#connections);
  }

  #seconds(): string {
    return ((systemClock.monotonicMs() - this.#startedMs) / 1000).toFixed(0).padStart(4);
  }

  #tell(text: string): void {
    say(`${this.#seconds()} s  ${text}`);
  }

  /** null when it was stopped before the end */
  async run(): Promise<Report | null> {
    const { settings, signal } = this.#input;
    const { log, topics } = this.#connections;
    const upMs = systemClock.monotonicMs();
    const follower = new EventFollower(log, this.#connections.codec, (event) => this.#note(event));
    try {
      // first the schemas: the definitions are checked against them
      await demoCodecs(this.#connections);
      const { applied, unchanged } = await applyDefinitions(this.#connections, settings, demoDefinitions(), 'demo');
      this.#tell(`everything is up; ${applied} definitions applied, ${unchanged} unchanged`);
      this.#predictionsBefore = await rowsOf(
        new ClickHouseSql(clickhouseUrlOf(settings), systemClock),
        topics.predictions(DEMO_ENDPOINT),
        settings.topicPrefix,
      );
      await follower.start([topics.lifecycle], () => undefined);
      this.#telling = true;
      await this.#progress.start([topics.predictions(DEMO_ENDPOINT)]);
      const ticker = setInterval(() => this.#tick(), TELL_EVERY_MS);
      try {
        await this.#play();
        await this.#untilDone();
      } finally {
        clearInterval(ticker);
      }
      if (signal.aborted) return null;
      const replayedMs = systemClock.monotonicMs();
      await this.#untilSettled();
      return await this.#report(upMs, replayedMs);
    } finally {
      await follower.stop();
      await this.#progress.stop();
      await log.close();
    }
  }

  /** @throws Failure `internal`: a demo whose model was not trained is no demo, though everything else ran */
  requireTrained(): void {
    if (this.#failedTraining !== null)
      throw new Failure('internal', `Ran to the end, but a training failed: ${this.#failedTraining}`);
  }

  #note(event: Event): void {
    if (event.name === 'TrainingFailed') this.#failedTraining = event.value.reason;
    else if (event.name === 'TrainingCompleted') this.#failedTraining = null;
    if (event.name === 'ControlAdvanced' && event.value.until >= FOREVER_MS) this.#released = true;
    const words = this.#telling ? narrate(event) : null;
    if (words !== null) this.#tell(words);
  }

  #tick(): void {
    if (this.#produced === 0) return;
    const done = this.#progress.doneTo(this.#connections.topics.predictions(DEMO_ENDPOINT), 0);
    const day = (timeMs: number): string =>
      timeMs > YEAR_START_MS ? new Date(timeMs).toISOString().slice(0, 10) : 'not yet';
    this.#tell(
      `… ${this.#produced} events produced, up to ${day(this.#eventTimeMs)}; requests decided up to ${day(done)}`,
    );
  }

  async #play(): Promise<void> {
    const { signal } = this.#input;
    await playDemo(
      this.#connections,
      {
        ...this.#plan,
        signal,
        progress: (eventTimeMs, produced) => {
          this.#eventTimeMs = eventTimeMs;
          this.#produced = produced;
          this.#watchFirst();
        },
      },
      this.#progress,
    );
    this.#tell(this.#produced === 0 ? 'all events were produced before' : `all ${this.#produced} events are produced`);
  }

  #watchFirst(): void {
    const endpoint = demoDefinitions().find((definition) => definition.kind === 'endpoint');
    if (this.#firstPredictionMs !== null || endpoint?.kind !== 'endpoint') return;
    if (this.#progress.doneTo(this.#connections.topics.predictions(DEMO_ENDPOINT), 0) > (endpoint.serve_from ?? 0))
      this.#firstPredictionMs = systemClock.monotonicMs();
  }

  /** The last decision of the replay was taken: the endpoint is let go. */
  async #untilDone(): Promise<void> {
    while (!this.#released && !this.#input.signal.aborted) {
      this.#watchFirst();
      await systemClock.sleep(STEP_MS, this.#input.signal);
    }
  }

  async #untilSettled(): Promise<void> {
    const sql = new ClickHouseSql(clickhouseUrlOf(this.#input.settings), systemClock);
    let last = '';
    for (let same = 0; same < SETTLED_LOOKS && !this.#input.signal.aborted;) {
      const [row] = await sql.query<{ rows: number }>(
        "SELECT sum(total_rows) AS rows FROM system.tables WHERE database = 'millrace'",
      );
      const now = String(row?.rows ?? 0);
      same = now === last && (await this.#warehouseLag()) === 0 ? same + 1 : 0;
      last = now;
      await systemClock.sleep(STEP_MS * 2, this.#input.signal);
    }
  }

  /** Records that the sink has not inserted yet; ∞ while it does not answer. */
  async #warehouseLag(): Promise<number> {
    const port = (await processesOf(this.#input.settings)).find(({ name }) => name === 'analytics')?.port ?? null;
    if (port === null) return Number.POSITIVE_INFINITY;
    const text = await fetch(`http://127.0.0.1:${port}/metrics`).then(
      (response) => response.text(),
      () => '',
    );
    return Number(LAG_METRIC.exec(text)?.[1] ?? Number.POSITIVE_INFINITY);
  }

  async #report(upMs: number, replayedMs: number): Promise<Report> {
    const { settings } = this.#input;
    const { log, topics } = this.#connections;
    const processes = await processesOf(settings);
    const seconds = (fromMs: number, toMs: number): number => Math.round((toMs - fromMs) / 100) / 10;
    return makeReport({
      sql: new ClickHouseSql(clickhouseUrlOf(settings), systemClock),
      names: topics,
      prefix: settings.topicPrefix,
      endpoint: DEMO_ENDPOINT,
      views: demoDefinitions().flatMap((definition) => (definition.kind === 'feature_view' ? [definition.name] : [])),
      memoryMb: {
        ...Object.fromEntries(processes.map(({ name, memory_mb }) => [name, memory_mb])),
        demo: Math.round(process.memoryUsage.rss() / 1_048_576),
      },
      latencyMs: await scorerLatency(log, topics.predictions(DEMO_ENDPOINT)),
      produced: this.#produced,
      predictionsBefore: this.#predictionsBefore,
      durations: {
        install: Number(process.env['MILLRACE_INSTALL_S'] ?? 0),
        start: seconds(this.#startedMs, upMs),
        to_first_prediction:
          this.#firstPredictionMs === null ? null : seconds(this.#startedMs, this.#firstPredictionMs),
        replay: seconds(upMs, replayedMs),
        total: seconds(this.#startedMs, systemClock.monotonicMs()),
      },
    });
  }
}
