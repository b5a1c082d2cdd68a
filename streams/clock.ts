// Wall clock, monotonic clock and sleeping come from outside; the real one is in infra/clock.ts, a hand-moved one in test/.

export interface Clock {
  /** wall clock, epoch ms */
  nowMs(): number;
  /** for durations; unrelated to wall time */
  monotonicMs(): number;
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}
