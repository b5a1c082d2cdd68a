// Events of the feature job over as many keys as a benchmark wants, the same ones each time.
import { type KafkaLog } from '../../infra/kafka/kafka-log.ts';
import { BatchBuilder } from '../../streams/batch-builder.ts';
import { partitionOfKey } from '../../streams/murmur2.ts';

const BATCH_BYTES = 500_000;
const START_MS = Date.parse('2026-01-01T00:00:00Z');

/** A generator of numbers in [0, 1): the same ones for the same seed. */
export function drawn(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

/** How keys are drawn: each as often, or the first most often (one at place k with a chance of 1/k, as in Zipf's law). */
const DRAWS = {
  uniform: (keys: number, chance: number) => Math.floor(chance * keys),
  skewed: (keys: number, chance: number) => Math.floor(keys ** chance) - 1,
} as const;
export type Draw = keyof typeof DRAWS;

export interface KeyedEvents {
  readonly partitions: number;
  readonly keys: number;
  /** after every key has come once */
  readonly drawnEvents: number;
  readonly draw: Draw;
}

/** Every key once, then drawn ones; event time goes on by 1 ms an event. */
export async function produceKeys(
  log: KafkaLog,
  topic: string,
  { partitions, keys, drawnEvents, draw }: KeyedEvents,
): Promise<void> {
  const session = await log.atLeastOnce();
  const builders = Array.from({ length: partitions }, () => new BatchBuilder(BATCH_BYTES + 1000));
  const random = drawn(keys);
  for (let index = 0; index < keys + drawnEvents; index += 1) {
    const number = index < keys ? index : DRAWS[draw](keys, random());
    const key = Buffer.from(`K${String(number).padStart(8, '0')}`);
    const partition = partitionOfKey(key, partitions);
    const builder = builders[partition];
    if (builder === undefined) continue;
    const value = `{"ts":${START_MS + index},"tailnum":"${key.toString()}","dep_delay":${number % 97}}`;
    const at = builder.begin(START_MS + index, key, 0, key.length, value.length);
    builder.end(at + builder.bytes.write(value, at, 'latin1'));
    if (builder.lengthBytes < BATCH_BYTES) continue;
    const { count } = builder;
    await session.appendEncoded([{ topic, partition, bytes: builder.take(), count }]);
  }
  for (const [partition, builder] of builders.entries()) {
    const { count } = builder;
    if (count > 0) await session.appendEncoded([{ topic, partition, bytes: builder.take(), count }]);
  }
  await session.close();
}
