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

/**
 * Records of one partition as they came off the wire: their bytes, and where each key and value lies in them. The columns may be
 * longer than `count`.
 */
export interface RecordSlab extends TopicPartition {
  readonly count: number;
  /** what all positions refer to */
  readonly data: Buffer;
  readonly offsets: Float64Array;
  /** epoch ms */
  readonly timesMs: Float64Array;
  /** −1: null */
  readonly keyStarts: Int32Array;
  readonly keyEnds: Int32Array;
  /** −1: null */
  readonly valueStarts: Int32Array;
  readonly valueEnds: Int32Array;
  recordOf(index: number): LogRecord;
  /** Value of the record's first header of this name, found without decoding others; null: it has none. */
  header(index: number, name: Buffer): Buffer | null;
}

/** What one fetch brought of one partition: the records, and how far the reader's position is now (past control records too). */
export interface Fetched extends TopicPartition {
  /** the records as objects, made when they are asked for */
  readonly records: readonly LogRecord[];
  /** the same records, undecoded */
  readonly slabs: readonly RecordSlab[];
  readonly nextOffset: number;
  /** end of what a read_committed reader can see now */
  readonly endOffset: number;
  /** The log did not reach to the position, which is now its start: no records, and what lay between is not to be had. Absent: false */
  readonly isGap?: boolean;
}

export interface LogReader {
  /**
   * Reads from `offset` on; assigning again moves the position. One that the log does not reach, on either side, becomes its start,
   * which is reported (`isGap`).
   */
  assign(at: TopicPartition, offset: number): void;
  unassign(at: TopicPartition): void;
  pause(at: TopicPartition): void;
  resume(at: TopicPartition): void;
  /** Waits up to maxWaitMs for something to come. Empty `records` with a moved `nextOffset` are reported too. @throws once closed */
  poll(maxWaitMs: number): Promise<readonly Fetched[]>;
  /** End of what a read_committed reader can see, as the newest fetch of an assigned partition has told; null: none was answered yet. */
  endOf(at: TopicPartition): number | null;
  close(): Promise<void>;
}

/** Offsets and how the broker answered. */
export interface Appended extends TopicPartition {
  readonly firstOffset: number;
  readonly count: number;
}

/** A record batch that was encoded ahead (streams/batch-builder.ts), its producer and checksum still open. */
export interface EncodedBatch extends TopicPartition {
  readonly bytes: Buffer;
  readonly count: number;
}

/** Idempotent producer, acks=all. */
export interface LogWriter {
  /** Resolves when all are acknowledged; order within a partition is kept. */
  append(records: readonly NewRecord[]): Promise<readonly Appended[]>;
  close(): Promise<void>;
}

export interface PartitionOffset extends TopicPartition {
  readonly offset: number;
}

export interface CommittedOffset extends PartitionOffset {
  /** free text stored with the offset; '' where there is none */
  readonly metadata: string;
}

/**
 * What an instance writes through, commit by commit: one transactional producer (a second session with the same id fences the
 * first), or, at least once, an idempotent one whose records are seen as soon as they are appended.
 */
export interface TransactionSession {
  /** false: what is appended is seen at once, and stays whatever comes after it */
  readonly isTransactional: boolean;
  begin(): void;
  append(records: readonly NewRecord[]): Promise<readonly Appended[]>;
  /** Batches of one partition in their order. Their heads are stamped; the records in them stay as they are, and are not to be changed. */
  appendEncoded(batches: readonly EncodedBatch[]): Promise<readonly Appended[]>;
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
  /**
   * Ends transactions that were left open by instances that are no members any more, and thus cannot commit them.
   * @param prefix transactional ids are this and the instance's name; absent: nobody can tell
   */
  endAbandoned?(prefix: string): Promise<void>;
  /** @param comesBack a static member's partitions wait for it until its session is over; otherwise others have them at once */
  close(comesBack?: boolean): Promise<void>;
}

export interface AssignmentListener {
  revoked(partitions: readonly TopicPartition[]): Promise<void>;
  assigned(partitions: readonly TopicPartition[]): Promise<void>;
  /** The group has thrown this member out: drop everything without committing; the membership joins anew by itself. */
  lost(partitions: readonly TopicPartition[]): Promise<void>;
  /** Copies to keep of what other members work on: all of them, each time they change. Absent: keeps none. */
  standbys?(units: readonly UnitPartition[]): Promise<void>;
  /** The group will not have this member again, everything is lost; nothing else is called after it. */
  refused?(error: unknown): void;
}

/** What one member has alone: partition n of each of these topics, and of each of these changelogs. */
export interface AssignmentUnit {
  readonly name: string;
  readonly topics: readonly string[];
  readonly changelogs: readonly string[];
  /** the topics must have equally many partitions */
  readonly isCopartitioned: boolean;
}

export interface UnitPartition {
  readonly unit: string;
  readonly partition: number;
}

/** How much of a unit's state this instance has already: where its changelogs would be read on, all added up. */
export interface KeptState extends UnitPartition {
  readonly position: number;
}

/** Where others reach what a member answers. */
export interface MemberAddress {
  readonly host: string;
  readonly port: number;
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
  /** Those of open transactions do not count, and are not waited for. */
  groupOffsets(group: string): Promise<readonly CommittedOffset[]>;
  /**
   * Where members say that they are reached, those of one group or of all that this program makes; none where groups do not keep it
   * (streams groups do). Of members that have died too, until their session is over.
   */
  memberAddresses(group: string | null): Promise<readonly MemberAddress[]>;
  /**
   * What lies before these offsets is gone for every reader; an offset before the start changes nothing.
   * @throws Failure for an offset beyond the end, and for a topic that is only compacted: then nothing of that partition is gone
   */
  deleteRecords(before: readonly PartitionOffset[]): Promise<void>;
  close(): Promise<void>;
}

export interface MembershipOptions {
  readonly group: string;
  readonly topics: readonly string[];
  /** static membership: a restart with the same id takes its predecessor's place, even one that was killed; null: dynamic */
  readonly instanceId: string | null;
  /**
   * For groups that know of states: the topics in units, each topic in one. Where Kafka has such groups (KIP-1071) it assigns units,
   * leaves them where their state is, and names standbys. Absent: partitions are assigned by topic.
   */
  readonly units?: readonly AssignmentUnit[];
  /** copies of each state besides the one that is worked on, each with another instance; only with units. Absent: as the group is configured */
  readonly standbyReplicas?: number;
  /** where others reach this member: told to the group where it keeps such (streams groups do) */
  readonly address?: MemberAddress;
  /** asked at each joining */
  keptStates?(): Promise<readonly KeptState[]>;
}

export interface Log {
  reader(): LogReader;
  writer(): LogWriter;
  /** @param timeoutMs after which the broker aborts a transaction that nobody ends */
  transactions(transactionalId: string, timeoutMs: number): Promise<TransactionSession>;
  /** Without transactions: appended records count at once, offsets follow once they are acknowledged. */
  atLeastOnce(): Promise<TransactionSession>;
  membership(options: MembershipOptions): Membership;
  admin(): LogAdmin;
  close(): Promise<void>;
}

export function partitionId(at: TopicPartition): string {
  return `${at.topic}/${at.partition}`;
}
