// Consumer groups by Kafka's rules (KIP-848): the coordinator assigns, members acknowledge what they have let go of; sessions that
// run out; offsets that are part of transactions.
import { type CommittedOffset, type TopicPartition, partitionId } from '../log.ts';
import { type HeartbeatAnswer, type HeartbeatRequest } from '../group-member.ts';
import { BrokerError } from './broker-error.ts';
import { type Member, type PartitionSet, assignRanges, reconcile } from './group-assignment.ts';

export interface GroupTimes {
  readonly sessionTimeoutMs: number;
  readonly heartbeatIntervalMs: number;
}

export interface MemberEpoch {
  readonly id: string;
  readonly epoch: number;
}

/** Kafka's `offset.metadata.max.bytes`. */
const METADATA_BYTES_MAX = 4096;

interface Group {
  epoch: number;
  /** epoch for which `targets` was made */
  assignedEpoch: number;
  targets: Map<string, PartitionSet>;
  readonly members: Map<string, Member>;
  readonly offsets: Map<string, CommittedOffset>;
  /** offsets in transactions that are still open, by producer */
  readonly pending: Map<number, Map<string, CommittedOffset>>;
  /** how many partitions each topic had when targets were made */
  counts: string;
}

export class GroupCoordinator {
  readonly #times: GroupTimes;
  readonly #partitionsOf: (topic: string) => number | undefined;
  readonly #groups = new Map<string, Group>();

  constructor(times: GroupTimes, partitionsOf: (topic: string) => number | undefined) {
    this.#times = times;
    this.#partitionsOf = partitionsOf;
  }

  #group(name: string): Group {
    const known = this.#groups.get(name);
    if (known !== undefined) return known;
    const fresh: Group = {
      ...{ epoch: 0, assignedEpoch: 0, targets: new Map(), members: new Map() },
      ...{ offsets: new Map(), pending: new Map(), counts: '' },
    };
    this.#groups.set(name, fresh);
    return fresh;
  }

  heartbeat(name: string, request: HeartbeatRequest, nowMs: number): HeartbeatAnswer {
    const group = this.#group(name);
    if (request.epoch < 0) return this.#leave(group, request, nowMs);
    const joining = request.epoch === 0;
    const member = joining ? this.#join(group, request, nowMs) : memberOf(group, request);
    member.seenMs = nowMs;
    if (request.topics !== null && request.topics.join() !== member.topics.join()) {
      member.topics = request.topics;
      group.epoch += 1;
    }
    if (request.rebalanceTimeoutMs !== null) member.rebalanceTimeoutMs = request.rebalanceTimeoutMs;
    this.#assign(group);
    const before = [...member.assigned.keys()].sort().join();
    reconcile(member, group, request.owned, nowMs);
    const changed = before !== [...member.assigned.keys()].sort().join();
    const full = request.topics !== null && request.rebalanceTimeoutMs !== null && request.owned !== null;
    return {
      epoch: member.epoch,
      intervalMs: this.#times.heartbeatIntervalMs,
      assignment: joining || changed || full ? [...member.assigned.values()] : null,
    };
  }

  #join(group: Group, { memberId, instanceId }: HeartbeatRequest, nowMs: number): Member {
    const known = group.members.get(memberId);
    if (known !== undefined) return known;
    const member: Member = {
      ...{ id: memberId, instanceId, epoch: 0, previousEpoch: 0, topics: [], state: 'stable', left: false },
      ...{ assigned: new Map(), revoking: new Map(), revokingSinceMs: 0, rebalanceTimeoutMs: 60_000, seenMs: nowMs },
    };
    const before = [...group.members.values()].find((other) => instanceId !== null && other.instanceId === instanceId);
    if (before !== undefined) {
      if (!before.left)
        throw new BrokerError('unreleased_instance', `the instance ${instanceId} is a member of the group`);
      // a static member that comes back takes its place again, and nobody else notices
      group.members.delete(before.id);
      const target = group.targets.get(before.id);
      group.targets.delete(before.id);
      if (target !== undefined) group.targets.set(memberId, target);
      member.assigned = before.assigned;
      member.topics = before.topics;
    } else group.epoch += 1;
    group.members.set(memberId, member);
    return member;
  }

  #leave(group: Group, { memberId, epoch }: HeartbeatRequest, nowMs: number): HeartbeatAnswer {
    const member = group.members.get(memberId);
    if (member === undefined) throw new BrokerError('unknown_member', `${memberId} is not a member of the group`);
    if (epoch === -2) {
      member.left = true;
      member.seenMs = nowMs;
    } else this.#remove(group, member);
    return { epoch, intervalMs: this.#times.heartbeatIntervalMs, assignment: null };
  }

  staticMember(name: string, instanceId: string): string | null {
    const members = this.#groups.get(name)?.members.values() ?? [];
    return [...members].find((member) => member.instanceId === instanceId && !member.left)?.id ?? null;
  }

  #remove(group: Group, member: Member): void {
    group.members.delete(member.id);
    group.targets.delete(member.id);
    group.epoch += 1;
  }

  #assign(group: Group): void {
    const topics = [...new Set([...group.members.values()].flatMap((member) => member.topics))].sort();
    const counts = topics.map((topic) => `${topic}:${this.#partitionsOf(topic) ?? 0}`).join();
    if (counts !== group.counts && group.counts !== '') group.epoch += 1;
    group.counts = counts;
    if (group.epoch === group.assignedEpoch) return;
    group.targets = assignRanges([...group.members.values()], (topic) => this.#partitionsOf(topic) ?? 0);
    group.assignedEpoch = group.epoch;
  }

  /** Throws out who has not been heard of, or does not let go. */
  expire(nowMs: number): void {
    for (const group of this.#groups.values()) {
      for (const member of [...group.members.values()]) {
        const silent = nowMs - member.seenMs >= this.#times.sessionTimeoutMs;
        const clings = member.state === 'unrevoked' && nowMs - member.revokingSinceMs >= member.rebalanceTimeoutMs;
        if (silent || clings) this.#remove(group, member);
      }
    }
  }

  /** A coordinator that has just started gives every member its whole session again. */
  restartSessions(nowMs: number): void {
    for (const { members } of this.#groups.values()) for (const member of members.values()) member.seenMs = nowMs;
  }

  /** Offsets count at once. */
  commit(name: string, member: MemberEpoch, offsets: readonly CommittedOffset[]): void {
    const group = this.#group(name);
    check(group, member, offsets);
    for (const offset of offsets) group.offsets.set(partitionId(offset), { ...offset });
  }

  /** @param member null: a client that is no member of the group, which nothing fences */
  commitInTransaction(
    name: string,
    producerId: number,
    member: MemberEpoch | null,
    offsets: readonly CommittedOffset[],
  ): void {
    const group = this.#group(name);
    check(group, member, offsets);
    const pending = group.pending.get(producerId) ?? new Map<string, CommittedOffset>();
    for (const offset of offsets) pending.set(partitionId(offset), { ...offset });
    group.pending.set(producerId, pending);
  }

  isOpenFor(name: string, producerId: number): boolean {
    return this.#groups.get(name)?.pending.has(producerId) ?? false;
  }

  endTransaction(name: string, producerId: number, committed: boolean): void {
    const group = this.#group(name);
    const pending = group.pending.get(producerId);
    group.pending.delete(producerId);
    if (committed && pending !== undefined) for (const [id, offset] of pending) group.offsets.set(id, offset);
  }

  /** Stable ones only. @throws BrokerError `unstable_offset_commit` while a transaction with one of them is open */
  offsets(name: string, partitions: readonly TopicPartition[] | null): CommittedOffset[] {
    const group = this.#groups.get(name);
    if (group === undefined) return (partitions ?? []).map(nothingCommitted);
    if (partitions === null) return [...group.offsets.values()];
    const wanted = partitions.map(partitionId);
    for (const pending of group.pending.values())
      if (wanted.some((id) => pending.has(id)))
        throw new BrokerError('unstable_offset_commit', 'a transaction with offsets of the group is open');
    return partitions.map((at) => group.offsets.get(partitionId(at)) ?? nothingCommitted(at));
  }
}

function check(group: Group, member: MemberEpoch | null, offsets: readonly CommittedOffset[]): void {
  if (member !== null) {
    const known = group.members.get(member.id);
    if (known === undefined) throw new BrokerError('unknown_member', `${member.id} is not a member of the group`);
    if (known.epoch !== member.epoch)
      throw new BrokerError('stale_member_epoch', `the member is at epoch ${known.epoch}, not at ${member.epoch}`);
  }
  if (offsets.some(({ metadata }) => Buffer.byteLength(metadata) > METADATA_BYTES_MAX))
    throw new BrokerError('offset_metadata_too_large', 'metadata of an offset is too large');
}

function nothingCommitted({ topic, partition }: TopicPartition): CommittedOffset {
  return { topic, partition, offset: -1, metadata: '' };
}

function memberOf(group: Group, { memberId, instanceId, epoch, owned }: HeartbeatRequest): Member {
  const member = group.members.get(memberId);
  const isReplaced = [...group.members.values()].some(
    (other) => instanceId !== null && other.instanceId === instanceId,
  );
  if (member === undefined && isReplaced)
    throw new BrokerError('fenced_instance', `the instance ${instanceId} is another member now`);
  if (member === undefined || member.left)
    throw new BrokerError('unknown_member', `${memberId} is not a member of the group`);
  if (epoch === member.epoch) return member;
  // the answer that told the newer epoch may have been lost
  const behind = epoch === member.previousEpoch && owned?.every((at) => member.assigned.has(partitionId(at))) === true;
  if (epoch > member.epoch || !behind)
    throw new BrokerError('fenced_member_epoch', `the member is at epoch ${member.epoch}, not at ${epoch}`);
  return member;
}
