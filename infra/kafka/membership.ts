// A member of a group on Kafka. What a member does is in streams/group-member.ts; how it says so, in one of the two protocols.
import { randomUUID } from 'node:crypto';
import { Failure } from '../../schemas/failure.ts';
import { GroupMember } from '../../streams/group-member.ts';
import {
  type AssignmentListener,
  type CommittedOffset,
  type Membership,
  type MembershipOptions,
  type TopicPartition,
} from '../../streams/log.ts';
import { type Cluster, COORDINATOR } from './cluster.ts';
import { endAbandoned } from './abandoned.ts';
import { consumerProtocol } from './consumer-protocol.ts';
import { type KafkaGroupProtocol } from './group-protocol.ts';
import { offsetFetchV9 } from './library.ts';
import { CODE, codeOf } from './protocol-error.ts';
import { hasStreamsGroups, resetEmptyGroup, setStandbyReplicas, streamsProtocol } from './streams-protocol.ts';

/** What a group answers that is of another protocol, or was made for other units. */
const OTHER_GROUP_CODES: ReadonlySet<number> = new Set([
  CODE.groupIdNotFound,
  CODE.inconsistentGroupProtocol,
  CODE.invalidRequest,
]);

/** Instances that are told of a new definition leave one after the other. */
const OTHERS_LEAVE_WITHIN_MS = 30_000;
const RESET_STEP_MS = 500;

export class KafkaMembership implements Membership {
  readonly group: string;
  readonly #cluster: Cluster;
  readonly #options: MembershipOptions;
  #member: GroupMember | null = null;
  #protocol: KafkaGroupProtocol | null = null;

  constructor(cluster: Cluster, options: MembershipOptions) {
    this.group = options.group;
    this.#cluster = cluster;
    this.#options = options;
  }

  async start(listener: AssignmentListener): Promise<void> {
    const { units } = this.#options;
    if (units === undefined || !(await hasStreamsGroups(this.#cluster)))
      return this.#startWith(consumerProtocol(this.#cluster, this.#options), listener);
    await setStandbyReplicas(this.#cluster, this.#options);
    const start = (): Promise<void> =>
      this.#startWith(streamsProtocol(this.#cluster, { ...this.#options, units }), listener);
    try {
      await start();
    } catch (error) {
      if (!isOtherGroup(error)) throw error;
      await this.#startAnew(start, listener);
    }
  }

  /** As soon as the group has no members any more that are of an older version of this program, or of its topology. */
  async #startAnew(start: () => Promise<void>, listener: AssignmentListener): Promise<void> {
    const { clock } = this.#cluster.options;
    const untilMs = clock.monotonicMs() + OTHERS_LEAVE_WITHIN_MS;
    for (;;) {
      try {
        await resetEmptyGroup(this.#cluster, this.group);
        return await start();
      } catch (error) {
        if (!isOtherGroup(error)) throw error;
        // members by the older protocol work on: this one joins them by it
        if (codeOfCause(error) === CODE.groupIdNotFound)
          return this.#startWith(consumerProtocol(this.#cluster, this.#options), listener);
        if (clock.monotonicMs() > untilMs)
          throw new Failure('conflict', `The group ${this.group} has members with another topology.`, {
            fix: 'Stop them first: Kafka cannot change the topology of a group that has members.',
            cause: error,
          });
      }
      await clock.sleep(RESET_STEP_MS);
    }
  }

  async #startWith(protocol: KafkaGroupProtocol, listener: AssignmentListener): Promise<void> {
    const { group, topics, instanceId } = this.#options;
    const { clock } = this.#cluster.options;
    const member = new GroupMember({ group, topics, instanceId, memberId: randomUUID(), clock, protocol });
    this.#member = member;
    this.#protocol = protocol;
    await member.start(listener);
  }

  /** Runs `call` with the newest generation. @throws Failure `fenced` when this member was thrown out */
  async withGeneration(
    call: (memberId: string, epoch: number, instanceId: string | null) => Promise<void>,
  ): Promise<void> {
    if (this.#member === null) throw new Failure('fenced', `The group ${this.group} was not joined.`);
    await this.#member.withGeneration(call);
  }

  committed(partitions: readonly TopicPartition[]): Promise<readonly CommittedOffset[]> {
    return fetchOffsets(this.#cluster, this.group, partitions);
  }

  async endAbandoned(prefix: string): Promise<void> {
    await endAbandoned(this.#cluster, prefix, async () => {
      const members = (await this.#protocol?.members()) ?? [];
      // a group whose members cannot be told apart gives no reason to end anything
      const names = members.map(({ instanceId }) => instanceId ?? '');
      return names.length === 0 || names.includes('') ? null : new Set(names);
    });
  }

  async close(comesBack = false): Promise<void> {
    await this.#member?.close(comesBack);
  }
}

function codeOfCause(error: unknown): number | null {
  return error instanceof Failure ? codeOf(error.cause) : codeOf(error);
}

function isOtherGroup(error: unknown): boolean {
  const code = codeOfCause(error);
  return code !== null && OTHER_GROUP_CODES.has(code);
}

/** Offsets as the protocol wants them. */
export function offsetTopics(offsets: readonly CommittedOffset[]) {
  return [...Map.groupBy(offsets, (offset) => offset.topic)].map(([name, parts]) => ({
    name,
    partitions: parts.map(({ partition, offset, metadata }) => ({
      partitionIndex: partition,
      committedOffset: BigInt(offset),
      committedLeaderEpoch: -1,
      committedMetadata: metadata,
    })),
  }));
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
      // stable: offsets of a transaction that is still being completed are waited for; by who works on the partitions, nobody else
      const answer = await offsetFetchV9.api.async(
        coordinator,
        [{ groupId: group, memberId: null, memberEpoch: -1, topics }],
        partitions !== null,
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
