// Plays events into their topics in event-time order, with marks that say how far each partition is complete. It can be stopped
// at any point: what a partition already holds tells, event by event, where to go on.
import { type EventCodec } from '../../schemas/codec.ts';
import { type Watermark } from '../../schemas/events.generated.ts';
import { type TopicNames } from '../../schemas/topics.ts';
import { type Clock } from '../../streams/clock.ts';
import { headerMaker } from '../../streams/event-headers.ts';
import { type Log, type LogWriter, type NewRecord } from '../../streams/log.ts';
import { partitionOfKey } from '../../streams/murmur2.ts';
import { type DemoEvent } from './flights.ts';

/** Events in the order of their times, each made when it is asked for. */
export interface OrderedEvents {
  readonly length: number;
  timeMs(index: number): number | undefined;
  slice(from: number, to: number): readonly DemoEvent[];
}

export interface ReplayOptions {
  readonly log: Log;
  readonly clock: Clock;
  readonly names: TopicNames;
  readonly codec: EventCodec;
  readonly codecs: ReadonlyMap<string, { encode(value: unknown): Buffer }>;
  /** in the order of event times */
  readonly events: OrderedEvents;
  /** multiple of real time; null: as fast as the loop takes them */
  readonly speed: number | null;
  /** resolves when the loop has come near enough to this event time */
  waitFor(eventTimeMs: number): Promise<void>;
  progress(eventTimeMs: number, produced: number): void;
  readonly signal: AbortSignal;
  /** event time at which the replay ends: lanes are released there */
  readonly endMs: number;
}

const BATCH_EVENTS = 2000;

export async function replay(options: ReplayOptions): Promise<number> {
  const { log, names, codec, codecs } = options;
  const admin = log.admin();
  const topics = [...codecs.keys()];
  const counts = await admin.partitionsOf(topics);
  const places = topics.flatMap((topic) =>
    Array.from({ length: counts.get(topic) ?? 0 }, (_, partition) => ({ topic, partition })),
  );
  const held = new Map(
    (await admin.offsets(places)).map(({ topic, partition, end }) => [`${topic}/${partition}`, end]),
  );
  await codec.prepare(names.watermarks, ['Watermarks']);
  const writer = log.writer();
  try {
    return await new Replay(options, writer, places, counts, held).run();
  } finally {
    await writer.close();
    await admin.close();
  }
}

class Replay {
  readonly #options: ReplayOptions;
  readonly #writer: LogWriter;
  readonly #places: readonly { topic: string; partition: number }[];
  readonly #counts: ReadonlyMap<string, number>;
  readonly #held: ReadonlyMap<string, number>;
  readonly #made = new Map<string, number>();
  readonly #headers = new Map<string, ReturnType<typeof headerMaker>>();
  #produced = 0;

  constructor(
    options: ReplayOptions,
    writer: LogWriter,
    places: readonly { topic: string; partition: number }[],
    counts: ReadonlyMap<string, number>,
    held: ReadonlyMap<string, number>,
  ) {
    this.#options = options;
    this.#writer = writer;
    this.#places = places;
    this.#counts = counts;
    this.#held = held;
    for (const topic of counts.keys()) this.#headers.set(topic, headerMaker(topic, 'millrace/replayer'));
  }

  async run(): Promise<number> {
    const { events, clock, speed, signal, endMs } = this.#options;
    const firstMs = events.timeMs(0) ?? endMs;
    if ([...this.#held.values()].every((end) => end === 0)) await this.#mark(firstMs - 1, false);
    const startedMs = clock.monotonicMs();
    for (let at = 0; at < events.length && !signal.aborted;) {
      const batch = this.#nextBatch(at);
      at += batch.length;
      const records = this.#missing(batch);
      const lastMs = batch[batch.length - 1]?.eventTimeMs ?? endMs;
      if (records.length > 0) {
        if (speed !== null)
          await clock.sleep(Math.max(0, startedMs + (lastMs - firstMs) / speed - clock.monotonicMs()), signal);
        await this.#options.waitFor(lastMs);
        if (signal.aborted) break;
        await this.#writer.append(records);
        this.#produced += records.length;
        await this.#mark(lastMs, false);
        this.#options.progress(lastMs, this.#produced);
      }
    }
    if (!signal.aborted) await this.#mark(endMs - 1, true);
    return this.#produced;
  }

  /** Whole instants, at least BATCH_EVENTS; with a speed one instant at a time. */
  #nextBatch(from: number): readonly DemoEvent[] {
    const { events, speed } = this.#options;
    let to = Math.min(events.length, from + (speed === null ? BATCH_EVENTS : 1));
    while (to < events.length && events.timeMs(to) === events.timeMs(to - 1)) to += 1;
    return events.slice(from, to);
  }

  /** The records of a batch that their partitions do not hold yet. */
  #missing(batch: readonly DemoEvent[]): NewRecord[] {
    const nowMs = this.#options.clock.nowMs();
    const records: NewRecord[] = [];
    for (const { topic, key, value } of batch) {
      const keyBytes = Buffer.from(key);
      const partition = partitionOfKey(keyBytes, this.#counts.get(topic) ?? 1);
      const id = `${topic}/${partition}`;
      const made = (this.#made.get(id) ?? 0) + 1;
      this.#made.set(id, made);
      if (made <= (this.#held.get(id) ?? 0)) continue;
      const bytes = this.#options.codecs.get(topic)?.encode(value) ?? null;
      records.push({
        topic,
        partition,
        // not the event's time, which its value has: a broker that is started again forgets producers whose newest record is older than
        // a day, and takes a batch that is repeated to it for another one
        timestampMs: nowMs,
        key: keyBytes,
        value: bytes,
        headers: this.#headers.get(topic)?.(`${topic}/${key}`, nowMs) ?? [],
      });
    }
    return records;
  }

  async #mark(eventTimeMs: number, live: boolean): Promise<void> {
    const { names, codec, clock } = this.#options;
    const marks: Watermark[] = this.#places.map(({ topic, partition }) => ({
      topic,
      partition,
      lane: 0,
      event_time: eventTimeMs,
      offset: this.#made.get(`${topic}/${partition}`) ?? 0,
      live,
    }));
    await this.#writer.append([
      {
        topic: names.watermarks,
        partition: 0,
        timestampMs: clock.nowMs(),
        key: Buffer.from('replayer'),
        value: codec.encode('Watermarks', { writer: 'replayer', marks }),
      },
    ]);
  }
}
