// A state that remembers what it was: each value holds from an instant on, until the next one. For steps that have to answer as of a
// time, or to take what comes late without changing what was answered.
//
//   builder.stream('rates', json<Rate>()).process('rate', {
//     state: versions(json<Rate>()),
//     each: (rate, { state = NO_VERSIONS, eventTimeMs, timeMs, setState }) =>
//       setState(state.put(eventTimeMs, rate).since(timeMs - HISTORY_MS)),
//   })
//
// All versions of a key are one row of the step's state: it is read and written whole, so a history is for tens to hundreds of versions.
import { Failure } from '../../schemas/failure.ts';
import { type Format } from './format.ts';
import { decodeTimedRows, encodeTimedRows } from './timed-rows.ts';

export interface Version<T> {
  readonly validFromMs: number;
  /** null: from then on there is no value */
  readonly value: T | null;
}

/** Never changed in place: every change gives another one. */
export class Versions<T> {
  /** ascending */
  readonly #rows: readonly Version<T>[];
  /** the earliest instant that can be asked for */
  readonly historyFromMs: number;

  constructor(rows: readonly Version<T>[], historyFromMs = -Infinity) {
    this.#rows = rows;
    this.historyFromMs = historyFromMs;
  }

  /** Replaces the row of the same instant. @throws Failure `too_late` for a row from before the kept history */
  put(validFromMs: number, value: T | null): Versions<T> {
    this.#requireKept(validFromMs);
    const rows = this.#rows.filter((row) => row.validFromMs !== validFromMs);
    const at = rows.findLastIndex((row) => row.validFromMs < validFromMs) + 1;
    return new Versions(rows.toSpliced(at, 0, { validFromMs, value }), this.historyFromMs);
  }

  /** The newest value. */
  get(): T | null {
    return this.#rows.at(-1)?.value ?? null;
  }

  /** The value that held at an instant. @throws Failure `too_late` for a time before the kept history */
  asOf(timeMs: number): T | null {
    this.#requireKept(timeMs);
    return this.#rows.findLast((row) => row.validFromMs <= timeMs)?.value ?? null;
  }

  /** The rows, the earliest first. */
  history(): readonly Version<T>[] {
    return this.#rows;
  }

  /** Without what only instants before `fromMs` can see; undefined where nothing is left. History never grows back. */
  since(fromMs: number): Versions<T> | undefined {
    const historyFromMs = Math.max(fromMs, this.historyFromMs);
    const holding = this.#rows.findLastIndex((row) => row.validFromMs <= historyFromMs);
    const kept = this.#rows.slice(Math.max(holding, 0));
    // a deletion that hides nothing any more
    const rows = holding >= 0 && kept[0]?.value === null ? kept.slice(1) : kept;
    return rows.length === 0 ? undefined : new Versions(rows, historyFromMs);
  }

  /** As who reads the state from outside is told. */
  toJSON() {
    return { historyFromMs: Number.isFinite(this.historyFromMs) ? this.historyFromMs : null, versions: this.#rows };
  }

  #requireKept(timeMs: number): void {
    if (timeMs >= this.historyFromMs) return;
    throw new Failure('too_late', `The history begins at ${this.historyFromMs}, after ${timeMs}.`, {
      fix: 'Ask for a later instant, or keep a longer history.',
    });
  }
}

/** A step's state before its first value. */
export const NO_VERSIONS = new Versions<never>([]);

/** How versions are kept. Law: decode(encode(v)) behaves as v. Times are whole ms. */
export function versions<T>(format: Format<T>): Format<Versions<T>> {
  return {
    encode: (kept) =>
      encodeTimedRows({
        fromMs: kept.historyFromMs,
        rows: kept.history().map(({ validFromMs, value }) => ({ timeMs: validFromMs, value })),
        format,
      }),
    decode: (bytes) => {
      const { fromMs, rows } = decodeTimedRows(bytes, 'versions of a state', format);
      return new Versions(
        rows.map(({ timeMs, value }) => ({ validFromMs: timeMs, value })),
        fromMs,
      );
    },
  };
}
