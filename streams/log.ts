// The port to the log. Real Kafka (infra/kafka) and the in-memory log (streams/memory-log.ts) pass the same contract suite.
// Offsets are numbers (exact up to 2^53). Readers are always read_committed.

export interface TopicPartition {
  readonly topic: string;
  readonly partition: number;
}

export interface Header {
  readonly key: string;
  readonly value: Buffer;
}

export interface LogRecord extends TopicPartition {
  readonly offset: number;
  readonly timestampMs: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: readonly Header[];
}

export interface NewRecord {
  readonly topic: string;
  /** absent: by murmur2 of the key, as Kafka's own clients do */
  readonly partition?: number;
  readonly timestampMs: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers?: readonly Header[];
}

/** What one fetch brought of one partition: the records, and how far the reader's position is now (past control records too). */
export interface Fetched extends TopicPartition {
  readonly records: readonly LogRecord[];
  readonly nextOffset: number;
  /** end of what a read_committed reader can see now */
  readonly endOffset: number;
}

export interface LogReader {
  /** Reads from `offset` on; assigning again moves the position. An offset before the log's start means its start. */
  assign(at: TopicPartition, offset: number): void;
  unassign(at: TopicPartition): void;
  pause(at: TopicPartition): void;
  resume(at: TopicPartition): void;
  /** Waits up to maxWaitMs for something to come. Empty `records` with a moved `nextOffset` are reported too. */
  poll(maxWaitMs: number): Promise<readonly Fetched[]>;
  close(): Promise<void>;
}

/** Offsets and how the broker answered. */
export interface Appended extends TopicPartition {
  readonly firstOffset: number;
  readonly count: number;
}

/** Idempotent producer, acks=all. */
export interface LogWriter {
  /** Resolves when all are acknowledged; order within a partition is kept. */
  append(records: readonly NewRecord[]): Promise<readonly Appended[]>;
  close(): Promise<void>;
}

export interface CommittedOffset extends TopicPartition {
  readonly offset: number;
  /** free text stored with the offset; '' where there is none */
  readonly metadata: string;
}

/** One transactional producer. A second session with the same id fences the first. */
export interface TransactionSession {
  begin(): void;
  append(records: readonly NewRecord[]): Promise<readonly Appended[]>;
  /** Offsets go into the transaction, fenced by the membership's generation. */
  commitOffsets(membership: Membership, offsets: readonly CommittedOffset[]): Promise<void>;
  /** @throws Failure `fenced` when another session or generation took over: nothing of this transaction is seen */
  commit(): Promise<void>;
  abort(): Promise<void>;
  close(): Promise<void>;
}

/** A member of a consumer group. Assignment is co-partitioned: same number, same partitions of each topic. */
export interface Membership {
  readonly group: string;
  /** Called one after the other, awaited: `revoked` must let go of (commit, drop) the partitions before it resolves. */
  start(listener: AssignmentListener): Promise<void>;
  committed(partitions: readonly TopicPartition[]): Promise<readonly CommittedOffset[]>;
  close(): Promise<void>;
}

export interface AssignmentListener {
  revoked(partitions: readonly TopicPartition[]): Promise<void>;
  assigned(partitions: readonly TopicPartition[]): Promise<void>;
  /** The group has thrown this member out: drop everything without committing; the membership joins anew by itself. */
  lost(partitions: readonly TopicPartition[]): Promise<void>;
}

export interface TopicSpec {
  readonly name: string;
  readonly partitions: number;
  readonly config: Readonly<Record<string, string>>;
}

export interface PartitionBounds extends TopicPartition {
  readonly start: number;
  readonly end: number;
  /** end offset including transactions that are still open; never less than `end` */
  readonly highWatermark: number;
}

export interface LogAdmin {
  /** Creates what is missing; an existing topic is left as it is. */
  ensureTopics(topics: readonly TopicSpec[]): Promise<void>;
  /** Number of partitions, or null where the topic does not exist. */
  partitionsOf(topics: readonly string[]): Promise<ReadonlyMap<string, number>>;
  listTopics(): Promise<readonly string[]>;
  deleteTopics(topics: readonly string[]): Promise<void>;
  /** Start, end as seen read_committed, and the end with open transactions. */
  offsets(partitions: readonly TopicPartition[]): Promise<readonly PartitionBounds[]>;
  groupOffsets(group: string): Promise<readonly CommittedOffset[]>;
  close(): Promise<void>;
}

export interface MembershipOptions {
  readonly group: string;
  readonly topics: readonly string[];
  /** static membership: a restart with the same id keeps its partitions; null: dynamic */
  readonly instanceId: string | null;
}

export interface Log {
  reader(): LogReader;
  writer(): LogWriter;
  /** @param timeoutMs after which the broker aborts a transaction that nobody ends */
  transactions(transactionalId: string, timeoutMs: number): Promise<TransactionSession>;
  membership(options: MembershipOptions): Membership;
  admin(): LogAdmin;
  close(): Promise<void>;
}

export function partitionId(at: TopicPartition): string {
  return `${at.topic}/${at.partition}`;
}
