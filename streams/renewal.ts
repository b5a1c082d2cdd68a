// When what is up to date is to say so again, though nothing changes: see state/forgotten-deletions.ts.
import { type Clock } from './clock.ts';
import { RENEWED_EVERY_MS } from './state/forgotten-deletions.ts';

export class Renewal {
  readonly #clock: Clock;
  #atMs: number;

  /** It is up to date when this is made. */
  constructor(clock: Clock) {
    this.#clock = clock;
    this.#atMs = clock.monotonicMs();
  }

  get isDue(): boolean {
    return this.#clock.monotonicMs() - this.#atMs >= RENEWED_EVERY_MS;
  }

  /** @returns whether it was due; from now on it is not */
  take(): boolean {
    const { isDue } = this;
    if (isDue) this.#atMs = this.#clock.monotonicMs();
    return isDue;
  }
}
