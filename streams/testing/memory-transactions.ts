// A transactional producer of the in-memory broker: the calls of a transaction in their order, each repeated while it is away.
import { Failure } from '../../schemas/failure.ts';
import {
  type Appended,
  type CommittedOffset,
  type EncodedBatch,
  type Membership,
  type NewRecord,
  type TopicPartition,
  type TransactionSession,
  partitionId,
} from '../log.ts';
import { BatchProducer, type PlacedBatches } from './batch-producer.ts';
import { type BrokerCalls } from './broker-calls.ts';
import { MemoryMembership } from './memory-membership.ts';
import { type Producer } from './partition-log.ts';

export function openTransactions(calls: BrokerCalls, transactionalId: string, timeoutMs: number): Promise<Producer> {
  return calls.retrying(`Opening transactions as ${transactionalId}`, (broker) =>
    broker.initTransactions(transactionalId, timeoutMs),
  );
}

export class MemoryTransactions implements TransactionSession {
  readonly isTransactional = true;
  readonly #calls: BrokerCalls;
  readonly #id: string;
  readonly #producer: Producer;
  readonly #sender: BatchProducer;
  #added = new Set<string>();
  #groups = new Set<string>();
  #open = false;

  constructor(calls: BrokerCalls, transactionalId: string, producer: Producer) {
    this.#calls = calls;
    this.#id = transactionalId;
    this.#producer = producer;
    this.#sender = new BatchProducer(calls, producer, transactionalId);
  }

  begin(): void {
    if (this.#open) throw new Failure('internal', `The transaction of ${this.#id} is already open.`);
    this.#open = true;
    this.#added = new Set();
    this.#groups = new Set();
  }

  async append(records: readonly NewRecord[]): Promise<readonly Appended[]> {
    return records.length === 0 ? [] : this.#send(await this.#sender.placed(records));
  }

  async appendEncoded(batches: readonly EncodedBatch[]): Promise<readonly Appended[]> {
    return batches.length === 0 ? [] : this.#send(BatchProducer.encoded(batches));
  }

  async #send(parts: readonly PlacedBatches[]): Promise<readonly Appended[]> {
    await this.#addPartitions(parts.filter((part) => !this.#added.has(partitionId(part))));
    return this.#sender.send(parts);
  }

  async #addPartitions(fresh: readonly TopicPartition[]): Promise<void> {
    if (fresh.length === 0) return;
    await this.#calls.retrying('Adding partitions to the transaction', (broker) =>
      broker.addPartitions(
        this.#id,
        this.#producer,
        fresh.map(({ topic, partition }) => ({ topic, partition })),
      ),
    );
    for (const part of fresh) this.#added.add(partitionId(part));
  }

  async commitOffsets(membership: Membership, offsets: readonly CommittedOffset[]): Promise<void> {
    if (!(membership instanceof MemoryMembership))
      throw new Failure('internal', 'The membership belongs to another log.');
    const { group } = membership;
    const transaction = { id: this.#id, producer: this.#producer };
    // all of it under the generation of now, as on Kafka
    await membership.withGeneration(async (id, epoch) => {
      await this.#addGroup(group);
      await this.#calls.retrying('Committing offsets in the transaction', (broker) =>
        // on the wire an empty id stands for a client that is no member of the group
        broker.commitInTransaction(transaction, group, id === '' ? null : { id, epoch }, offsets),
      );
    });
  }

  async #addGroup(group: string): Promise<void> {
    if (this.#groups.has(group)) return;
    await this.#calls.retrying('Adding offsets to the transaction', (broker) =>
      broker.addGroup(this.#id, this.#producer, group),
    );
    this.#groups.add(group);
  }

  commit(): Promise<void> {
    return this.#end(true);
  }

  async abort(): Promise<void> {
    if (this.#open) await this.#end(false);
  }

  async #end(committed: boolean): Promise<void> {
    if (this.#added.size > 0 || this.#groups.size > 0) {
      await this.#calls.retrying('Ending the transaction', (broker) =>
        broker.endTransaction(this.#id, this.#producer, committed),
      );
    }
    this.#open = false;
  }

  async close(): Promise<void> {
    // connections belong to the log
  }
}
