// Sends records to their partitions, each batch with its sequence number, until all are acknowledged. Every append of a writer or
// of a session comes through here.
import { type Appended, type EncodedBatch, type NewRecord, type TopicPartition, partitionId } from '../log.ts';
import { partitionOfKey } from '../murmur2.ts';
import { BrokerError } from './broker-error.ts';
import { type BrokerCalls } from './broker-calls.ts';
import { recordsOfBatch } from './memory-slab.ts';
import { type Producer } from './partition-log.ts';

/** What goes to one partition, cut into batches. */
export interface PlacedBatches extends TopicPartition {
  readonly batches: readonly (readonly NewRecord[])[];
}

/** As the Kafka client's own. */
const BATCH_BYTES_MAX = 900_000;
const RECORD_OVERHEAD_BYTES = 64;

export class BatchProducer {
  readonly #calls: BrokerCalls;
  readonly #producer: Producer;
  readonly #transactionalId: string | null;
  readonly #sequences = new Map<string, number>();
  readonly #countOf = new Map<string, number>();
  #turn: Promise<unknown> = Promise.resolve();

  constructor(calls: BrokerCalls, producer: Producer, transactionalId: string | null) {
    this.#calls = calls;
    this.#producer = producer;
    this.#transactionalId = transactionalId;
  }

  /** The records by partition, looked up where it was left open. */
  async placed(records: readonly NewRecord[]): Promise<PlacedBatches[]> {
    await this.#lookUp(records);
    const byPartition = new Map<string, { topic: string; partition: number; records: NewRecord[] }>();
    for (const record of records) {
      const partition = record.partition ?? partitionOfKey(record.key, this.#countOf.get(record.topic) ?? 1);
      const id = partitionId({ topic: record.topic, partition });
      const placed = byPartition.get(id) ?? { topic: record.topic, partition, records: [] };
      placed.records.push(record);
      byPartition.set(id, placed);
    }
    return [...byPartition.values()].map(({ records: all, ...place }) => ({ ...place, batches: chunks(all) }));
  }

  async #lookUp(records: readonly NewRecord[]): Promise<void> {
    const unknown = [...new Set(records.map(({ topic }) => topic))].filter((topic) => !this.#countOf.has(topic));
    if (unknown.length === 0) return;
    const counts = await this.#calls.retrying('Looking up topics', (broker) =>
      unknown.map((topic) => {
        const count = broker.partitionsOf(topic);
        if (count === undefined) throw new BrokerError('unknown_topic', `there is no topic ${topic}`);
        return [topic, count] as const;
      }),
    );
    for (const [topic, count] of counts) this.#countOf.set(topic, count);
  }

  /** Batches that were encoded ahead, those of one partition in their order. */
  static encoded(batches: readonly EncodedBatch[]): PlacedBatches[] {
    return [...Map.groupBy(batches, partitionId).values()].flatMap((parts) => {
      const [first] = parts;
      if (first === undefined) return [];
      return [{ topic: first.topic, partition: first.partition, batches: parts.map(recordsOfBatch) }];
    });
  }

  /** One call after the other, so that sequences arrive in order; partitions beside each other. */
  send(parts: readonly PlacedBatches[]): Promise<Appended[]> {
    const turn = this.#turn.then(() => Promise.all(parts.map((part) => this.#sendPart(part))));
    this.#turn = turn.catch(() => undefined);
    return turn;
  }

  async #sendPart({ topic, partition, batches }: PlacedBatches): Promise<Appended> {
    const id = partitionId({ topic, partition });
    let firstOffset = -1;
    let endOffset = -1;
    for (const records of batches) {
      const sequence = this.#sequences.get(id) ?? 0;
      this.#sequences.set(id, sequence + records.length);
      const baseOffset = await this.#calls.retrying(`Producing to ${id}`, (broker) =>
        broker.produce({
          ...{ topic, partition, sequence, records },
          ...{ producer: this.#producer, transactionalId: this.#transactionalId },
        }),
      );
      if (firstOffset < 0) firstOffset = baseOffset;
      endOffset = baseOffset + records.length;
    }
    return { topic, partition, firstOffset, count: endOffset - firstOffset };
  }
}

function chunks(records: readonly NewRecord[]): NewRecord[][] {
  const all: NewRecord[][] = [];
  let bytes = 0;
  for (const record of records) {
    const size = RECORD_OVERHEAD_BYTES + (record.key?.length ?? 0) + (record.value?.length ?? 0);
    const current = all.at(-1);
    if (current === undefined || bytes + size > BATCH_BYTES_MAX) {
      all.push([record]);
      bytes = size;
    } else {
      current.push(record);
      bytes += size;
    }
  }
  return all;
}
