// Session windows of one key: events no further apart than the gap belong to one session. Pure; times and durations in whole ms.
//
// An event opens a session, extends one, or bridges two that it is near enough to, whatever order events come in: the sessions are always
// those of all accepted events in order. Events exactly one gap apart are together, as in Kafka Streams.
//
// At watermark W an event before W − lateness is too late, as everywhere (assign.ts). So a session is final once W − lateness is more
// than a gap after its last event: no event that is still accepted can reach it, and letting go of it changes no other session.
import { arrivalOf } from './assign.ts';

/** From the first to the last of its events, both included. */
export interface Session {
  readonly firstMs: number;
  readonly lastMs: number;
}

export interface SessionTimes {
  /** the longest pause within a session */
  readonly gapMs: number;
  readonly latenessMs: number;
}

export type SessionChange =
  | { readonly kind: 'too late' }
  | {
      readonly kind: 'joined';
      /** the session that the event is now in */
      readonly session: Session;
      /** what it is made of: no session (it is new), one (it grows or stays), or two (they are bridged); a range of the sessions given */
      readonly from: number;
      readonly count: number;
    };

/**
 * Where an event belongs.
 * @param sessions in order, more than a gap apart, without the final ones or with them
 * @returns the caller folds the partial results of the sessions `from … from + count`, oldest first, adds the event, and puts the
 * result in their place (`joined` does it for the sessions themselves)
 */
export function assignSession(
  sessions: readonly Session[],
  eventTimeMs: number,
  watermarkMs: number,
  { gapMs, latenessMs }: SessionTimes,
): SessionChange {
  if (arrivalOf(eventTimeMs, watermarkMs, latenessMs) === 'too late') return { kind: 'too late' };
  // sessions that end too early to be reached; events come mostly in order, so from the newest
  let from = sessions.length;
  while (from > 0 && (sessions[from - 1]?.lastMs ?? 0) + gapMs >= eventTimeMs) from -= 1;
  let [count, firstMs, lastMs] = [0, eventTimeMs, eventTimeMs];
  for (
    let session = sessions[from];
    session !== undefined && session.firstMs - gapMs <= eventTimeMs;
    session = sessions[from + count]
  ) {
    firstMs = Math.min(firstMs, session.firstMs);
    lastMs = Math.max(lastMs, session.lastMs);
    count += 1;
  }
  return { kind: 'joined', session: { firstMs, lastMs }, from, count };
}

/** The sessions after the change, in order. */
export function joined(sessions: readonly Session[], change: SessionChange): readonly Session[] {
  return change.kind === 'too late' ? sessions : sessions.toSpliced(change.from, change.count, change.session);
}

/** How many of the sessions, from the oldest on, no event can reach any more. */
export function finalSessions(
  sessions: readonly Session[],
  watermarkMs: number,
  { gapMs, latenessMs }: SessionTimes,
): number {
  let final = 0;
  while (final < sessions.length && (sessions[final]?.lastMs ?? 0) + gapMs < watermarkMs - latenessMs) final += 1;
  return final;
}
