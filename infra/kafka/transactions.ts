// One transactional producer: the calls of a transaction in their order, each repeated while a coordinator is away.
import { Failure } from '../../schemas/failure.ts';
import {
  type Appended,
  type CommittedOffset,
  type EncodedBatch,
  type Membership,
  type NewRecord,
  type TransactionSession,
} from '../../streams/log.ts';
import { BatchSender, type Identity } from './batch-sender.ts';
import { type Cluster, COORDINATOR } from './cluster.ts';
import { addOffsetsToTxnV3, addPartitionsToTxnV3, endTxnV4, initProducerIdV5, txnOffsetCommitV4 } from './library.ts';
import { KafkaMembership, offsetTopics } from './membership.ts';

export async function openTransactions(
  cluster: Cluster,
  transactionalId: string,
  timeoutMs: number,
): Promise<KafkaTransactions> {
  const identity = await cluster.retrying(
    `Opening transactions as ${transactionalId}`,
    async () => {
      const coordinator = await cluster.coordinator(COORDINATOR.transaction, transactionalId);
      // −1/−1 asks for a fresh epoch: it fences whoever had this id before and ends what it left open
      const { producerId, producerEpoch } = await initProducerIdV5.api.async(
        coordinator,
        transactionalId,
        timeoutMs,
        -1n,
        -1,
      );
      return { producerId, epoch: producerEpoch, transactionalId };
    },
    () => cluster.forgetCoordinator(COORDINATOR.transaction, transactionalId),
  );
  return new KafkaTransactions(cluster, identity, transactionalId);
}

export class KafkaTransactions implements TransactionSession {
  readonly isTransactional = true;
  readonly #cluster: Cluster;
  readonly #identity: Identity;
  readonly #id: string;
  readonly #lane: string;
  readonly #sender: BatchSender;
  #added = new Set<string>();
  #groups = new Set<string>();
  #open = false;

  constructor(cluster: Cluster, identity: Identity, transactionalId: string) {
    this.#cluster = cluster;
    this.#identity = identity;
    this.#id = transactionalId;
    this.#lane = `/produce-${transactionalId}`;
    this.#sender = new BatchSender(cluster, identity, this.#lane);
  }

  begin(): void {
    if (this.#open) throw new Failure('internal', `The transaction of ${this.#id} is already open.`);
    this.#open = true;
    this.#added = new Set();
    this.#groups = new Set();
  }

  async append(records: readonly NewRecord[]): Promise<readonly Appended[]> {
    if (records.length === 0) return [];
    const byPartition = await this.#sender.placed(records);
    await this.#addPartitions([...byPartition.values()].map((list) => list[0]).filter((first) => first !== undefined));
    return this.#sender.send(byPartition);
  }

  async appendEncoded(batches: readonly EncodedBatch[]): Promise<readonly Appended[]> {
    if (batches.length === 0) return [];
    await this.#addPartitions(batches);
    return this.#sender.sendEncoded(batches);
  }

  async #addPartitions(firsts: readonly { readonly topic: string; readonly partition?: number }[]): Promise<void> {
    const ids = new Map(firsts.map((first) => [`${first.topic}/${first.partition}`, first]));
    const fresh = [...ids].filter(([id]) => !this.#added.has(id)).map(([, first]) => first);
    if (fresh.length === 0) return;
    const topics = [...Map.groupBy(fresh, (first) => first.topic)].map(([name, parts]) => ({
      name,
      partitions: parts.map((part) => part.partition ?? 0),
    }));
    const { producerId, epoch: producerEpoch } = this.#identity;
    await this.#coordinated('Adding partitions to the transaction', (coordinator) =>
      addPartitionsToTxnV3.api.async(coordinator, [
        { transactionalId: this.#id, producerId, producerEpoch, verifyOnly: false, topics },
      ]),
    );
    for (const first of fresh) this.#added.add(`${first.topic}/${first.partition}`);
  }

  #coordinated<T>(
    doing: string,
    call: (coordinator: Awaited<ReturnType<Cluster['coordinator']>>) => Promise<T>,
  ): Promise<T> {
    return this.#cluster.retrying(
      doing,
      async () => call(await this.#cluster.coordinator(COORDINATOR.transaction, this.#id)),
      () => this.#cluster.forgetCoordinator(COORDINATOR.transaction, this.#id),
    );
  }

  async commitOffsets(membership: Membership, offsets: readonly CommittedOffset[]): Promise<void> {
    if (!(membership instanceof KafkaMembership))
      throw new Failure('internal', 'The membership belongs to another log.');
    const { producerId, epoch } = this.#identity;
    const { group } = membership;
    const topics = offsetTopics(offsets);
    // all of it under the generation of now: a member that is thrown out, and joins anew, while the group is still being added must
    // not commit for the member that it is then
    await membership.withGeneration(async (memberId, memberEpoch, instanceId) => {
      await this.#addGroup(group);
      await this.#cluster.retrying(
        'Committing offsets in the transaction',
        async () => {
          const coordinator = await this.#cluster.coordinator(COORDINATOR.group, group);
          await txnOffsetCommitV4.api.async(
            coordinator,
            this.#id,
            group,
            producerId,
            epoch,
            memberEpoch,
            memberId,
            instanceId,
            topics,
          );
        },
        () => this.#cluster.forgetCoordinator(COORDINATOR.group, group),
      );
    });
  }

  async #addGroup(group: string): Promise<void> {
    if (this.#groups.has(group)) return;
    const { producerId, epoch } = this.#identity;
    await this.#coordinated('Adding offsets to the transaction', (coordinator) =>
      addOffsetsToTxnV3.api.async(coordinator, this.#id, producerId, epoch, group),
    );
    this.#groups.add(group);
  }

  async commit(): Promise<void> {
    await this.#end(true);
  }

  async abort(): Promise<void> {
    if (this.#open) await this.#end(false);
  }

  async #end(committed: boolean): Promise<void> {
    const { producerId, epoch } = this.#identity;
    if (this.#added.size > 0 || this.#groups.size > 0) {
      await this.#coordinated('Ending the transaction', (coordinator) =>
        endTxnV4.api.async(coordinator, this.#id, producerId, epoch, committed),
      );
    }
    this.#open = false;
  }

  close(): Promise<void> {
    return this.#cluster.closeLane(this.#lane);
  }
}
