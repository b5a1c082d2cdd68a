// When to commit: at the latest after the interval; earlier when nothing else is left to do and commits are quick.
import { type Clock } from './clock.ts';

/** An idle instance spends about one part in so many on commits: results become visible with them. */
const IDLE_SHARE = 3;
/** The same where results are visible before: they would only wait for the commits. */
const IDLE_SHARE_AHEAD = 30;
/** A commit that took longer than usual counts for so much of what it took more: one hiccup must not hold up the commits behind it. */
const SLOW_WEIGHT = 1 / 4;

export class CommitClock {
  readonly #clock: Clock;
  readonly #intervalMs: number;
  readonly #idleShare: number;
  #begunMs: number;
  /** what commits took of late */
  #usualMs = 0;
  commits = 0;
  /** time from drawing to the end of all commits */
  spentMs = 0;

  /** @param seenAhead results are visible before they are committed */
  constructor(clock: Clock, intervalMs: number, seenAhead: boolean) {
    this.#clock = clock;
    this.#intervalMs = intervalMs;
    this.#idleShare = seenAhead ? IDLE_SHARE_AHEAD : IDLE_SHARE;
    this.#begunMs = clock.monotonicMs();
  }

  begin(): void {
    this.#begunMs = this.#clock.monotonicMs();
  }

  /** @param told how long the commit took, ms */
  end(told?: (tookMs: number) => void): void {
    const tookMs = this.#clock.monotonicMs() - this.#begunMs;
    const moreMs = tookMs - this.#usualMs;
    this.#usualMs += moreMs > 0 && this.commits > 0 ? moreMs * SLOW_WEIGHT : moreMs;
    this.commits += 1;
    this.spentMs += tookMs;
    told?.(tookMs);
  }

  #sinceMs(): number {
    return this.#clock.monotonicMs() - this.#begunMs;
  }

  isDue(): boolean {
    return this.#sinceMs() >= this.#intervalMs;
  }

  /** For an instance that has nothing else to do. */
  isWorthIt(): boolean {
    return this.#sinceMs() >= Math.min(this.#intervalMs, this.#idleShare * this.#usualMs);
  }

  /** How long to wait for records. */
  waitMs(longestMs: number, isDirty: boolean): number {
    if (!isDirty) return longestMs;
    const leftMs = Math.min(this.#intervalMs, this.#idleShare * this.#usualMs) - this.#sinceMs();
    return Math.max(1, Math.min(longestMs, leftMs));
  }
}
