// Up to which event time the warehouse is complete: the sink inserts a watermark after all rows that it speaks of.
import { LIVE_GRACE_MS } from '../../processors/monitoring/timetable.ts';
import { type Clock } from '../../streams/clock.ts';
import { DATABASE, type Sql } from './sql.ts';

export interface WantedTopic {
  readonly topic: string;
  /** partitions × lanes that must have told */
  readonly places: number;
}

/** Epoch ms, or null while a partition has not told anything. */
async function completeToMs(sql: Sql, wanted: readonly WantedTopic[]): Promise<number | null> {
  const rows = await sql.query<{ topic: string; places: number; complete_ms: number }>(
    `SELECT topic, count() AS places, toUnixTimestamp64Milli(min(told)) AS complete_ms FROM (SELECT topic, partition, lane, max(event_time) AS told FROM ${DATABASE}.watermarks WHERE topic IN {topics:Array(String)} GROUP BY topic, partition, lane) GROUP BY topic`,
    { topics: wanted.map(({ topic }) => topic) },
  );
  let complete = Number.POSITIVE_INFINITY;
  for (const { topic, places } of wanted) {
    const row = rows.find((one) => one.topic === topic);
    if (row === undefined || row.places < places) return null;
    complete = Math.min(complete, row.complete_ms);
  }
  return complete;
}

const STEP_MS = 100;

/**
 * Whether the warehouse is complete up to `eventTimeMs`.
 * live mode: who produces gives no marks; what was written until then is there a little later by the wall clock.
 */
export async function isComplete(
  sql: Sql,
  wanted: readonly WantedTopic[],
  eventTimeMs: number,
  mode: 'event' | 'live',
  nowMs: number,
): Promise<boolean> {
  if (mode === 'live') return nowMs >= eventTimeMs + LIVE_GRACE_MS;
  const complete = await completeToMs(sql, wanted);
  return complete !== null && complete >= eventTimeMs;
}

/** Resolves once it is, or the signal aborts. */
export async function waitComplete(
  sql: Sql,
  wanted: readonly WantedTopic[],
  eventTimeMs: number,
  mode: 'event' | 'live',
  clock: Clock,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted && !(await isComplete(sql, wanted, eventTimeMs, mode, clock.nowMs())))
    await clock.sleep(STEP_MS, signal);
}
