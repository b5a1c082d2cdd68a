// Kafka's error codes as failures, sorted by what the caller should do.
import { Failure } from '../../schemas/failure.ts';
import { protocolErrorsCodesById } from './library.ts';

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
  inconsistentGroupProtocol: 23,
  unknownMember: 25,
  unsupportedVersion: 35,
  topicAlreadyExists: 36,
  invalidRequest: 42,
  invalidProducerEpoch: 47,
  concurrentTransactions: 51,
  /** the broker could not write: its disk is full or broken */
  storageError: 56,
  groupIdNotFound: 69,
  fencedLeaderEpoch: 74,
  unknownLeaderEpoch: 75,
  memberIdRequired: 79,
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
  CODE.storageError,
  CODE.fencedLeaderEpoch,
  CODE.unknownLeaderEpoch,
  CODE.unstableOffsetCommit,
  CODE.unknownTopicId,
  CODE.inconsistentTopicId,
  9, // replica not available
  19, // not enough replicas
  20, // not enough replicas after append
  41, // not the controller
  72, // the leader cannot be reached by the listener asked yet
  78, // the new leader does not know yet how far the log goes
  89, // a quota: the answer waits as long as it must
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
  if (code === CODE.storageError)
    return new Failure('disk_full', `${doing}: Kafka cannot write to its disk.`, {
      fix: 'Free some space on the disk of the broker, or replace the disk; nothing that was acknowledged is lost.',
      cause,
    });
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

/** What Node and OpenSSL say of certificates and of a TLS hello that meets no TLS. */
const TLS_REFUSAL = /CERT|SELF_SIGNED|UNABLE_TO_(VERIFY|GET_ISSUER)|ALTNAME|ERR_SSL|ERR_OSSL|ERR_TLS/;

/** What a broker refuses for good: asking again would not change it. Null: it may only be away. */
export function refusedConnection(error: unknown, broker: string): Failure | null {
  for (const one of chainOf(error)) {
    const { code } = one as { code?: unknown };
    if (code === 'PLT_KFK_AUTHENTICATION' || UNAUTHORIZED.has(codeOf(one) ?? 0))
      return new Failure('unauthorized', `Kafka at ${broker} refuses our user or password.`, {
        field: 'KAFKA_SASL_PASSWORD',
        fix: 'Check KAFKA_SASL_MECHANISM, KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD.',
        cause: error,
      });
    if (typeof code === 'string' && TLS_REFUSAL.test(code))
      return new Failure('unauthorized', `The TLS connection to Kafka at ${broker} is refused: ${code}.`, {
        field: 'KAFKA_TLS_CA_FILE',
        fix: 'Name the authority of its certificate in KAFKA_TLS_CA_FILE, and check KAFKA_TLS and the address in KAFKA_BROKERS.',
        cause: error,
      });
  }
  return null;
}

function* chainOf(error: unknown): Generator<object> {
  if (typeof error !== 'object' || error === null) return;
  yield error;
  yield* chainOf((error as { cause?: unknown }).cause);
  const nested = (error as { errors?: unknown }).errors;
  if (Array.isArray(nested)) for (const one of nested) yield* chainOf(one);
}
