// Where partitions begin and end, from their leaders.
import { type TopicPartition, partitionId } from '../../streams/log.ts';
import { type Cluster } from './cluster.ts';
import { listOffsetsV9 } from './library.ts';

const READ_UNCOMMITTED = 0;
const READ_COMMITTED = 1;

/** What to ask for: a timestamp with a meaning of its own, and the isolation level. */
export const AT = {
  start: { timestamp: -2n, isolation: READ_COMMITTED },
  stableEnd: { timestamp: -1n, isolation: READ_COMMITTED },
  highWatermark: { timestamp: -1n, isolation: READ_UNCOMMITTED },
} as const;

/** By `topic/partition`. */
export function listOffsets(
  cluster: Cluster,
  partitions: readonly TopicPartition[],
  at: (typeof AT)[keyof typeof AT],
  signal?: AbortSignal,
): Promise<Map<string, number>> {
  return cluster.retrying(
    'Asking for offsets',
    async () => {
      const found = new Map<string, number>();
      for (const [leader, parts] of await cluster.byLeader(partitions))
        await askLeader(cluster, leader, parts, at, found);
      return found;
    },
    () => {
      for (const { topic } of partitions) cluster.forget(topic);
    },
    signal,
  );
}

async function askLeader(
  cluster: Cluster,
  leader: number,
  parts: readonly TopicPartition[],
  { timestamp, isolation }: (typeof AT)[keyof typeof AT],
  found: Map<string, number>,
): Promise<void> {
  const topics = [...Map.groupBy(parts, ({ topic }) => topic)].map(([name, list]) => ({
    name,
    partitions: list.map(({ partition }) => ({ partitionIndex: partition, currentLeaderEpoch: -1, timestamp })),
  }));
  const answer = await listOffsetsV9.api.async(await cluster.connection(leader), -1, isolation, topics);
  for (const topic of answer.topics)
    for (const { partitionIndex, offset } of topic.partitions)
      found.set(partitionId({ topic: topic.name, partition: partitionIndex }), Number(offset));
}
