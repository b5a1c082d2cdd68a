// Tumbling and hopping windows that are closed by event time. An event is added to the partial result of one pane; a window is the fold
// of its panes, made once, when it is closed (assign.ts).
import { type BoxedPartials } from './boxed-partials.ts';
import { type BoxedEntry, type BoxedRow, type BoxedWindows, type ClosedWindow } from './boxed-row.ts';
import { arrivalOf, isFinal, paneOf, paneWidthMs } from './assign.ts';

export interface AlignedTimes {
  readonly sizeMs: number;
  /** a tumbling window advances by its size */
  readonly advanceMs: number;
  readonly latenessMs: number;
}

export class AlignedWindows implements BoxedWindows {
  readonly #partials: BoxedPartials;
  readonly #times: AlignedTimes;
  readonly #widthMs: number;
  readonly latenessMs: number;

  constructor(partials: BoxedPartials, times: AlignedTimes) {
    this.#partials = partials;
    this.#times = times;
    this.#widthMs = paneWidthMs([times.sizeMs, times.advanceMs]);
    this.latenessMs = times.latenessMs;
  }

  add(row: BoxedRow, event: unknown, timeMs: number, watermarkMs: number): BoxedRow | null {
    if (arrivalOf(timeMs, watermarkMs, this.#times.latenessMs) === 'too late') return null;
    const firstMs = paneOf(timeMs, this.#widthMs) * this.#widthMs;
    // between windows that advance by more than their size
    if (this.#endAfterMs(firstMs, -Infinity) - this.#times.sizeMs > timeMs) return row;
    const { entries } = row;
    // events come mostly in order, so from the newest
    let at = entries.length;
    while (at > 0 && (entries[at - 1]?.firstMs ?? 0) >= firstMs) at -= 1;
    const found = entries[at]?.firstMs === firstMs ? entries[at] : undefined;
    const entry: BoxedEntry = {
      firstMs,
      lastMs: firstMs + this.#widthMs - 1,
      partials: this.#partials.withEvent(found === undefined ? [] : [found.partials], event, timeMs),
    };
    return { ...row, entries: entries.toSpliced(at, found === undefined ? 0 : 1, entry) };
  }

  close(row: BoxedRow, watermarkMs: number): ReturnType<BoxedWindows['close']> {
    const { sizeMs, advanceMs, latenessMs } = this.#times;
    const closed: ClosedWindow[] = [];
    let { closedToMs, entries } = row;
    for (let oldest = entries[0]; oldest !== undefined; oldest = entries[0]) {
      const endMs = this.#endAfterMs(oldest.firstMs, closedToMs);
      const startMs = endMs - sizeMs;
      if (!isFinal({ startMs, endMs }, watermarkMs, latenessMs)) break;
      const inside = entries.filter(({ firstMs }) => firstMs < endMs).map(({ partials }) => partials);
      closed.push({ startMs, endMs, partials: this.#partials.folded(inside) });
      closedToMs = endMs;
      // panes before the start of the next window are in none that is still open
      entries = entries.filter(({ firstMs }) => firstMs >= startMs + advanceMs);
    }
    return { row: { closedToMs, entries }, closed };
  }

  nextCloseMs({ closedToMs, entries: [oldest] }: BoxedRow): number | null {
    return oldest === undefined ? null : this.#endAfterMs(oldest.firstMs, closedToMs) + this.#times.latenessMs;
  }

  /** End of the earliest window that holds the pane (or begins after it) and is not closed. */
  #endAfterMs(firstMs: number, closedToMs: number): number {
    const { sizeMs, advanceMs } = this.#times;
    // starts are multiples of the advance; the window must end after both
    const beforeMs = Math.max(firstMs, closedToMs) - sizeMs;
    return (Math.floor(beforeMs / advanceMs) + 1) * advanceMs + sizeMs;
  }
}
