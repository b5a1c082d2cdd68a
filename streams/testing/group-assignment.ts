// Who shall have which partitions, and how one member gets from what it has to what it shall have: first it lets go, and only
// when others have let go too does it take over.
import { type TopicPartition, partitionId } from '../log.ts';

export type PartitionSet = Map<string, TopicPartition>;

export interface Member {
  readonly id: string;
  readonly instanceId: string | null;
  epoch: number;
  previousEpoch: number;
  topics: readonly string[];
  /** unrevoked: has yet to let go of `revoking`; unreleased: waits for what others have yet to let go of */
  state: 'stable' | 'unrevoked' | 'unreleased';
  /** a static member that has left and may come back */
  left: boolean;
  assigned: PartitionSet;
  revoking: PartitionSet;
  revokingSinceMs: number;
  rebalanceTimeoutMs: number;
  seenMs: number;
}

/** Ranges of partition numbers, the same in each topic: what is co-partitioned comes together. */
export function assignRanges(
  members: readonly Member[],
  partitionsOf: (topic: string) => number,
): Map<string, PartitionSet> {
  const targets = new Map<string, PartitionSet>(members.map((member) => [member.id, new Map()]));
  const nameOf = ({ instanceId, id }: Member): string => instanceId ?? id;
  const sorted = [...members].sort((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1));
  for (const topic of new Set(members.flatMap((member) => member.topics))) {
    const readers = sorted.filter((member) => member.topics.includes(topic));
    const count = partitionsOf(topic);
    const share = Math.floor(count / readers.length);
    const larger = count % readers.length;
    let partition = 0;
    for (const [index, reader] of readers.entries()) {
      const until = partition + share + (index < larger ? 1 : 0);
      for (; partition < until; partition += 1)
        targets.get(reader.id)?.set(partitionId({ topic, partition }), { topic, partition });
    }
  }
  return targets;
}

interface Reconciled {
  readonly assignedEpoch: number;
  readonly targets: ReadonlyMap<string, PartitionSet>;
  readonly members: ReadonlyMap<string, Member>;
}

/** @param owned what the member says it has; null: as before */
export function reconcile(
  member: Member,
  group: Reconciled,
  owned: readonly TopicPartition[] | null,
  nowMs: number,
): void {
  if (member.state === 'unrevoked') {
    if (owned === null || owned.some((at) => member.revoking.has(partitionId(at)))) return;
    member.revoking = new Map();
  } else if (member.state === 'stable' && member.epoch === group.assignedEpoch) return;

  const target = group.targets.get(member.id) ?? new Map<string, TopicPartition>();
  const kept = new Map([...member.assigned].filter(([id]) => target.has(id)));
  const revoking = new Map([...member.assigned].filter(([id]) => !target.has(id)));
  const owns = owned === null || owned.some((at) => revoking.has(partitionId(at)));
  if (revoking.size > 0 && owns) {
    member.assigned = kept;
    member.revoking = revoking;
    member.revokingSinceMs = nowMs;
    member.state = 'unrevoked';
    return;
  }
  let complete = true;
  for (const [id, at] of target) {
    if (kept.has(id)) continue;
    if (isHeldByAnother(id, member, group)) complete = false;
    else kept.set(id, at);
  }
  member.assigned = kept;
  member.previousEpoch = member.epoch === group.assignedEpoch ? member.previousEpoch : member.epoch;
  member.epoch = group.assignedEpoch;
  member.state = complete ? 'stable' : 'unreleased';
}

function isHeldByAnother(id: string, member: Member, group: Reconciled): boolean {
  for (const other of group.members.values())
    if (other !== member && (other.assigned.has(id) || other.revoking.has(id))) return true;
  return false;
}
