// Topics, offsets and groups of the in-memory broker.
import {
  type CommittedOffset,
  type LogAdmin,
  type MemberAddress,
  type PartitionBounds,
  type PartitionOffset,
  type TopicPartition,
  type TopicSpec,
} from '../log.ts';
import { type BrokerCalls } from './broker-calls.ts';

export class MemoryAdmin implements LogAdmin {
  readonly #calls: BrokerCalls;

  constructor(calls: BrokerCalls) {
    this.#calls = calls;
  }

  ensureTopics(topics: readonly TopicSpec[]): Promise<void> {
    return this.#calls.retrying('Creating topics', (broker) => broker.createTopics(topics));
  }

  partitionsOf(topics: readonly string[]): Promise<ReadonlyMap<string, number>> {
    return this.#calls.retrying('Asking for topics', (broker) => {
      const counts = new Map<string, number>();
      for (const topic of topics) {
        const count = broker.partitionsOf(topic);
        if (count !== undefined) counts.set(topic, count);
      }
      return counts;
    });
  }

  listTopics(): Promise<readonly string[]> {
    return this.#calls.retrying('Listing topics', (broker) => broker.topics);
  }

  deleteTopics(topics: readonly string[]): Promise<void> {
    return this.#calls.retrying('Deleting topics', (broker) => broker.deleteTopics(topics));
  }

  offsets(partitions: readonly TopicPartition[]): Promise<readonly PartitionBounds[]> {
    return this.#calls.retrying('Asking for offsets', (broker) => partitions.map((at) => broker.bounds(at)));
  }

  groupOffsets(group: string): Promise<readonly CommittedOffset[]> {
    return this.#calls.retrying(`Reading the offsets of ${group}`, (broker) => broker.groupOffsets(group, null));
  }

  /** Its groups are consumer groups, which keep none. */
  async memberAddresses(): Promise<readonly MemberAddress[]> {
    return [];
  }

  deleteRecords(before: readonly PartitionOffset[]): Promise<void> {
    return this.#calls.retrying('Deleting records', (broker) => broker.deleteRecords(before));
  }

  async close(): Promise<void> {
    // connections belong to the log
  }
}
