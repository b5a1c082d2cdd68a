// Sliding windows (t − size, t]: one result for each instant t at which the window of a key changes, given once no event can change it
// any more. A window changes when an event comes and, unless nobody wants to know, when one leaves (assign.ts says when that is).
//
//   size 10, step 0      events   ──e3──────e7──────────────►
//                        results  (−7,3] (−3,7]   (3,13] (7,17]
//                                  e3     e3 e7    e7     none
//
// Events of one instant are one entry. Once an instant was told, it is put together with those before that leave when it does: a key
// keeps size / step entries and those that are not told yet.
import { type BoxedPartials } from './boxed-partials.ts';
import { type BoxedEntry, type BoxedRow, type BoxedWindows, type ClosedWindow } from './boxed-row.ts';
import { arrivalOf, leavesAtMs } from './assign.ts';

export interface SlidingTimes {
  readonly sizeMs: number;
  /** events leave at multiples of it; 0: exactly when they are as old as the size */
  readonly stepMs: number;
  /** whether a result tells that an event has left */
  readonly isExpiryTold: boolean;
  readonly latenessMs: number;
}

export class SlidingWindows implements BoxedWindows {
  readonly #partials: BoxedPartials;
  readonly #times: SlidingTimes;
  readonly latenessMs: number;

  constructor(partials: BoxedPartials, times: SlidingTimes) {
    this.#partials = partials;
    this.#times = times;
    this.latenessMs = times.latenessMs;
  }

  add(row: BoxedRow, event: unknown, timeMs: number, watermarkMs: number): BoxedRow | null {
    if (arrivalOf(timeMs, watermarkMs, this.latenessMs) === 'too late') return null;
    const { entries } = row;
    // events come mostly in order, so from the newest; what was told is put together, and nothing comes there any more
    let at = entries.length;
    while (at > 0 && (entries[at - 1]?.lastMs ?? 0) >= timeMs) at -= 1;
    const found = entries[at]?.firstMs === timeMs ? entries[at] : undefined;
    const partials = this.#partials.withEvent(found === undefined ? [] : [found.partials], event, timeMs);
    const entry: BoxedEntry = { firstMs: timeMs, lastMs: timeMs, partials };
    return { ...row, entries: entries.toSpliced(at, found === undefined ? 0 : 1, entry) };
  }

  close({ closedToMs, entries }: BoxedRow, watermarkMs: number): ReturnType<BoxedWindows['close']> {
    // an event of this instant may still come
    const openMs = watermarkMs - this.latenessMs;
    const instants = [...this.#instantsAfter(entries, closedToMs)]
      .filter((instantMs) => instantMs < openMs)
      .sort((a, b) => a - b);
    const closed = instants.map((endMs) => this.#windowAt(entries, endMs));
    const toMs = instants.at(-1) ?? closedToMs;
    return { row: { closedToMs: toMs, entries: this.#kept(entries, toMs, openMs) }, closed };
  }

  nextCloseMs({ closedToMs, entries }: BoxedRow): number | null {
    const [oldest] = entries;
    if (oldest === undefined) return null;
    // where expiry is not told, the last events still have to be let go of
    let nextMs = this.#leavesAtMs(oldest);
    for (const instantMs of this.#instantsAfter(entries, closedToMs)) nextMs = Math.min(nextMs, instantMs);
    return nextMs + this.latenessMs + 1;
  }

  /** Instants at which the window changes and that were not told. */
  #instantsAfter(entries: readonly BoxedEntry[], closedToMs: number): ReadonlySet<number> {
    const comings = entries.map(({ lastMs }) => lastMs);
    const goings = this.#times.isExpiryTold ? entries.map((entry) => this.#leavesAtMs(entry)) : [];
    return new Set([...comings, ...goings].filter((instantMs) => instantMs > closedToMs));
  }

  #windowAt(entries: readonly BoxedEntry[], endMs: number): ClosedWindow {
    const inside = entries.filter((entry) => entry.lastMs <= endMs && this.#leavesAtMs(entry) > endMs);
    const partials = this.#partials.folded(inside.map((entry) => entry.partials));
    return { startMs: endMs - this.#times.sizeMs, endMs, partials };
  }

  /** Without entries that no window to come has; those that leave together and were told are one from now on. */
  #kept(entries: readonly BoxedEntry[], toldMs: number, openMs: number): BoxedEntry[] {
    const kept: BoxedEntry[] = [];
    for (const entry of entries) {
      if (this.#leavesAtMs(entry) < openMs) continue;
      const before = kept.at(-1);
      const isTogether =
        before !== undefined && entry.lastMs <= toldMs && this.#leavesAtMs(before) === this.#leavesAtMs(entry);
      if (isTogether) kept[kept.length - 1] = this.#together(before, entry);
      else kept.push(entry);
    }
    return kept;
  }

  #together(before: BoxedEntry, { lastMs, partials }: BoxedEntry): BoxedEntry {
    return { firstMs: before.firstMs, lastMs, partials: this.#partials.folded([before.partials, partials]) };
  }

  #leavesAtMs({ lastMs }: BoxedEntry): number {
    return leavesAtMs(lastMs, this.#times.sizeMs, this.#times.stepMs);
  }
}
