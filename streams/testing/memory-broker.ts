// A broker in memory: what clients ask of it, each request as one step. Its time comes from a clock, so that a simulation or a
// test moves it; several MemoryLogs are clients of one broker, as processes are of Kafka.
import { type Clock } from '../clock.ts';
import { type HeartbeatAnswer, type HeartbeatRequest } from '../group-member.ts';
import {
  type CommittedOffset,
  type NewRecord,
  type PartitionBounds,
  type PartitionOffset,
  type TopicPartition,
  type TopicSpec,
  partitionId,
} from '../log.ts';
import { BrokerError } from './broker-error.ts';
import { GroupCoordinator, type MemberEpoch } from './group-coordinator.ts';
import { PartitionLog, type Producer, type ReadSlice } from './partition-log.ts';
import { TransactionCoordinator } from './transaction-coordinator.ts';

export interface MemoryBrokerOptions {
  readonly clock: Clock;
  readonly sessionTimeoutMs?: number;
  readonly heartbeatIntervalMs?: number;
  /** how long a fetch waits for news */
  readonly fetchWaitMs?: number;
  /** a fetch ends with the batch that reaches it, per partition */
  readonly fetchBytesMax?: number;
  /** Makes topics when they are asked for, with so many partitions; default: they must be made before. */
  readonly partitionsOfMissing?: ((topic: string) => number) | null;
  /** The markers that end a transaction are written by and by; default: at once. */
  readonly defer?: (what: string, action: () => void) => void;
}

export interface ProduceRequest extends TopicPartition {
  readonly producer: Producer;
  /** null: not in a transaction */
  readonly transactionalId: string | null;
  readonly sequence: number;
  readonly records: readonly NewRecord[];
}

export interface FetchAnswer extends PartitionOffset {
  readonly outOfRange: boolean;
  readonly startOffset: number;
  readonly stableEnd: number;
  readonly slice: ReadSlice;
}

interface Topic {
  readonly spec: TopicSpec;
  readonly partitions: readonly PartitionLog[];
}

/** A reason that need not be made anew each time. */
const NEWS = 'news';
const DELETE_RETENTION_MS = 86_400_000;
const RECORD_BYTES_MAX = 1_048_588;

export class MemoryBroker {
  readonly #options: Required<MemoryBrokerOptions>;
  readonly #topics = new Map<string, Topic>();
  readonly #transactions: TransactionCoordinator;
  readonly #groups: GroupCoordinator;
  readonly #watchers = new Set<{ readonly ids: ReadonlySet<string>; readonly wake: () => void }>();

  constructor(options: MemoryBrokerOptions) {
    this.#options = {
      ...{ sessionTimeoutMs: 6000, heartbeatIntervalMs: 1000, fetchWaitMs: 100, fetchBytesMax: 256 * 1024 },
      ...{ partitionsOfMissing: null, defer: (_what: string, action: () => void) => action() },
      ...options,
    };
    this.#groups = new GroupCoordinator(this.#options, (topic) => this.#topics.get(topic)?.partitions.length);
    this.#transactions = new TransactionCoordinator({
      mark: (at, producer, committed) => {
        // a topic that was deleted meanwhile needs no marker
        this.#topics.get(at.topic)?.partitions[at.partition]?.mark(producer, committed);
        this.#notify(at);
      },
      endOffsets: (group, { producerId }, committed) => this.#groups.endTransaction(group, producerId, committed),
      defer: this.#options.defer,
    });
  }

  #nowMs(): number {
    return this.#options.clock.monotonicMs();
  }

  /** What has become due since the last request: sessions and transactions that nobody ended in time. */
  #settle(): void {
    this.#groups.expire(this.#nowMs());
    this.#transactions.expire(this.#nowMs());
  }

  /** After a restart members have their whole session again. */
  restarted(): void {
    this.#groups.restartSessions(this.#nowMs());
  }

  #makeMissing(topic: string): void {
    const { partitionsOfMissing } = this.#options;
    if (partitionsOfMissing === null || this.#topics.has(topic)) return;
    this.createTopics([{ name: topic, partitions: partitionsOfMissing(topic), config: {} }]);
  }

  partition({ topic, partition }: TopicPartition): PartitionLog {
    this.#makeMissing(topic);
    const found = this.#topics.get(topic)?.partitions[partition];
    if (found === undefined) throw new BrokerError('unknown_topic', `there is no partition ${topic}/${partition}`);
    return found;
  }

  createTopics(specs: readonly TopicSpec[]): void {
    for (const spec of specs) {
      if (this.#topics.has(spec.name)) continue;
      const partitions = Array.from(
        { length: spec.partitions },
        (_, partition) => new PartitionLog({ topic: spec.name, partition }),
      );
      this.#topics.set(spec.name, { spec, partitions });
    }
  }

  deleteTopics(names: readonly string[]): void {
    for (const name of names) this.#topics.delete(name);
  }

  get topics(): readonly string[] {
    return [...this.#topics.keys()];
  }

  partitionsOf(topic: string): number | undefined {
    this.#makeMissing(topic);
    return this.#topics.get(topic)?.partitions.length;
  }

  newProducer(): Producer {
    return this.#transactions.newProducer();
  }

  initTransactions(id: string, timeoutMs: number): Producer {
    this.#settle();
    return this.#transactions.init(id, timeoutMs);
  }

  addPartitions(id: string, producer: Producer, partitions: readonly TopicPartition[]): void {
    this.#settle();
    for (const at of partitions) this.partition(at);
    this.#transactions.addPartitions(id, producer, partitions, this.#nowMs());
  }

  addGroup(id: string, producer: Producer, group: string): void {
    this.#settle();
    this.#transactions.addGroup(id, producer, group, this.#nowMs());
  }

  endTransaction(id: string, producer: Producer, committed: boolean): void {
    this.#settle();
    this.#transactions.end(id, producer, committed);
  }

  produce({ topic, partition, producer, transactionalId, sequence, records }: ProduceRequest): number {
    this.#settle();
    const at = { topic, partition };
    const log = this.partition(at);
    this.#check(topic, records);
    if (transactionalId !== null && !log.isOpenFor(producer))
      this.#transactions.verify(transactionalId, producer, { partition: at });
    const baseOffset = log.append(records, { ...producer, sequence, transactional: transactionalId !== null });
    this.#notify(at);
    return baseOffset;
  }

  #policyOf(topic: string): string {
    return this.#topics.get(topic)?.spec.config['cleanup.policy'] ?? 'delete';
  }

  #check(topic: string, records: readonly NewRecord[]): void {
    if (this.#policyOf(topic).includes('compact') && records.some(({ key }) => key === null))
      throw new BrokerError('invalid_record', `${topic} is compacted and takes no record without a key`);
    for (const { key, value } of records)
      if ((key?.length ?? 0) + (value?.length ?? 0) > RECORD_BYTES_MAX)
        throw new BrokerError('record_list_too_large', `a record of ${topic} is larger than the topic allows`);
  }

  /** Answers for all parts, when there is something of one of them, or after `fetchWaitMs`. */
  async fetch(parts: readonly PartitionOffset[]): Promise<readonly FetchAnswer[]> {
    const answers = this.#fetchNow(parts);
    if (
      parts.length === 0 ||
      answers.some(({ outOfRange, offset, slice }) => outOfRange || slice.nextOffset !== offset)
    )
      return answers;
    const over = new AbortController();
    const watcher = { ids: new Set(parts.map(partitionId)), wake: () => over.abort(NEWS) };
    this.#watchers.add(watcher);
    await this.#options.clock.sleep(this.#options.fetchWaitMs, over.signal);
    this.#watchers.delete(watcher);
    return this.#fetchNow(parts);
  }

  #fetchNow(parts: readonly PartitionOffset[]): FetchAnswer[] {
    this.#settle();
    return parts.map((part) => {
      const log = this.partition(part);
      const outOfRange = !log.isInRange(part.offset);
      const stableEnd = log.stableEnd;
      const slice = log.read(part.offset, outOfRange ? 0 : this.#options.fetchBytesMax);
      return { ...part, outOfRange, startOffset: log.start, stableEnd, slice };
    });
  }

  #notify(at: TopicPartition): void {
    const id = partitionId(at);
    for (const { ids, wake } of [...this.#watchers]) if (ids.has(id)) wake();
  }

  bounds(at: TopicPartition): PartitionBounds {
    this.#settle();
    const log = this.partition(at);
    return { ...log.at, start: log.start, end: log.stableEnd, highWatermark: log.end };
  }

  heartbeat(group: string, request: HeartbeatRequest): HeartbeatAnswer {
    this.#settle();
    return this.#groups.heartbeat(group, request, this.#nowMs());
  }

  commitOffsets(group: string, member: MemberEpoch, offsets: readonly CommittedOffset[]): void {
    this.#settle();
    this.#groups.commit(group, member, offsets);
  }

  /** @param member null: as a client does that is no member of the group; nothing fences it then */
  commitInTransaction(
    transaction: { readonly id: string; readonly producer: Producer },
    group: string,
    member: MemberEpoch | null,
    offsets: readonly CommittedOffset[],
  ): void {
    this.#settle();
    const { id, producer } = transaction;
    if (!this.#groups.isOpenFor(group, producer.producerId)) this.#transactions.verify(id, producer, { group });
    this.#groups.commitInTransaction(group, producer.producerId, member, offsets);
  }

  /** @param partitions null: all that the group has committed */
  /** Id of the member that has this instance id, and has not left. */
  staticMember(group: string, instanceId: string): string | null {
    return this.#groups.staticMember(group, instanceId);
  }

  groupOffsets(group: string, partitions: readonly TopicPartition[] | null): CommittedOffset[] {
    this.#settle();
    return this.#groups.offsets(group, partitions);
  }

  /** Runs the log cleaner over a topic; it goes by the wall clock. */
  compact(topic: string, keepDeletionsMs = DELETE_RETENTION_MS): void {
    for (const log of this.#topics.get(topic)?.partitions ?? [])
      log.compact(this.#options.clock.nowMs(), keepDeletionsMs);
  }

  /** Partitions begin at these offsets from now on; those that are refused leave the others to be done. */
  deleteRecords(before: readonly PartitionOffset[]): void {
    const refused = before.map((at) => this.#deleteBefore(at)).find((error) => error !== null);
    if (refused !== undefined) throw refused;
  }

  #deleteBefore({ topic, partition, offset }: PartitionOffset): BrokerError | null {
    const at = { topic, partition };
    const log = this.partition(at);
    if (!this.#policyOf(topic).includes('delete'))
      return new BrokerError('policy_violation', `${topic} is compacted, its records are not deleted`);
    if (offset > log.end) return new BrokerError('offset_out_of_range', `${partitionId(at)} ends before ${offset}`);
    log.truncate(offset);
    this.#notify(at);
    return null;
  }

  /** Whether the transaction of `producer` was decided as committed, its markers written or not. */
  isCommitted(producer: Producer): boolean {
    return this.#transactions.isCommitted(producer);
  }
}
