// Writing without transactions: records count once they are acknowledged, offsets are committed after them.
import { Failure } from '../../schemas/failure.ts';
import {
  type Appended,
  type CommittedOffset,
  type EncodedBatch,
  type Membership,
  type NewRecord,
  type TransactionSession,
} from '../log.ts';
import { BatchProducer } from './batch-producer.ts';
import { type BrokerCalls } from './broker-calls.ts';
import { MemoryMembership } from './memory-membership.ts';
import { type Producer } from './partition-log.ts';

export class MemoryAtLeastOnce implements TransactionSession {
  readonly isTransactional = false;
  readonly #calls: BrokerCalls;
  readonly #sender: BatchProducer;
  #offsets: { readonly membership: MemoryMembership; readonly offsets: readonly CommittedOffset[] } | null = null;

  constructor(calls: BrokerCalls, producer: Producer) {
    this.#calls = calls;
    this.#sender = new BatchProducer(calls, producer, null);
  }

  begin(): void {
    this.#offsets = null;
  }

  async append(records: readonly NewRecord[]): Promise<readonly Appended[]> {
    return records.length === 0 ? [] : this.#sender.send(await this.#sender.placed(records));
  }

  async appendEncoded(batches: readonly EncodedBatch[]): Promise<readonly Appended[]> {
    return batches.length === 0 ? [] : this.#sender.send(BatchProducer.encoded(batches));
  }

  async commitOffsets(membership: Membership, offsets: readonly CommittedOffset[]): Promise<void> {
    if (!(membership instanceof MemoryMembership))
      throw new Failure('internal', 'The membership belongs to another log.');
    this.#offsets = { membership, offsets };
  }

  async commit(): Promise<void> {
    if (this.#offsets === null) return;
    const { membership, offsets } = this.#offsets;
    this.#offsets = null;
    await membership.withGeneration((id, epoch) =>
      this.#calls.retrying('Committing offsets', (broker) =>
        broker.commitOffsets(membership.group, { id, epoch }, offsets),
      ),
    );
  }

  async abort(): Promise<void> {
    this.#offsets = null;
  }

  async close(): Promise<void> {
    // connections belong to the log
  }
}
