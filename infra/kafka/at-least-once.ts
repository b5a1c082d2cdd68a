// Writing without transactions: records count once they are acknowledged, offsets are committed after them. What a crash leaves
// between the two is read, and written, again.
import { Failure } from '../../schemas/failure.ts';
import {
  type Appended,
  type CommittedOffset,
  type EncodedBatch,
  type Membership,
  type NewRecord,
  type TransactionSession,
} from '../../streams/log.ts';
import { type BatchSender } from './batch-sender.ts';
import { type Cluster, COORDINATOR } from './cluster.ts';
import { offsetCommitV9 } from './library.ts';
import { KafkaMembership, offsetTopics } from './membership.ts';

export class AtLeastOnceSession implements TransactionSession {
  readonly isTransactional = false;
  readonly #cluster: Cluster;
  readonly #sender: BatchSender;
  readonly #lane: string;
  #offsets: { readonly membership: KafkaMembership; readonly offsets: readonly CommittedOffset[] } | null = null;

  constructor(cluster: Cluster, sender: BatchSender, lane: string) {
    this.#cluster = cluster;
    this.#sender = sender;
    this.#lane = lane;
  }

  begin(): void {
    this.#offsets = null;
  }

  async append(records: readonly NewRecord[]): Promise<readonly Appended[]> {
    return records.length === 0 ? [] : this.#sender.send(await this.#sender.placed(records));
  }

  async appendEncoded(batches: readonly EncodedBatch[]): Promise<readonly Appended[]> {
    return batches.length === 0 ? [] : this.#sender.sendEncoded(batches);
  }

  async commitOffsets(membership: Membership, offsets: readonly CommittedOffset[]): Promise<void> {
    if (!(membership instanceof KafkaMembership))
      throw new Failure('internal', 'The membership belongs to another log.');
    this.#offsets = { membership, offsets };
  }

  /** Everything appended was acknowledged before: now the offsets may follow. */
  async commit(): Promise<void> {
    if (this.#offsets === null) return;
    const { membership, offsets } = this.#offsets;
    this.#offsets = null;
    const { group } = membership;
    await membership.withGeneration((memberId, epoch, instanceId) =>
      this.#cluster.retrying(
        'Committing offsets',
        async () => {
          const coordinator = await this.#cluster.coordinator(COORDINATOR.group, group);
          await offsetCommitV9.api.async(coordinator, group, epoch, memberId, instanceId, offsetTopics(offsets));
        },
        () => this.#cluster.forgetCoordinator(COORDINATOR.group, group),
      ),
    );
  }

  async abort(): Promise<void> {
    this.#offsets = null;
  }

  close(): Promise<void> {
    return this.#cluster.closeLane(this.#lane);
  }
}
