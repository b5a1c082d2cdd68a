// Runs an application in memory, without a broker, by a clock that only the test moves: give it records, look at what comes out.
//
//   const driver = await TestDriver.start({ spec: topology('totals', …), partitions: { orders: 2 } });
//   await driver.pipe('orders', [{ key: 'a', value: '{"amount":3}', timestampMs: 1000 }]);
//   await driver.advanceTo(60_000);
//   driver.outputs('totals');
//
// It is the engine itself that runs, transactions and changelogs included; each call comes back when nothing is left to do.
import { type SchemaRegistry } from '../../schemas/codec.ts';
import { type Watermark } from '../../schemas/events.generated.ts';
import { Failure } from '../../schemas/failure.ts';
import { Application, type ApplicationOptions } from '../application.ts';
import { type DeclaredTopology } from '../builder/declaration.ts';
import { type Clock } from '../clock.ts';
import { requirePartitions } from '../check-topics.ts';
import { type FailurePolicies } from '../failure-policies.ts';
import { type Header, type LogRecord, type LogWriter, type NewRecord } from '../log.ts';
import { memoryStores } from '../memory-store.ts';
import { type ApplicationSpec } from '../processor.ts';
import { type StateRow, type Wanted, byKey } from '../queries/question.ts';
import { type StateStores } from '../store.ts';
import { type DrivenSpec, changelogTopicOf, drivenSpec, sourceLanes } from './driven-spec.ts';
import { MemoryBroker } from './memory-broker.ts';
import { MemoryLog } from './memory-log.ts';
import { SimulatedTime } from './simulated-time.ts';

export interface TestRecord {
  /** text is taken as UTF-8; absent: null */
  readonly key?: string | Buffer | null;
  readonly value: string | Buffer | null;
  /** default: the wall clock */
  readonly timestampMs?: number;
  /** default: by the key, as Kafka's clients place it */
  readonly partition?: number;
  readonly headers?: readonly Header[];
}

export interface TestDriverOptions {
  readonly spec: ApplicationSpec | DeclaredTopology;
  /** by topic; all others have `defaultPartitions` */
  readonly partitions?: Readonly<Record<string, number>>;
  /** default: 1 */
  readonly defaultPartitions?: number;
  /** wall clock at the start, epoch ms; default: 0 */
  readonly startMs?: number;
  /** true: records are taken as they arrive; false (default): inputs are merged by event time, `advanceTo` says how far it is */
  readonly live?: boolean;
  /** live: after this long without records, event time goes on by the wall clock; default: null, never */
  readonly idleTimeoutMs?: number | null;
  readonly guarantee?: ApplicationOptions['guarantee'];
  /** instead of what the topology declares */
  readonly policies?: Partial<FailurePolicies>;
  /** decoded state that tasks keep in memory, all together; default: 16 MiB */
  readonly cacheBytesMax?: number;
  /** what local stores lie in; default: in memory */
  readonly stores?: StateStores;
  /** where values are written with registered schemas */
  readonly schemas?: Pick<SchemaRegistry, 'schemaOf'>;
  /** Fetches the schemas that `decode` will need (AvroReader.prepare). */
  prepare?(values: readonly (Buffer | null)[]): Promise<void>;
}

export interface TestDeadLetter {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly stage: string;
  readonly code: string;
  readonly reason: string;
}

const WATERMARKS = '.watermarks';
const DEAD_LETTERS = '.dead-letters';
const COMMIT_INTERVAL_MS = 1;
const CACHE_BYTES_MAX = 16 * 1024 * 1024;
/** Longer than any wait of the engine between two rounds. */
const ROUND_MS = 30;
/** So many rounds without any change, and nothing is left to do: a record may be on its way from one step to the next. */
const QUIET_ROUNDS = 4;
/** An application that is still busy then goes round in circles. */
const ROUNDS_MAX = 100_000;

export class TestDriver {
  readonly #options: TestDriverOptions;
  #driven: DrivenSpec;
  readonly #time = new SimulatedTime({ startMs: 0 });
  readonly #broker: MemoryBroker;
  readonly #log: MemoryLog;
  readonly #writer: LogWriter;
  readonly #stores: StateStores;
  readonly #clock: Clock;
  readonly #readTo = new Map<string, number>();
  #wallMs: number;
  /** by how much the application's clocks were moved on beside simulated time */
  #movedMs = 0;
  #application: Application | null = null;
  #failure: unknown = null;

  private constructor(options: TestDriverOptions) {
    this.#options = options;
    this.#stores = options.stores ?? memoryStores();
    this.#driven = drivenSpec(options.spec, (topic) => this.#partitionsOf(topic));
    this.#wallMs = options.startMs ?? 0;
    this.#broker = new MemoryBroker({
      ...{ clock: this.#time.clock, fetchWaitMs: 5 },
      partitionsOfMissing: (topic) => this.#partitionsOf(topic),
    });
    this.#clock = {
      nowMs: () => this.#wallMs,
      monotonicMs: () => this.#time.elapsedMs + this.#movedMs,
      sleep: (ms, signal) => this.#time.sleep(ms, signal),
    };
    this.#log = new MemoryLog({ broker: this.#broker, clock: this.#clock, clientId: 'test' });
    this.#writer = this.#log.writer();
  }

  /** The application has joined, and waits for records. */
  static async start(options: TestDriverOptions): Promise<TestDriver> {
    const driver = new TestDriver(options);
    await driver.#startApplication();
    return driver;
  }

  #partitionsOf(topic: string): number {
    if (topic === WATERMARKS || topic === DEAD_LETTERS) return 1;
    return this.#options.partitions?.[topic] ?? this.#options.defaultPartitions ?? 1;
  }

  async #startApplication(): Promise<void> {
    const { topics } = this.#driven;
    // the broker makes what it is asked for, so only of those that are there
    const there = this.#broker.topics.map((name) => [name, this.#broker.partitionsOf(name) ?? 0] as const);
    requirePartitions(topics, new Map(there));
    this.#broker.createTopics(topics);
    const application = new Application(this.#applicationOptions());
    this.#application = application;
    this.#failure = null;
    await this.#time.run(() => application.start());
    application.finished.catch((error: unknown) => {
      if (this.#application === application) this.#failure = error;
    });
    await this.#settle();
  }

  #applicationOptions(): ApplicationOptions {
    const { spec, policies: declared } = this.#driven;
    const { live = false, idleTimeoutMs = null, guarantee = 'exactly-once', policies, schemas } = this.#options;
    const { cacheBytesMax = CACHE_BYTES_MAX } = this.#options;
    return {
      ...{ spec, live, idleTimeoutMs, guarantee, log: this.#log, clock: this.#clock, stores: this.#stores },
      ...{ instance: 'test', commitIntervalMs: COMMIT_INTERVAL_MS, cacheBytesMax },
      policies: { ...declared, ...policies },
      schemas: schemas ?? null,
      watermarksTopic: WATERMARKS,
      changelogTopic: (store) => changelogTopicOf(spec.id, store),
      prepare: async (values) => this.#options.prepare?.(values),
      decodeWatermarks: (value) => JSON.parse(value.toString()) as Watermark[],
      watermarkRecord: (writer, marks) => markRecord(writer, marks),
      deadLetterRecord: ({ record: { topic, partition, offset }, stage, failure }) => {
        const letter: TestDeadLetter = { topic, partition, offset, stage, code: failure.code, reason: failure.message };
        return {
          topic: DEAD_LETTERS,
          timestampMs: this.#wallMs,
          key: null,
          value: Buffer.from(JSON.stringify(letter)),
        };
      },
    };
  }

  /** Writes records to a topic, in this order, and lets the application take them. */
  async pipe(topic: string, records: readonly TestRecord[]): Promise<void> {
    const written = records.map((record): NewRecord => {
      const { key = null, value, timestampMs = this.#wallMs, partition, headers = [] } = record;
      const place = partition === undefined ? { topic } : { topic, partition };
      return { ...place, timestampMs, key: bytesOf(key), value: bytesOf(value), headers };
    });
    await this.#time.run(() => this.#writer.append(written));
    await this.#settle();
  }

  /** No record at or before this event time will come any more: what waits for it goes on, and timers up to there fire. */
  async advanceTo(timeMs: number): Promise<void> {
    if (this.#options.live === true)
      throw new Failure('invalid_request', 'A live application takes its time from its records.', {
        fix: 'Pipe a later record, or move the wall clock on past idleTimeoutMs.',
      });
    const marks = sourceLanes(this.#driven.spec, (topic) => this.#broker.partitionsOf(topic) ?? 0).map((lane) => ({
      ...lane,
      event_time: timeMs,
      offset: this.#broker.bounds(lane).end,
      live: false,
    }));
    if (marks.length > 0) await this.#time.run(() => this.#writer.append([markRecord('test', marks)]));
    await this.#settle();
  }

  /** Moves the wall clock on, and nothing else. */
  async advanceWallClock(ms: number): Promise<void> {
    this.#wallMs += ms;
    this.#movedMs += ms;
    await this.#settle();
  }

  /** What has been committed to a topic since the last call, partition by partition. */
  outputs(topic: string): readonly LogRecord[] {
    const records: LogRecord[] = [];
    for (let partition = 0; partition < (this.#broker.partitionsOf(topic) ?? 0); partition += 1) {
      const id = `${topic}/${partition}`;
      const slice = this.#broker.partition({ topic, partition }).read(this.#readTo.get(id) ?? 0, Infinity);
      this.#readTo.set(id, slice.nextOffset);
      records.push(...slice.records);
    }
    return records;
  }

  /** What has been set aside since the last call. */
  deadLetters(): readonly TestDeadLetter[] {
    return this.outputs(DEAD_LETTERS).map(({ value }) => JSON.parse(value?.toString() ?? '') as TestDeadLetter);
  }

  /**
   * The committed value of a key; undefined: there is none.
   * @param name of the store, or of the step of a declared topology
   * @throws Failure `unknown_name` when nothing is called so
   */
  stateOf(name: string, key: string | Buffer): unknown {
    const store = this.#driven.stores.get(name);
    if (store === undefined)
      throw new Failure('unknown_name', `${this.#driven.spec.id} keeps nothing called ${name}.`, {
        fix: `Use one of ${[...this.#driven.stores.keys()].join(', ')}.`,
      });
    const topic = store.changelogTopic;
    const wanted = store.keyOf(key);
    let found: Buffer | null = null;
    for (let partition = 0; partition < (this.#broker.partitionsOf(topic) ?? 0); partition += 1) {
      const { records } = this.#broker.partition({ topic, partition }).read(0, Infinity);
      for (const record of records) if (record.key?.equals(wanted) === true) found = record.value;
    }
    return found === null ? undefined : store.decode(found);
  }

  /**
   * What is told of a store to who reads it from outside, as of the last commit; keys that have no value are left out.
   * @param name of the step, the join or the declared windows
   * @throws Failure `unknown_name` when nothing that can be read is called so
   */
  async read(name: string, wanted: Wanted): Promise<readonly StateRow[]> {
    const queries = this.#application?.queries;
    if (queries === undefined) return [];
    const here = queries.stores().find((store) => store.name === name)?.here ?? [0];
    const answers = await this.#time.run(() =>
      Promise.all(here.map((partition) => queries.ask({ store: name, partition, wanted, atLeast: {}, waitMs: 0 }))),
    );
    return answers.flatMap((answer) => answer?.rows ?? []).sort(byKey);
  }

  /**
   * Stops the application and starts it again with what it had committed.
   * @param as changed meanwhile; the same unless given
   * @throws Failure `invalid_definition` where it was changed so that something would not find its state
   */
  async restart(as?: TestDriverOptions['spec']): Promise<void> {
    await this.close();
    if (as !== undefined) this.#driven = drivenSpec(as, (topic) => this.#partitionsOf(topic));
    await this.#startApplication();
  }

  async close(): Promise<void> {
    const application = this.#application;
    this.#application = null;
    if (application !== null) await this.#time.run(() => application.stop());
  }

  /** Until nothing changes any more. @throws what ended the application */
  async #settle(): Promise<void> {
    let before = '';
    let quietRounds = 0;
    for (let round = 0; quietRounds < QUIET_ROUNDS; round += 1) {
      if (round > ROUNDS_MAX) throw new Failure('internal', 'The application does not come to rest.');
      await this.#time.advance(ROUND_MS);
      if (this.#failure !== null) throw asError(this.#failure);
      const now = this.#fingerprint();
      quietRounds = now === before ? quietRounds + 1 : 0;
      before = now;
    }
  }

  /** Whatever the application does shows in one of these. */
  #fingerprint(): string {
    const ends = this.#broker.topics.flatMap((topic) =>
      Array.from({ length: this.#broker.partitionsOf(topic) ?? 0 }, (_, partition) => {
        const { end, highWatermark } = this.#broker.bounds({ topic, partition });
        return `${end}/${highWatermark}`;
      }),
    );
    const { tasks, processed, commits, lag } = this.#application?.status() ?? {
      tasks: [],
      processed: 0,
      commits: 0,
      lag: 0,
    };
    return `${ends.join()} ${tasks.map(({ name, queued }) => `${name} ${queued}`).join()} ${processed} ${commits} ${lag}`;
  }
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error('The application ended.', { cause: error });
}

function bytesOf(value: string | Buffer | null): Buffer | null {
  return typeof value === 'string' ? Buffer.from(value) : value;
}

function markRecord(writer: string, marks: readonly Watermark[]): NewRecord {
  const value = Buffer.from(JSON.stringify(marks));
  return { topic: WATERMARKS, partition: 0, timestampMs: 0, key: Buffer.from(writer), value };
}
