// Which rows in memory are let go of: a clock's hand that goes round over all of them. Each sweep goes on where the one before stopped,
// so that rows that must stay are not looked at again and again.

/** Looked at by one sweep, and as many again for each row that has come since: rows that come must not outrun it. */
const SWEEP_ROWS = 5000;
const SWEEP_ROWS_PER_NEW = 2;

export class ClockHand<E> {
  readonly #rows: ReadonlyMap<string, E>;
  #hand: Iterator<E>;
  #newRows = 0;

  constructor(rows: ReadonlyMap<string, E>) {
    this.#rows = rows;
    this.#hand = rows.values();
  }

  /** A row has come. */
  came(): void {
    this.#newRows += 1;
  }

  /** @param look is shown one row after the other, and may take it out, while there `isMore` to be let go of */
  sweep(isMore: () => boolean, look: (row: E) => void): void {
    const most = SWEEP_ROWS + SWEEP_ROWS_PER_NEW * this.#newRows;
    this.#newRows = 0;
    for (let looked = 0; looked < most && isMore(); looked += 1) {
      const next = this.#hand.next();
      if (next.done === true) {
        this.#hand = this.#rows.values();
        return;
      }
      look(next.value);
    }
  }
}
