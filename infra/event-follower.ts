// Follows topics of platform events from their start and hands each event on, in the log's order.
import { type Event, type EventCodec } from '../schemas/codec.ts';
import { EVENT_NAMES } from '../schemas/events.generated.ts';
import { Failure } from '../schemas/failure.ts';
import { type Log, type LogReader, type LogRecord, type TopicPartition, partitionId } from '../streams/log.ts';

/** Records end it; what stops has to wait for it. */
const POLL_MS = 100;

const EVENTS: ReadonlySet<string> = new Set(EVENT_NAMES);

function isOurs({ headers }: LogRecord): boolean {
  return headers.some(({ key, value }) => key === 'ce_type' && value.toString().startsWith('millrace.'));
}

export class EventFollower {
  readonly #log: Log;
  readonly #codec: EventCodec;
  readonly #reader: LogReader;
  readonly #positions = new Map<string, number>();
  readonly #apply: (event: Event, record: LogRecord) => void;
  #waiting: { readonly at: string; readonly offset: number; resolve(): void }[] = [];
  #stopped = false;
  #loop: Promise<void> = Promise.resolve();

  constructor(log: Log, codec: EventCodec, apply: (event: Event, record: LogRecord) => void) {
    this.#log = log;
    this.#codec = codec;
    this.#reader = log.reader();
    this.#apply = apply;
  }

  /** Resolves once everything that is there now was applied; then goes on by itself. */
  async start(topics: readonly string[], failed: (error: unknown) => void): Promise<void> {
    const admin = this.#log.admin();
    const counts = await admin.partitionsOf(topics);
    const places = topics.flatMap((topic) =>
      Array.from({ length: counts.get(topic) ?? 0 }, (_, partition): TopicPartition => ({ topic, partition })),
    );
    const bounds = await admin.offsets(places);
    await admin.close();
    for (const { topic, partition, start } of bounds) {
      this.#positions.set(`${topic}/${partition}`, start);
      this.#reader.assign({ topic, partition }, start);
    }
    const behind = (): boolean => bounds.some((bound) => (this.#positions.get(partitionId(bound)) ?? 0) < bound.end);
    while (behind() && !this.#stopped) await this.#round();
    this.#loop = this.#run().catch(failed);
  }

  async #run(): Promise<void> {
    while (!this.#stopped) await this.#round();
  }

  async #round(): Promise<void> {
    for (const { topic, partition, records, nextOffset } of await this.#reader.poll(POLL_MS)) {
      await this.#codec.reader.prepare(records.map((record) => record.value));
      for (const record of records) {
        const event = this.#eventOf(record);
        if (event !== null) this.#apply(event, record);
      }
      this.#positions.set(`${topic}/${partition}`, nextOffset);
    }
    this.#waiting = this.#waiting.filter((waiting) => {
      if ((this.#positions.get(waiting.at) ?? 0) <= waiting.offset) return true;
      waiting.resolve();
      return false;
    });
  }

  /**
   * Null for a stranger's record: the warehouse keeps it whole in `undecodable`.
   * @throws Failure for one of our own that cannot be read: a fold with a gap would be wrong in silence
   */
  #eventOf(record: LogRecord): Event | null {
    if (record.value === null) return null;
    try {
      const event = this.#codec.reader.decode(record.value) as Event;
      return EVENTS.has(event.name) || isOurs(record) ? event : null;
    } catch (cause) {
      if (!(cause instanceof Failure)) throw cause;
      if (!isOurs(record)) return null;
      throw new Failure(cause.code, `${partitionId(record)}, offset ${record.offset}: ${cause.message}`, {
        fix: 'The registry has lost schemas of the platform: bring its data back, then start again.',
        cause,
      });
    }
  }

  /** Resolves once the record at this offset was applied: a reader sees its own writes. */
  reached(at: TopicPartition, offset: number): Promise<void> {
    if ((this.#positions.get(partitionId(at)) ?? 0) > offset) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push({ at: partitionId(at), offset, resolve }));
  }

  /** Resolves once everything that the topic, of one partition, has now was applied. */
  async caughtUp(topic: string): Promise<void> {
    const at = { topic, partition: 0 };
    const admin = this.#log.admin();
    const [bounds] = await admin.offsets([at]);
    await admin.close();
    if (bounds !== undefined && bounds.end > 0) await this.reached(at, bounds.end - 1);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#loop;
    await this.#reader.close();
  }
}
