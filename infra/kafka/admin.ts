// Topics, offsets and groups.
import { Failure } from '../../schemas/failure.ts';
import {
  type CommittedOffset,
  type LogAdmin,
  type MemberAddress,
  type PartitionBounds,
  type PartitionOffset,
  type TopicPartition,
  type TopicSpec,
  partitionId,
} from '../../streams/log.ts';
import { type Cluster } from './cluster.ts';
import { createTopicsV7, deleteRecordsV2, deleteTopicsV6, metadataV12 } from './library.ts';
import { AT, listOffsets } from './list-offsets.ts';
import { memberAddresses } from './member-addresses.ts';
import { fetchOffsets } from './membership.ts';
import { CODE, codeOf } from './protocol-error.ts';

const BROKER_DEFAULT_REPLICATION = -1;
const TIMEOUT_MS = 20_000;
const STEP_MS = 50;

export class KafkaAdmin implements LogAdmin {
  readonly #cluster: Cluster;

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
  }

  async ensureTopics(topics: readonly TopicSpec[]): Promise<void> {
    const existing = new Set(await this.listTopics());
    const missing = topics.filter(({ name }) => !existing.has(name));
    for (const topic of missing) await this.#create(topic);
    await this.#cluster.retrying('Waiting for the new topics', async () => {
      const found = await this.#cluster.refresh(missing.map(({ name }) => name));
      for (const { name } of missing) {
        const leaders = found.get(name)?.leaders;
        if (leaders === undefined || leaders.some((leader) => leader < 0))
          throw new Failure('unreachable', `${name} has no leaders yet.`);
      }
    });
  }

  async #create({ name, partitions, config }: TopicSpec): Promise<void> {
    const configs = Object.entries(config).map(([key, value]) => ({ name: key, value }));
    await this.#cluster.retrying(`Creating the topic ${name}`, async () => {
      try {
        await createTopicsV7.api.async(
          await this.#cluster.anyConnection(),
          [
            {
              name,
              numPartitions: partitions,
              replicationFactor: BROKER_DEFAULT_REPLICATION,
              assignments: [],
              configs,
            },
          ],
          TIMEOUT_MS,
          false,
        );
      } catch (error) {
        // another process was quicker
        if (codeOf(error) !== CODE.topicAlreadyExists) throw error;
      }
    });
  }

  async partitionsOf(topics: readonly string[]): Promise<ReadonlyMap<string, number>> {
    if (topics.length === 0) return new Map();
    const found = await this.#cluster.retrying('Asking for topics', () => this.#cluster.refresh(topics));
    return new Map([...found].map(([name, { leaders }]) => [name, leaders.length]));
  }

  listTopics(): Promise<readonly string[]> {
    return this.#cluster.retrying('Listing topics', async () => {
      const answer = await metadataV12.api.async(await this.#cluster.anyConnection(), null, false, false);
      return answer.topics.filter(({ isInternal }) => !isInternal).map(({ name }) => name ?? '');
    });
  }

  async deleteTopics(topics: readonly string[]): Promise<void> {
    const existing = new Set(await this.listTopics());
    const present = topics.filter((name) => existing.has(name));
    if (present.length === 0) return;
    await this.#cluster.retrying('Deleting topics', async () =>
      deleteTopicsV6.api.async(
        await this.#cluster.anyConnection(),
        present.map((name) => ({ name, topicId: null })),
        TIMEOUT_MS,
      ),
    );
    for (const name of present) this.#cluster.forget(name);
    for (let left = present; left.length > 0;) {
      const still = new Set(await this.listTopics());
      left = present.filter((name) => still.has(name));
      if (left.length > 0) await this.#cluster.options.clock.sleep(STEP_MS);
    }
  }

  async offsets(partitions: readonly TopicPartition[]): Promise<readonly PartitionBounds[]> {
    const [starts, ends, marks] = await Promise.all([
      listOffsets(this.#cluster, partitions, AT.start),
      listOffsets(this.#cluster, partitions, AT.stableEnd),
      listOffsets(this.#cluster, partitions, AT.highWatermark),
    ]);
    return partitions.map(({ topic, partition }) => {
      const id = partitionId({ topic, partition });
      return {
        topic,
        partition,
        start: starts.get(id) ?? 0,
        end: ends.get(id) ?? 0,
        highWatermark: marks.get(id) ?? 0,
      };
    });
  }

  groupOffsets(group: string): Promise<readonly CommittedOffset[]> {
    return fetchOffsets(this.#cluster, group, null);
  }

  memberAddresses(group: string | null): Promise<readonly MemberAddress[]> {
    return memberAddresses(this.#cluster, group);
  }

  deleteRecords(before: readonly PartitionOffset[]): Promise<void> {
    return this.#cluster.retrying(
      'Deleting records',
      async () => {
        for (const [leader, parts] of await this.#cluster.byLeader(before)) {
          const topics = [...Map.groupBy(parts, ({ topic }) => topic)].map(([name, list]) => ({
            name,
            partitions: list.map(({ partition, offset }) => ({ partitionIndex: partition, offset: BigInt(offset) })),
          }));
          await deleteRecordsV2.api.async(await this.#cluster.connection(leader), topics, TIMEOUT_MS);
        }
      },
      () => {
        for (const { topic } of before) this.#cluster.forget(topic);
      },
    );
  }

  async close(): Promise<void> {
    // connections belong to the log
  }
}
