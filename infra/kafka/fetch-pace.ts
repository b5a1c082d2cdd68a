// How long a fetch may wait at the broker for records. They end the wait whenever they come; what a long one costs is only that a
// partition that is assigned or resumed meanwhile is not asked for before it is over.

/** A newly assigned or resumed partition waits for the long poll under way: short enough not to be felt. */
const BUSY_WAIT_MS = 100;
/** A standing platform has dozens of readers: answering them took Kafka 17 % of a core at 100 ms. An assignment waits so much longer. */
const QUIET_WAIT_MS = 400;
/** Answers without a record, one after the other, until nothing seems to come. */
const QUIET_FETCHES = 10;

export class FetchPace {
  #emptyFetches = 0;

  /** @param isWhole whether every assigned partition is asked for: what is paused will be resumed soon */
  waitMs(isWhole: boolean): number {
    return isWhole && this.#emptyFetches >= QUIET_FETCHES ? QUIET_WAIT_MS : BUSY_WAIT_MS;
  }

  /** What a fetch brought. */
  took(bytes: number): void {
    this.#emptyFetches = bytes > 0 ? 0 : this.#emptyFetches + 1;
  }

  /** Something else is read from now on. */
  changed(): void {
    this.#emptyFetches = 0;
  }
}
