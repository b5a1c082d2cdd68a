// A member of a consumer group by KIP-848: the broker assigns, the member acknowledges.
import { randomUUID } from 'node:crypto';
import { consumerGroupHeartbeatV1, offsetFetchV9 } from '@platformatic/kafka';
import { Failure } from '../../schemas/failure.ts';
import {
  type AssignmentListener,
  type CommittedOffset,
  type Membership,
  type MembershipOptions,
  type TopicPartition,
  partitionId,
} from '../../streams/log.ts';
import { type Cluster, COORDINATOR } from './cluster.ts';
import { CODE, codeOf, failureOf, isRetriable } from './protocol-error.ts';

/** How long a member may take to let go of partitions; draining and committing take far less. */
const REBALANCE_TIMEOUT_MS = 60_000;
const JOIN_EPOCH = 0;
const LEAVE_EPOCH = -1;
const LEAVE_STATIC_EPOCH = -2;
const RETRY_STEP_MS = 100;

const STALE_CODES: ReadonlySet<number> = new Set([CODE.staleMemberEpoch, CODE.illegalGeneration]);
const THROWN_OUT_CODES: ReadonlySet<number> = new Set([CODE.unknownMember, CODE.fencedMemberEpoch]);

export class KafkaMembership implements Membership {
  readonly group: string;
  readonly #cluster: Cluster;
  readonly #topics: readonly string[];
  readonly #instanceId: string | null;
  readonly #memberId = randomUUID();
  readonly #stop = new AbortController();
  #listener: AssignmentListener | null = null;
  #epoch = JOIN_EPOCH;
  #intervalMs = 1000;
  #owned = new Map<string, TopicPartition>();
  #target: readonly TopicPartition[] | null = null;
  #reconciling: Promise<void> | null = null;
  #ownedChanged = true;
  #loop: Promise<void> = Promise.resolve();
  #wake: AbortController = new AbortController();
  #beat: Promise<void> | null = null;

  constructor(cluster: Cluster, options: MembershipOptions) {
    this.#cluster = cluster;
    this.group = options.group;
    this.#topics = options.topics;
    this.#instanceId = options.instanceId;
  }

  async start(listener: AssignmentListener): Promise<void> {
    this.#listener = listener;
    await this.#heartbeat();
    this.#loop = this.#run();
  }

  async #run(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      const waitMs = this.#epoch === JOIN_EPOCH ? RETRY_STEP_MS : this.#intervalMs;
      await this.#cluster.options.clock.sleep(waitMs, AbortSignal.any([this.#stop.signal, this.#wake.signal]));
      this.#wake = new AbortController();
      if (this.#stop.signal.aborted) return;
      // brokers that are away are tried again by the next heartbeat
      await this.#heartbeat().catch(() => undefined);
    }
  }

  /** One heartbeat at a time. */
  #heartbeat(): Promise<void> {
    this.#beat ??= this.#beatOnce().finally(() => {
      this.#beat = null;
    });
    return this.#beat;
  }

  async #beatOnce(): Promise<void> {
    const joining = this.#epoch === JOIN_EPOCH;
    const tellOwned = joining || this.#ownedChanged;
    const owned = tellOwned ? await this.#ownedById() : null;
    this.#ownedChanged = false;
    try {
      const coordinator = await this.#cluster.coordinator(COORDINATOR.group, this.group);
      const answer = await consumerGroupHeartbeatV1.api.async(
        coordinator,
        this.group,
        this.#memberId,
        this.#epoch,
        this.#instanceId,
        null,
        joining ? REBALANCE_TIMEOUT_MS : -1,
        joining ? [...this.#topics] : null,
        null,
        joining ? 'range' : null,
        owned,
      );
      this.#epoch = answer.memberEpoch;
      this.#intervalMs = answer.heartbeatIntervalMs;
      if (answer.assignment !== null) this.#target = await this.#named(answer.assignment.topicPartitions);
      this.#reconcile();
    } catch (error) {
      this.#ownedChanged ||= tellOwned;
      await this.#heartbeatFailed(error);
    }
  }

  async #heartbeatFailed(error: unknown): Promise<void> {
    const code = codeOf(error);
    if (code !== null && THROWN_OUT_CODES.has(code)) return this.#thrownOut();
    this.#cluster.forgetCoordinator(COORDINATOR.group, this.group);
    if (code === null || isRetriable(code) || code === CODE.unreleasedInstance) {
      await this.#cluster.options.clock.sleep(RETRY_STEP_MS, this.#stop.signal);
      return;
    }
    throw failureOf(code, `Joining the group ${this.group}`);
  }

  async #thrownOut(): Promise<void> {
    const lost = [...this.#owned.values()];
    this.#owned = new Map();
    this.#target = null;
    this.#epoch = JOIN_EPOCH;
    this.#ownedChanged = true;
    if (lost.length > 0) await this.#listener?.lost(lost);
  }

  #reconcile(): void {
    if (this.#reconciling !== null || this.#target === null || this.#stop.signal.aborted) return;
    // heartbeats go on meanwhile; the acknowledgement is the next one after it
    this.#reconciling = this.#reconcileTo(this.#target)
      .catch(() => undefined)
      .finally(() => {
        this.#reconciling = null;
        this.#wake.abort();
      });
  }

  async #reconcileTo(target: readonly TopicPartition[]): Promise<void> {
    const wanted = new Map(target.map((partition) => [partitionId(partition), partition]));
    const revoked = [...this.#owned].filter(([id]) => !wanted.has(id)).map(([, partition]) => partition);
    if (revoked.length > 0) {
      await this.#listener?.revoked(revoked);
      for (const partition of revoked) this.#owned.delete(partitionId(partition));
      this.#ownedChanged = true;
      return;
    }
    const added = [...wanted].filter(([id]) => !this.#owned.has(id)).map(([, partition]) => partition);
    if (added.length === 0) {
      if (this.#target === target) this.#target = null;
      return;
    }
    for (const partition of added) this.#owned.set(partitionId(partition), partition);
    this.#ownedChanged = true;
    await this.#listener?.assigned(added);
    if (this.#target === target) this.#target = null;
  }

  async #ownedById(): Promise<{ topicId: string; partitions: number[] }[]> {
    const byTopic = Map.groupBy(this.#owned.values(), (partition) => partition.topic);
    const parts: { topicId: string; partitions: number[] }[] = [];
    for (const [topic, partitions] of byTopic) {
      const { id } = await this.#cluster.topic(topic);
      parts.push({ topicId: id, partitions: partitions.map(({ partition }) => partition) });
    }
    return parts;
  }

  async #named(parts: readonly { topicId: string; partitions: number[] }[]): Promise<TopicPartition[]> {
    if (parts.some(({ topicId }) => this.#cluster.nameOfId(topicId) === undefined))
      await this.#cluster.refresh(this.#topics);
    return parts.flatMap(({ topicId, partitions }) => {
      const topic = this.#cluster.nameOfId(topicId);
      return topic === undefined ? [] : partitions.map((partition) => ({ topic, partition }));
    });
  }

  /**
   * Runs `call` with the newest generation. When the broker has moved on to a newer one, that is fetched and the call is repeated:
   * our partitions are not given away before we have acknowledged it.
   * @throws Failure `fenced` when this member was thrown out
   */
  async withGeneration(
    call: (memberId: string, epoch: number, instanceId: string | null) => Promise<void>,
  ): Promise<void> {
    for (let attempt = 0; ; attempt += 1) {
      const epoch = this.#epoch;
      try {
        if (epoch === JOIN_EPOCH) throw new Failure('fenced', `This member was thrown out of the group ${this.group}.`);
        return await call(this.#memberId, epoch, this.#instanceId);
      } catch (error) {
        const code = error instanceof Failure ? codeOf(error.cause) : null;
        const stale = code !== null && STALE_CODES.has(code);
        if (!stale || attempt >= 5) throw error;
        await this.#heartbeat();
        if (this.#epoch === epoch) await this.#cluster.options.clock.sleep(RETRY_STEP_MS);
      }
    }
  }

  async committed(partitions: readonly TopicPartition[]): Promise<readonly CommittedOffset[]> {
    return fetchOffsets(this.#cluster, this.group, partitions);
  }

  async close(): Promise<void> {
    if (this.#stop.signal.aborted) return;
    this.#stop.abort();
    await this.#loop;
    await this.#beat?.catch(() => undefined);
    if (this.#epoch === JOIN_EPOCH) return;
    const leave = this.#instanceId === null ? LEAVE_EPOCH : LEAVE_STATIC_EPOCH;
    try {
      const coordinator = await this.#cluster.coordinator(COORDINATOR.group, this.group);
      await consumerGroupHeartbeatV1.api.async(
        coordinator,
        this.group,
        this.#memberId,
        leave,
        this.#instanceId,
        null,
        -1,
        null,
        null,
        null,
        null,
      );
    } catch {
      // the broker notices by itself when the session is over
    }
  }
}

/** Offset −1 where nothing was committed yet. */
export async function fetchOffsets(
  cluster: Cluster,
  group: string,
  partitions: readonly TopicPartition[] | null,
): Promise<CommittedOffset[]> {
  const topics =
    partitions === null
      ? null
      : [...Map.groupBy(partitions, (partition) => partition.topic)].map(([name, parts]) => ({
          name,
          partitionIndexes: parts.map(({ partition }) => partition),
        }));
  return cluster.retrying(
    `Reading the offsets of ${group}`,
    async () => {
      const coordinator = await cluster.coordinator(COORDINATOR.group, group);
      // stable: offsets of a transaction that is still being completed are waited for
      const answer = await offsetFetchV9.api.async(
        coordinator,
        [{ groupId: group, memberId: null, memberEpoch: -1, topics }],
        true,
      );
      return (answer.groups[0]?.topics ?? []).flatMap(({ name, partitions: parts }) =>
        parts.map(({ partitionIndex, committedOffset, metadata }) => ({
          topic: name,
          partition: partitionIndex,
          offset: Number(committedOffset),
          metadata: metadata ?? '',
        })),
      );
    },
    () => cluster.forgetCoordinator(COORDINATOR.group, group),
  );
}
