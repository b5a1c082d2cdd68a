// When a window is decided, passed over, or the endpoint let go: the evaluator's clock, as a pure function.

export interface Progress {
  /** every result and prediction at or before this event time is in the warehouse; null: not known yet */
  readonly completeToMs: number | null;
  /** the newest marks of all sources say that nothing more comes in order: the replay is over; the event time they gave */
  readonly sourcesOverAtMs: number | null;
  /** the sources are over, and everything of theirs at or before the decision has passed through scoring and the join */
  readonly isDrained: boolean;
  readonly nowMs: number;
}

/** In live mode a window is decided this long after its time has come by the wall clock: what was written until then has reached the warehouse. */
export const LIVE_GRACE_MS = 60_000;

export type NextStep = 'decide' | 'wait' | 'release';

/**
 * event mode: decide once the warehouse is complete up to the decision; when the replay ends before it, let the endpoint go.
 * live mode: decide by the wall clock; nothing is ever held, so nothing is let go.
 */
export function nextStep(mode: 'event' | 'live', decideAtMs: number, progress: Progress): NextStep {
  const { completeToMs, sourcesOverAtMs, isDrained, nowMs } = progress;
  if (mode === 'live') return nowMs >= decideAtMs + LIVE_GRACE_MS ? 'decide' : 'wait';
  // first of all: once the sources are over, the scorer has done everything up to the decision that it waits for, and says so; its
  // word must not decide a window that the replay did not reach, or two runs differ by who comes first
  if (sourcesOverAtMs !== null && sourcesOverAtMs < decideAtMs) return 'release';
  if (completeToMs !== null && completeToMs >= decideAtMs) return 'decide';
  return isDrained ? 'decide' : 'wait';
}
