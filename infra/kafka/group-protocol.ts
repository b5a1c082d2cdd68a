// What the two group protocols have in common: everything but how a heartbeat travels and how members are described.
import {
  type GroupProtocol,
  type HeartbeatAnswer,
  type HeartbeatRequest,
  LEAVE_STATIC_EPOCH,
} from '../../streams/group-member.ts';
import { type Cluster } from './cluster.ts';
import { asFailure, isStale, meaningOf } from './group-errors.ts';

/** A member of the group, as the broker describes it. */
export interface DescribedMember {
  readonly memberId: string;
  readonly instanceId?: string | null | undefined;
}

/** One of the two protocols. */
export type KafkaGroupProtocol = Required<GroupProtocol> & { members(): Promise<readonly DescribedMember[]> };

export function groupProtocol(
  cluster: Cluster,
  group: string,
  beat: (request: HeartbeatRequest) => Promise<HeartbeatAnswer>,
  members: () => Promise<readonly DescribedMember[]>,
): KafkaGroupProtocol {
  return {
    heartbeat: (request) => asFailure(cluster, group, () => beat(request)),
    meaningOf,
    isStale,
    members,
    // the holder leaves as if it had said itself that it comes back: what it has waits for its successor
    replace: async (instanceId, memberId) => {
      const holder = (await members()).find((member) => member.instanceId === instanceId);
      if (holder === undefined) return true;
      if (memberId !== null && holder.memberId !== memberId) return false;
      await beat({
        ...{ memberId: holder.memberId, epoch: LEAVE_STATIC_EPOCH, instanceId },
        ...{ topics: null, rebalanceTimeoutMs: null, owned: null },
      });
      return true;
    },
  };
}
