// Sends record batches to the partitions' leaders, each with its sequence number, until all are acknowledged.
import { Failure } from '../../schemas/failure.ts';
import { type Appended, type EncodedBatch, type NewRecord, partitionId } from '../../streams/log.ts';
import { partitionOfKey } from '../../streams/murmur2.ts';
import { type ProducerIdentity, encodeRecordBatch, stampBatch } from '../../streams/record-batch.ts';
import { type Cluster } from './cluster.ts';
import { type ProducedPartition, produce } from './produce.ts';
import { CODE, failureOf, isRetriable } from './protocol-error.ts';

export interface Identity {
  readonly producerId: bigint;
  readonly epoch: number;
  readonly transactionalId: string | null;
}

/** Below the brokers' default limit of 1,048,588 bytes a batch, with room for the batch's and the records' own fields. */
const BATCH_BYTES_MAX = 900_000;
/** Bytes that a record's fields take besides key, value and headers, at most. */
const RECORD_OVERHEAD_BYTES = 64;
const TIMEOUT_MS = 30_000;
const SEQUENCES = 2 ** 31;

export class BatchSender {
  readonly #cluster: Cluster;
  readonly #lane: string;
  readonly #sequences = new Map<string, number>();
  #identity: Identity;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(cluster: Cluster, identity: Identity, lane: string) {
    this.#cluster = cluster;
    this.#identity = identity;
    this.#lane = lane;
  }

  /** The partition of each record, looked up where it was left open. */
  async placed(records: readonly NewRecord[]): Promise<Map<string, NewRecord[]>> {
    const byPartition = new Map<string, NewRecord[]>();
    const counts = new Map<string, number>();
    for (const topic of new Set(records.map((record) => record.topic))) {
      const info = await this.#cluster.retrying(`Looking up ${topic}`, () => this.#cluster.topic(topic));
      counts.set(topic, info.leaders.length);
    }
    for (const record of records) {
      const partition = record.partition ?? partitionOfKey(record.key, counts.get(record.topic) ?? 1);
      const id = `${record.topic}/${partition}`;
      const list = byPartition.get(id);
      if (list === undefined) byPartition.set(id, [{ ...record, partition }]);
      else list.push(record);
    }
    return byPartition;
  }

  /** One call after the other, so that sequences arrive in order. */
  send(byPartition: ReadonlyMap<string, readonly NewRecord[]>): Promise<Appended[]> {
    const turn = this.#turn.then(() => this.#sendAll(byPartition));
    this.#turn = turn.catch(() => undefined);
    return turn;
  }

  async #sendAll(byPartition: ReadonlyMap<string, readonly NewRecord[]>): Promise<Appended[]> {
    const batches: EncodedBatch[] = [];
    for (const [, records] of byPartition) {
      const { topic, partition = 0 } = records[0] ?? { topic: '' };
      for (const chunk of chunks(records))
        batches.push({
          topic,
          partition,
          bytes: encodeRecordBatch(chunk, this.#identityOf(topic, partition, chunk.length)),
          count: chunk.length,
        });
    }
    return this.#sendRounds(batches);
  }

  /** As `send`, with batches that were encoded before. */
  sendEncoded(batches: readonly EncodedBatch[]): Promise<Appended[]> {
    const turn = this.#turn.then(() => {
      for (const { topic, partition, bytes, count } of batches)
        stampBatch(bytes, this.#identityOf(topic, partition, count));
      return this.#sendRounds(batches);
    });
    this.#turn = turn.catch(() => undefined);
    return turn;
  }

  /** One batch per partition and request: batches of one partition follow each other. */
  async #sendRounds(batches: readonly EncodedBatch[]): Promise<Appended[]> {
    const rounds: EncodedBatch[][] = [];
    const depths = new Map<string, number>();
    for (const batch of batches) {
      const depth = depths.get(partitionId(batch)) ?? 0;
      depths.set(partitionId(batch), depth + 1);
      (rounds[depth] ??= []).push(batch);
    }
    const appended = new Map<string, Appended>();
    for (const round of rounds) {
      for (const { batch, baseOffset } of await this.#sendRound(round)) {
        const before = appended.get(partitionId(batch));
        // batches of one partition lie one behind the other
        const total = before === undefined ? batch.count : baseOffset + batch.count - before.firstOffset;
        appended.set(partitionId(batch), {
          topic: batch.topic,
          partition: batch.partition,
          firstOffset: before?.firstOffset ?? baseOffset,
          count: total,
        });
      }
    }
    return [...appended.values()];
  }

  #identityOf(topic: string, partition: number, count: number): ProducerIdentity {
    const id = partitionId({ topic, partition });
    const baseSequence = this.#sequences.get(id) ?? 0;
    this.#sequences.set(id, (baseSequence + count) % SEQUENCES);
    const { producerId, epoch, transactionalId } = this.#identity;
    return { producerId, epoch, baseSequence, transactional: transactionalId !== null };
  }

  async #sendRound(batches: readonly EncodedBatch[]): Promise<{ batch: EncodedBatch; baseOffset: number }[]> {
    const done: { batch: EncodedBatch; baseOffset: number }[] = [];
    let left = [...batches];
    await this.#cluster.retrying(
      'Producing',
      async () => {
        const answers = await this.#sendOnce(left);
        const retry: EncodedBatch[] = [];
        for (const batch of left) {
          const answer = answers.get(partitionId(batch));
          const code = answer?.errorCode ?? CODE.networkException;
          // a repeated batch is answered as it was the first time; where the broker has forgotten its offset that is an error
          if (answer !== undefined && code === CODE.none) done.push({ batch, baseOffset: answer.baseOffset });
          else if (isRetriable(code)) retry.push(batch);
          else throw failureOf(code, `Producing to ${partitionId(batch)}`);
        }
        left = retry;
        if (left.length > 0) throw new Failure('unreachable', `${left.length} partitions have no leader just now.`);
      },
      () => {
        for (const { topic } of left) this.#cluster.forget(topic);
      },
    );
    return done;
  }

  async #sendOnce(batches: readonly EncodedBatch[]): Promise<Map<string, ProducedPartition>> {
    const byLeader = new Map<number, EncodedBatch[]>();
    for (const batch of batches) {
      const leader = (await this.#cluster.topic(batch.topic)).leaders[batch.partition];
      if (leader === undefined || leader < 0) continue;
      const list = byLeader.get(leader) ?? [];
      list.push(batch);
      byLeader.set(leader, list);
    }
    const answers = new Map<string, ProducedPartition>();
    const requests = [...byLeader].map(async ([leader, parts]) => {
      const connection = await this.#cluster.connection(leader, this.#lane);
      for (const answer of await produce(connection, this.#identity.transactionalId, TIMEOUT_MS, parts))
        answers.set(partitionId(answer), answer);
    });
    const outcomes = await Promise.allSettled(requests);
    const failed = outcomes.find((outcome) => outcome.status === 'rejected');
    // a broker that did not answer: what the others took is in `answers`; if nothing was, say why
    if (failed !== undefined && answers.size === 0) throw failed.reason;
    return answers;
  }
}

function chunks(records: readonly NewRecord[]): NewRecord[][] {
  const all: NewRecord[][] = [];
  let current: NewRecord[] = [];
  let bytes = 0;
  for (const record of records) {
    let size = RECORD_OVERHEAD_BYTES + (record.key?.length ?? 0) + (record.value?.length ?? 0);
    for (const header of record.headers ?? []) size += header.key.length + header.value.length + 10;
    if (bytes + size > BATCH_BYTES_MAX && current.length > 0) {
      all.push(current);
      current = [];
      bytes = 0;
    }
    current.push(record);
    bytes += size;
  }
  if (current.length > 0) all.push(current);
  return all;
}
