// The demo's definitions and its flights, played against a stack that is up.
import { readFileSync, readdirSync } from 'node:fs';
import { AvroCodec, type AvroSchema } from '../../schemas/codec.ts';
import { type Watermarks } from '../../schemas/events.generated.ts';
import { type Definition } from '../../schemas/definitions.ts';
import { parseDefinitions } from '../../schemas/parse-definitions.ts';
import { systemClock } from '../clock.ts';
import type { Connections } from '../connect.ts';
import { DEMO_ENDPOINT, DEMO_SCHEMAS, FlightYear } from './flights.ts';
import { replay } from './replayer.ts';

const FOLDER = new URL('definitions/', import.meta.url).pathname;

export function demoDefinitions(): readonly Definition[] {
  return parseDefinitions(
    readdirSync(FOLDER)
      .filter((name) => name.endsWith('.yaml'))
      .sort()
      .map((name) => ({ name, text: readFileSync(`${FOLDER}${name}`, 'utf8') })),
  );
}

/** Schemas of the upstream topics, registered. */
export async function demoCodecs({ registry }: Connections): Promise<Map<string, AvroCodec<unknown>>> {
  const codecs = new Map<string, AvroCodec<unknown>>();
  for (const [topic, name] of Object.entries(DEMO_SCHEMAS)) {
    const schema = JSON.parse(readFileSync(new URL(`schemas/${name}.avsc`, import.meta.url), 'utf8')) as AvroSchema;
    codecs.set(topic, new AvroCodec(await registry.register(`${topic}-value`, schema), schema));
  }
  return codecs;
}

export interface DemoOptions {
  readonly sample: number;
  readonly fromMs: number;
  readonly untilMs: number;
  readonly speed: number | null;
  readonly signal: AbortSignal;
  progress(eventTimeMs: number, produced: number): void;
}

/** How far the replay of all flights may run ahead of the predictions, in event time; a slice has as many events in more of it. */
const LEAD_MS = 7 * 86_400_000;
const POLL_MS = 50;

/** Follows how far the predictions have come. */
export class LoopProgress {
  readonly #connections: Connections;
  readonly #told = new Map<string, number>();
  readonly #partitions = new Map<string, number>();
  #stopped = false;
  #loop: Promise<void> = Promise.resolve();

  constructor(connections: Connections) {
    this.#connections = connections;
  }

  /** @param followed topics that are there already */
  async start(followed: readonly string[]): Promise<void> {
    const { log, topics, codec } = this.#connections;
    const admin = log.admin();
    for (const [topic, partitions] of await admin.partitionsOf(followed)) this.#partitions.set(topic, partitions);
    await admin.close();
    const reader = log.reader();
    reader.assign({ topic: topics.watermarks, partition: 0 }, 0);
    this.#loop = (async () => {
      while (!this.#stopped) {
        for (const { records } of await reader.poll(POLL_MS)) {
          await codec.reader.prepare(records.map((record) => record.value));
          for (const { value } of records)
            if (value !== null) this.#apply(codec.reader.decode(value).value as Watermarks);
        }
      }
      await reader.close();
    })();
    this.#loop.catch(() => undefined);
  }

  #apply({ marks }: Watermarks): void {
    for (const { topic, partition, lane, event_time } of marks)
      this.#told.set(`${topic}/${partition}/${lane}`, event_time);
  }

  /** Event time up to which a lane of all partitions of a topic is done; −∞ while one has not told. */
  doneTo(topic: string, lane: number): number {
    const partitions = this.#partitions.get(topic) ?? 0;
    let done = partitions === 0 ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
    for (let partition = 0; partition < partitions; partition += 1)
      done = Math.min(done, this.#told.get(`${topic}/${partition}/${lane}`) ?? Number.NEGATIVE_INFINITY);
    return done;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#loop.catch(() => undefined);
  }
}

export async function playDemo(
  connections: Connections,
  options: DemoOptions,
  progress: LoopProgress,
): Promise<number> {
  const { log, codec, topics } = connections;
  const predictions = topics.predictions(DEMO_ENDPOINT);
  const events = new FlightYear().events({ sample: options.sample, fromMs: options.fromMs, untilMs: options.untilMs });
  return replay({
    log,
    clock: systemClock,
    names: topics,
    codec,
    codecs: await demoCodecs(connections),
    events,
    speed: options.speed,
    waitFor: async (eventTimeMs) => {
      const first = events.timeMs(0) ?? 0;
      while (
        !options.signal.aborted &&
        Math.max(progress.doneTo(predictions, 0), first) < eventTimeMs - LEAD_MS * options.sample
      )
        await systemClock.sleep(10, options.signal);
    },
    progress: options.progress,
    signal: options.signal,
    endMs: options.untilMs,
  });
}
