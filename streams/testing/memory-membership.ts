// A member of a consumer group of the in-memory broker; the member's own logic is the same as on Kafka.
import { Failure } from '../../schemas/failure.ts';
import { GroupMember, type GroupProtocol, type HeartbeatFailure } from '../group-member.ts';
import {
  type AssignmentListener,
  type AssignmentUnit,
  type CommittedOffset,
  type Membership,
  type MembershipOptions,
  type TopicPartition,
  type UnitPartition,
} from '../log.ts';
import { BrokerError, failureOf } from './broker-error.ts';
import { type BrokerCalls } from './broker-calls.ts';
import { type MemoryBroker } from './memory-broker.ts';

export class MemoryMembership implements Membership {
  readonly group: string;
  readonly #calls: BrokerCalls;
  readonly #member: GroupMember;

  constructor(calls: BrokerCalls, options: MembershipOptions, memberId: string) {
    const { group, topics, instanceId } = options;
    this.group = group;
    this.#calls = calls;
    const protocol = memoryProtocol(calls, options);
    this.#member = new GroupMember({ group, topics, instanceId, memberId, clock: calls.clock, protocol });
  }

  start(listener: AssignmentListener): Promise<void> {
    return this.#member.start(listener);
  }

  /** Runs `call` with the newest generation. @throws Failure `fenced` when this member was thrown out */
  withGeneration(call: (memberId: string, epoch: number) => Promise<void>): Promise<void> {
    return this.#member.withGeneration(call);
  }

  committed(partitions: readonly TopicPartition[]): Promise<readonly CommittedOffset[]> {
    return this.#calls.retrying(`Reading the offsets of ${this.group}`, (broker) =>
      broker.groupOffsets(this.group, partitions),
    );
  }

  close(comesBack = false): Promise<void> {
    return this.#member.close(comesBack);
  }
}

/** Copies are kept where they are asked for: by every member, of all that others work on. */
function memoryProtocol(calls: BrokerCalls, options: MembershipOptions): GroupProtocol {
  const { group, units = [], standbyReplicas = 0 } = options;
  const copied = standbyReplicas > 0 ? units : [];
  return {
    heartbeat: async (request) => {
      // the coordinator does not look at it, but looking into the stores must disturb nobody
      if (request.epoch === 0 && copied.length > 0) await options.keptStates?.();
      try {
        return await calls.once(`Heartbeat of ${request.memberId}`, (broker) => {
          const answer = broker.heartbeat(group, request);
          const { assignment } = answer;
          return assignment === null ? answer : { ...answer, standbys: othersOf(assignment, copied, broker) };
        });
      } catch (error) {
        if (error instanceof BrokerError && meaningOf(error) === 'fatal')
          throw failureOf(error, `Joining the group ${group}`);
        throw error;
      }
    },
    meaningOf,
    replace: async (instanceId, memberId) => {
      const holder = await calls.once(`Who is ${instanceId}`, (broker) => broker.staticMember(group, instanceId));
      if (holder === null) return true;
      if (memberId !== null && holder !== memberId) return false;
      const leave = { memberId: holder, epoch: -2, instanceId, topics: null, rebalanceTimeoutMs: null, owned: null };
      await calls.once(`Replacing ${holder}`, (broker) => broker.heartbeat(group, leave));
      return true;
    },
    isStale: (error) =>
      error instanceof Failure && error.cause instanceof BrokerError && error.cause.code === 'stale_member_epoch',
  };
}

/** What is not the member's own. */
function othersOf(
  own: readonly TopicPartition[],
  units: readonly AssignmentUnit[],
  broker: MemoryBroker,
): readonly UnitPartition[] {
  return units.flatMap(({ name: unit, topics }) => {
    const partitions = Math.max(...topics.map((topic) => broker.partitionsOf(topic) ?? 0));
    const isOwn = (number: number): boolean =>
      own.some(({ topic, partition }) => partition === number && topics.includes(topic));
    return Array.from({ length: partitions }, (_, partition) => ({ unit, partition })).filter(
      ({ partition }) => !isOwn(partition),
    );
  });
}

function meaningOf(error: unknown): HeartbeatFailure {
  if (!(error instanceof BrokerError)) return 'fatal';
  if (error.code === 'unknown_member' || error.code === 'fenced_member_epoch') return 'thrown out';
  if (error.code === 'unreleased_instance') return 'taken';
  return error.retriable ? 'again' : 'fatal';
}
