// A compacted changelog forgets: a deletion is gone a day after the log cleaner has first met it (`delete.retention.ms`). Whoever was
// away for longer, and reads on from where he stands, never hears of it, and keeps the key for ever. So each state knows as of when
// it has everything (StatePosition.asOfMs), and one that is too old is restored from its changelog's beginning.
//
// From the beginning it is enough to be through within a day: the cleaner takes away what a deletion deletes when it first meets the
// deletion. Whoever has read the one finds the other for a day from then on, so the time of such a read is that of its beginning.

const DELETE_RETENTION_MS = 86_400_000;
/** Of a changelog that we make. That it remembers deletions for a day is Kafka's default too. */
export const CHANGELOG_TOPIC = {
  ...{ 'cleanup.policy': 'compact', 'retention.ms': '-1' },
  'delete.retention.ms': String(DELETE_RETENTION_MS),
};
/** Of this an hour is left for the reading, and for clocks that differ. */
const AGE_MS_MAX = DELETE_RETENTION_MS - 3_600_000;
/** What is read must have been there when it was read: only the clocks' difference is left. */
const READING_AGE_MS_MAX = DELETE_RETENTION_MS - 300_000;
/** A clock that was corrected: a time so far ahead says nothing. */
const AHEAD_MS_MAX = 3_600_000;
/** A state that is up to date says so this often where nothing changes. */
export const RENEWED_EVERY_MS = 3_600_000;

/** The oldest state that may be read on, epoch ms. */
export function oldestUsableMs(nowMs: number): number {
  return nowMs - AGE_MS_MAX;
}

/** Why a state of that time is not to be read on, said of it; null: it may be. */
export function outdatedBy(asOfMs: number, nowMs: number): string | null {
  return ageProblem(asOfMs, nowMs, AGE_MS_MAX);
}

/** The same of one that is being read on: what has just been read may lack deletions. */
export function outdatedWhileReadBy(asOfMs: number, nowMs: number): string | null {
  return ageProblem(asOfMs, nowMs, READING_AGE_MS_MAX);
}

function ageProblem(asOfMs: number, nowMs: number, ageMsMax: number): string | null {
  if (nowMs - asOfMs <= ageMsMax && asOfMs - nowMs <= AHEAD_MS_MAX) return null;
  const since = asOfMs === 0 ? 'at an unknown time' : `at ${new Date(asOfMs).toISOString()}`;
  return `was up to date last ${since}, and its changelog remembers deletions for a day`;
}
