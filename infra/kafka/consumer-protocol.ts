// The group protocol that every Kafka since 4.0 has (KIP-848): the broker assigns partitions, the member acknowledges.
import { type HeartbeatAnswer, type HeartbeatRequest } from '../../streams/group-member.ts';
import { type MembershipOptions, type TopicPartition } from '../../streams/log.ts';
import { type Cluster, COORDINATOR } from './cluster.ts';
import { type DescribedMember, type KafkaGroupProtocol, groupProtocol } from './group-protocol.ts';
import { consumerGroupDescribeV0, consumerGroupHeartbeatV1 } from './library.ts';

export function consumerProtocol(cluster: Cluster, { group, topics, units }: MembershipOptions): KafkaGroupProtocol {
  // co-partitioned topics: the same ranges of each; otherwise partitions stay where they are
  const assignor = (units?.every((unit) => unit.topics.length === 1) ?? topics.length === 1) ? 'uniform' : 'range';
  const members = async (): Promise<readonly DescribedMember[]> => {
    const coordinator = await cluster.coordinator(COORDINATOR.group, group);
    const { groups } = await consumerGroupDescribeV0.api.async(coordinator, [group], false);
    return groups[0]?.members ?? [];
  };
  return groupProtocol(cluster, group, (request) => heartbeat(cluster, group, topics, assignor, request), members);
}

async function heartbeat(
  cluster: Cluster,
  group: string,
  topics: readonly string[],
  assignor: string,
  request: HeartbeatRequest,
): Promise<HeartbeatAnswer> {
  const owned = request.owned === null ? null : await byTopicId(cluster, request.owned);
  const coordinator = await cluster.coordinator(COORDINATOR.group, group);
  const answer = await consumerGroupHeartbeatV1.api.async(
    coordinator,
    group,
    request.memberId,
    request.epoch,
    request.instanceId,
    null,
    request.rebalanceTimeoutMs ?? -1,
    request.topics === null ? null : [...request.topics],
    null,
    request.epoch === 0 ? assignor : null,
    owned,
  );
  return {
    epoch: answer.memberEpoch,
    intervalMs: answer.heartbeatIntervalMs,
    assignment: answer.assignment === null ? null : await named(cluster, topics, answer.assignment.topicPartitions),
  };
}

async function byTopicId(
  cluster: Cluster,
  owned: readonly TopicPartition[],
): Promise<{ topicId: string; partitions: number[] }[]> {
  const parts: { topicId: string; partitions: number[] }[] = [];
  for (const [topic, partitions] of Map.groupBy(owned, (at) => at.topic)) {
    const { id } = await cluster.topic(topic);
    parts.push({ topicId: id, partitions: partitions.map(({ partition }) => partition) });
  }
  return parts;
}

async function named(
  cluster: Cluster,
  topics: readonly string[],
  parts: readonly { topicId: string; partitions: number[] }[],
): Promise<TopicPartition[]> {
  if (parts.some(({ topicId }) => cluster.nameOfId(topicId) === undefined)) await cluster.refresh(topics);
  return parts.flatMap(({ topicId, partitions }) => {
    const topic = cluster.nameOfId(topicId);
    return topic === undefined ? [] : partitions.map((partition) => ({ topic, partition }));
  });
}
