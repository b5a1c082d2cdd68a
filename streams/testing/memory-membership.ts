// A member of a consumer group of the in-memory broker; the member's own logic is the same as on Kafka.
import { Failure } from '../../schemas/failure.ts';
import { GroupMember, type GroupProtocol, type HeartbeatFailure } from '../group-member.ts';
import {
  type AssignmentListener,
  type CommittedOffset,
  type Membership,
  type MembershipOptions,
  type TopicPartition,
} from '../log.ts';
import { BrokerError, failureOf } from './broker-error.ts';
import { type BrokerCalls } from './broker-calls.ts';

export class MemoryMembership implements Membership {
  readonly group: string;
  readonly #calls: BrokerCalls;
  readonly #member: GroupMember;

  constructor(calls: BrokerCalls, { group, topics, instanceId }: MembershipOptions, memberId: string) {
    this.group = group;
    this.#calls = calls;
    const protocol = memoryProtocol(calls, group);
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

function memoryProtocol(calls: BrokerCalls, group: string): GroupProtocol {
  return {
    heartbeat: async (request) => {
      try {
        return await calls.once(`Heartbeat of ${request.memberId}`, (broker) => broker.heartbeat(group, request));
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

function meaningOf(error: unknown): HeartbeatFailure {
  if (!(error instanceof BrokerError)) return 'fatal';
  if (error.code === 'unknown_member' || error.code === 'fenced_member_epoch') return 'thrown out';
  if (error.code === 'unreleased_instance') return 'taken';
  return error.retriable ? 'again' : 'fatal';
}
