// When to commit: at the latest after the interval; earlier when nothing else is left to do and commits are quick.
import { type Clock } from './clock.ts';

/** An idle instance spends at most one part in so many on commits. */
const IDLE_SHARE = 3;

export class CommitClock {
  readonly #clock: Clock;
  readonly #intervalMs: number;
  #begunMs: number;
  #lastTookMs = 0;
  commits = 0;
  /** time from drawing to the end of all commits */
  spentMs = 0;

  constructor(clock: Clock, intervalMs: number) {
    this.#clock = clock;
    this.#intervalMs = intervalMs;
    this.#begunMs = clock.monotonicMs();
  }

  begin(): void {
    this.#begunMs = this.#clock.monotonicMs();
  }

  /** @param told how long the commit took, ms */
  end(told?: (tookMs: number) => void): void {
    this.#lastTookMs = this.#clock.monotonicMs() - this.#begunMs;
    this.commits += 1;
    this.spentMs += this.#lastTookMs;
    told?.(this.#lastTookMs);
  }

  #sinceMs(): number {
    return this.#clock.monotonicMs() - this.#begunMs;
  }

  isDue(): boolean {
    return this.#sinceMs() >= this.#intervalMs;
  }

  /** For an instance that has nothing else to do. */
  isWorthIt(): boolean {
    return this.#sinceMs() >= Math.min(this.#intervalMs, IDLE_SHARE * this.#lastTookMs);
  }

  /** How long to wait for records. */
  waitMs(longestMs: number, isDirty: boolean): number {
    if (!isDirty) return longestMs;
    const leftMs = Math.min(this.#intervalMs, IDLE_SHARE * this.#lastTookMs) - this.#sinceMs();
    return Math.max(1, Math.min(longestMs, leftMs));
  }
}
