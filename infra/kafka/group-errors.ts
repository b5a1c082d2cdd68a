// What Kafka's answers mean to a member of a group, in either protocol.
import { Failure } from '../../schemas/failure.ts';
import { type HeartbeatFailure } from '../../streams/group-member.ts';
import { type Cluster, COORDINATOR } from './cluster.ts';
import { CODE, codeOf, failureOf, isRetriable } from './protocol-error.ts';

const STALE_CODES: ReadonlySet<number> = new Set([CODE.staleMemberEpoch, CODE.illegalGeneration]);
const THROWN_OUT_CODES: ReadonlySet<number> = new Set([CODE.unknownMember, CODE.fencedMemberEpoch]);

export function meaningOf(error: unknown): HeartbeatFailure {
  if (error instanceof Failure) return error.code === 'unreachable' ? 'again' : 'fatal';
  const code = codeOf(error);
  if (code === null) return 'again';
  if (THROWN_OUT_CODES.has(code)) return 'thrown out';
  if (code === CODE.unreleasedInstance) return 'taken';
  return isRetriable(code) ? 'again' : 'fatal';
}

export function isStale(error: unknown): boolean {
  const code = error instanceof Failure ? codeOf(error.cause) : null;
  return code !== null && STALE_CODES.has(code);
}

/** Makes what cannot be mended a Failure, and looks for the coordinator anew where it may have moved. */
export async function asFailure<T>(cluster: Cluster, group: string, call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    const code = codeOf(error);
    if (code === null || !THROWN_OUT_CODES.has(code)) cluster.forgetCoordinator(COORDINATOR.group, group);
    if (code === CODE.fencedInstance)
      throw new Failure('fenced', `Another process took the place of this instance in the group ${group}.`, {
        fix: 'Give each process an instance name of its own (MILLRACE_INSTANCE).',
        cause: error,
      });
    if (meaningOf(error) === 'fatal' && code !== null) throw failureOf(code, `Joining the group ${group}`);
    throw error;
  }
}
