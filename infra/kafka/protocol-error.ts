// Kafka's error codes as failures, sorted by what the caller should do.
import { protocolErrorsCodesById } from '@platformatic/kafka';
import { Failure } from '../../schemas/failure.ts';

/** The codes that this client acts on (the numbers are Kafka's). */
export const CODE = {
  none: 0,
  offsetOutOfRange: 1,
  unknownTopicOrPartition: 3,
  leaderNotAvailable: 5,
  notLeader: 6,
  requestTimedOut: 7,
  networkException: 13,
  coordinatorLoading: 14,
  coordinatorNotAvailable: 15,
  notCoordinator: 16,
  illegalGeneration: 22,
  unknownMember: 25,
  topicAlreadyExists: 36,
  duplicateSequence: 46,
  invalidProducerEpoch: 47,
  concurrentTransactions: 51,
  fencedLeaderEpoch: 74,
  unknownLeaderEpoch: 75,
  fencedInstance: 82,
  unstableOffsetCommit: 88,
  producerFenced: 90,
  unknownTopicId: 100,
  inconsistentTopicId: 103,
  fencedMemberEpoch: 110,
  unreleasedInstance: 111,
  staleMemberEpoch: 113,
} as const;

const RETRY: ReadonlySet<number> = new Set([
  CODE.unknownTopicOrPartition,
  CODE.leaderNotAvailable,
  CODE.notLeader,
  CODE.requestTimedOut,
  CODE.networkException,
  CODE.coordinatorLoading,
  CODE.coordinatorNotAvailable,
  CODE.notCoordinator,
  CODE.concurrentTransactions,
  CODE.fencedLeaderEpoch,
  CODE.unknownLeaderEpoch,
  CODE.unstableOffsetCommit,
  CODE.unknownTopicId,
  CODE.inconsistentTopicId,
  19, // not enough replicas
  20, // not enough replicas after append
]);

const FENCED: ReadonlySet<number> = new Set([
  CODE.illegalGeneration,
  CODE.unknownMember,
  CODE.invalidProducerEpoch,
  CODE.fencedInstance,
  CODE.producerFenced,
  CODE.fencedMemberEpoch,
  CODE.staleMemberEpoch,
  49, // invalid producer id mapping
  59, // unknown producer id
]);

const UNAUTHORIZED: ReadonlySet<number> = new Set([29, 30, 31, 53, 58]);

export function isRetriable(code: number): boolean {
  return RETRY.has(code);
}

/** A Kafka error code that cannot be retried, as a Failure; `codeOf` of its cause gives the code back. */
export function failureOf(code: number, doing: string): Failure {
  const cause = { apiCode: code };
  const name = protocolErrorsCodesById[code] ?? `error ${code}`;
  if (FENCED.has(code))
    return new Failure('fenced', `${doing}: ${name}; another instance took over.`, {
      fix: 'Nothing to do: this instance starts anew.',
      cause,
    });
  if (UNAUTHORIZED.has(code)) {
    return new Failure('unauthorized', `${doing}: ${name}.`, {
      fix: 'Check KAFKA_SASL_* and the ACLs of this user.',
      cause,
    });
  }
  return new Failure('internal', `${doing}: Kafka answered ${name}.`, { cause });
}

/** The first error code in what the library threw, or null when it was no answer of the broker (network, timeout). */
export function codeOf(error: unknown): number | null {
  if (typeof error !== 'object' || error === null) return null;
  const apiCode = (error as { apiCode?: unknown }).apiCode;
  if (typeof apiCode === 'number') return apiCode;
  const nested = (error as { errors?: unknown }).errors;
  if (Array.isArray(nested)) {
    for (const one of nested) {
      const code = codeOf(one);
      if (code !== null) return code;
    }
  }
  return null;
}
