// A state that keeps a value per window of its key: for steps whose windows are not among the declared ones, or that look back at them.
//
//   builder.stream('readings', json<Reading>()).process('hours', {
//     state: byWindow(json<Hour>()),
//     each: (reading, { state = NO_WINDOWS, eventTimeMs, timeMs, setState }) => {
//       const startMs = Math.floor(eventTimeMs / HOUR_MS) * HOUR_MS;
//       const hour = add(state.get(startMs), reading);
//       setState(state.put(startMs, hour).since(timeMs - 24 * HOUR_MS));
//     },
//   })
//
// All windows of a key are one row of the step's state: it is read and written whole, so it is for tens to hundreds of windows.
import { Failure } from '../../schemas/failure.ts';
import { type Format } from './format.ts';
import { decodeTimedRows, encodeTimedRows } from './timed-rows.ts';

export interface WindowValue<T> {
  /** epoch ms */
  readonly startMs: number;
  readonly value: T;
}

/** Never changed in place: every change gives another one. */
export class ByWindow<T> {
  /** ascending */
  readonly #rows: readonly WindowValue<T>[];
  /** windows that start earlier are not kept any more */
  readonly keptFromMs: number;

  constructor(rows: readonly WindowValue<T>[], keptFromMs = -Infinity) {
    this.#rows = rows;
    this.keptFromMs = keptFromMs;
  }

  /** The window's value; null: it has none, or is not kept any more. */
  get(startMs: number): T | null {
    return this.#rows.find((row) => row.startMs === startMs)?.value ?? null;
  }

  /** @param value null deletes @throws Failure `too_late` for a window that is not kept any more */
  put(startMs: number, value: T | null): ByWindow<T> {
    if (startMs < this.keptFromMs)
      throw new Failure('too_late', `Windows are kept from ${this.keptFromMs} on; this one starts at ${startMs}.`, {
        fix: 'Keep them for longer.',
      });
    const at = this.#rows.findLastIndex((row) => row.startMs < startMs) + 1;
    const replaced = this.#rows[at]?.startMs === startMs ? 1 : 0;
    const rows = this.#rows.toSpliced(at, replaced, ...(value === null ? [] : [{ startMs, value }]));
    return new ByWindow(rows, this.keptFromMs);
  }

  /** The windows that start from `fromMs` to `toMs`, both included, the earliest first. */
  fetch(fromMs: number, toMs: number): readonly WindowValue<T>[] {
    return this.#rows.filter(({ startMs }) => startMs >= fromMs && startMs <= toMs);
  }

  /** Without the windows that start before `fromMs`; undefined where nothing is left. What is gone does not come back. */
  since(fromMs: number): ByWindow<T> | undefined {
    const keptFromMs = Math.max(fromMs, this.keptFromMs);
    const rows = this.fetch(keptFromMs, Infinity);
    return rows.length === 0 ? undefined : new ByWindow(rows, keptFromMs);
  }

  /** As who reads the state from outside is told. */
  toJSON() {
    return { keptFromMs: Number.isFinite(this.keptFromMs) ? this.keptFromMs : null, windows: this.#rows };
  }
}

/** A step's state before its first value. */
export const NO_WINDOWS = new ByWindow<never>([]);

/** How a value per window is kept. Law: decode(encode(v)) behaves as v. Times are whole ms. */
export function byWindow<T>(format: Format<T>): Format<ByWindow<T>> {
  return {
    encode: (kept) =>
      encodeTimedRows({
        fromMs: kept.keptFromMs,
        rows: kept.fetch(-Infinity, Infinity).map(({ startMs, value }) => ({ timeMs: startMs, value })),
        format,
      }),
    decode: (bytes) => {
      const { fromMs, rows } = decodeTimedRows(bytes, 'windows of a state', format);
      return new ByWindow(
        rows.flatMap(({ timeMs, value }) => (value === null ? [] : [{ startMs: timeMs, value }])),
        fromMs,
      );
    },
  };
}
