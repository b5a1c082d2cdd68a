// Declared windows compiled to a ring of panes: one row per key holds, per pane of one step, the partial results of all its
// aggregates; a window of k panes is the fold of the newest k. One row is changed per event, not one per window.
//
//   row: pane │ pane │ … │ pane        oldest first, only panes that have events
//   pane: number of the pane (⌊event time / step⌋) │ slots of aggregate 0 │ slots of aggregate 1 │ …
//
// The windows of an event end with its own pane, late or not: one of `size` covers the panes (own − size/step, own]. What its own pane
// holds of later events is in them, for panes are not divided; what lies in later panes is not. Panes are kept for the largest window
// of an event that is as late as may be.
import { type NumericAggregate } from '../aggregates/aggregate.ts';
import { Failure } from '../../schemas/failure.ts';
import { type Row } from '../state/row.ts';

export interface WindowedFeature {
  readonly name: string;
  readonly aggregate: NumericAggregate;
  /** index of its value among the fields of an event; −1: it counts events */
  readonly field: number;
  /** index of its second value (a ratio's denominator) */
  readonly second?: number;
  /** a multiple of the step, ms */
  readonly sizeMs: number;
}

export interface PaneRingSpec {
  /** width of a pane, ms */
  readonly stepMs: number;
  /** how far behind the newest event of its key an event may still count, to the ms */
  readonly latenessMs: number;
  readonly features: readonly WindowedFeature[];
}

/** An aggregate over one field: kept once per pane, however many windows ask for it. */
interface Group {
  readonly aggregate: NumericAggregate;
  readonly field: number;
  readonly second: number;
  /** place of its slots in a pane */
  readonly slot: number;
}

interface CompiledFeature {
  readonly aggregate: NumericAggregate;
  readonly group: number;
  readonly window: number;
}

/** Rows start with room for so many panes. */
const FIRST_PANES = 1;

export class PaneRing {
  readonly stepMs: number;
  readonly latenessMs: number;
  /** doubles of a pane */
  readonly stride: number;
  /** panes of a row at most: those of the largest window of an event that is as late as may be */
  readonly panesMax: number;
  readonly width: number;
  readonly #groups: readonly Group[];
  readonly #features: readonly CompiledFeature[];
  /** panes per window, ascending */
  readonly #windows: readonly number[];
  /** partial results by window, laid out as panes are */
  readonly #partials: Float64Array;

  /** @throws Failure `invalid_definition` */
  constructor({ stepMs, latenessMs, features }: PaneRingSpec) {
    if (!(stepMs > 0))
      throw new Failure('invalid_definition', 'step: a ring of panes needs a step.', {
        field: 'step',
        fix: 'Give a step such as 1m; exact windows (step 0) are kept event by event.',
      });
    for (const { name, sizeMs } of features)
      if (!(sizeMs > 0) || sizeMs % stepMs !== 0)
        throw new Failure('invalid_definition', `${name}: ${sizeMs} ms is no multiple of the step, ${stepMs} ms.`, {
          field: `features.${name}.window`,
          fix: 'Choose a window that is a whole number of steps.',
        });
    this.stepMs = stepMs;
    this.latenessMs = latenessMs;
    const groups: Group[] = [];
    let slot = 1;
    this.#windows = [...new Set(features.map(({ sizeMs }) => sizeMs / stepMs))].sort((a, b) => a - b);
    this.#features = features.map(({ aggregate, field, second = -1, sizeMs }) => {
      const wanted = aggregate.needsValue ? field : -1;
      // what is kept is the same: sum and mean of a field share it
      let group = groups.findIndex(
        (known) => known.aggregate.partial === aggregate.partial && known.field === wanted && known.second === second,
      );
      if (group < 0) {
        group = groups.push({ aggregate, field: wanted, second, slot }) - 1;
        slot += aggregate.slots;
      }
      return { aggregate, group, window: this.#windows.indexOf(sizeMs / stepMs) };
    });
    this.#groups = groups;
    this.stride = slot;
    this.panesMax = (this.#windows[this.#windows.length - 1] ?? 1) + Math.ceil(latenessMs / stepMs);
    this.width = features.length;
    this.#partials = new Float64Array(this.#windows.length * slot);
  }

  /** room of a new row */
  get doubles(): number {
    return FIRST_PANES * this.stride;
  }

  /**
   * Counts one event and gives the windows' values as of it.
   * @param fields the event's fields at `fieldsAt`; NaN: it has none
   * @param into one double per feature at `intoAt`; NaN: undefined
   * @returns false, and nothing has changed: the event is more than `lateness` older than the newest of its key
   */
  add(row: Row, timeMs: number, fields: Float64Array, fieldsAt: number, into: Float64Array, intoAt: number): boolean {
    const pane = Math.floor(timeMs / this.stepMs);
    const newestMs = this.#newestMs(row);
    const isLate = timeMs < newestMs;
    if (isLate && timeMs < newestMs - this.latenessMs) return false;
    const at = isLate ? this.#paneOfLate(row, pane) : this.#newestFor(row, pane);
    const { data } = row;
    for (const { aggregate, field, second, slot } of this.#groups) {
      if (field < 0) aggregate.add(data, at + slot, 1, timeMs);
      else {
        const value = fields[fieldsAt + field] ?? Number.NaN;
        const other = second < 0 ? 0 : (fields[fieldsAt + second] ?? Number.NaN);
        // NaN alone differs from itself
        if (value === value && other === other) aggregate.add(data, at + slot, value, timeMs, other);
      }
    }
    row.newestMs = isLate ? newestMs : timeMs;
    this.#fold(row, isLate ? (at - row.start) / this.stride + 1 : row.panes, timeMs, into, intoAt);
    return true;
  }

  /** −∞ for an empty row; where nobody wrote it down, the first instant that it may be. */
  #newestMs(row: Row): number {
    const { newestMs } = row;
    if (newestMs === newestMs) return newestMs;
    return row.panes === 0 ? -Infinity : this.#newestPane(row) * this.stepMs;
  }

  #newestPane({ data, start, panes }: Row): number {
    return data[start + (panes - 1) * this.stride] ?? 0;
  }

  /** Where the pane of an event that is not late stands in the row's data: the newest, made when it is missing. */
  #newestFor(row: Row, pane: number): number {
    if (row.panes > 0 && this.#newestPane(row) === pane) return row.start + (row.panes - 1) * this.stride;
    this.#drop(row, pane - this.panesMax);
    return this.#append(row, pane);
  }

  /** The same for a late event. */
  #paneOfLate(row: Row, pane: number): number {
    const { stride } = this;
    let index = row.panes;
    while (index > 0 && (row.data[row.start + (index - 1) * stride] ?? 0) >= pane) index -= 1;
    const at = row.start + index * stride;
    return index < row.panes && row.data[at] === pane ? at : this.#insert(row, index, pane);
  }

  /** Lets go of panes up to this number. */
  #drop(row: Row, upTo: number): void {
    const { data } = row;
    while (row.panes > 0 && (data[row.start] ?? 0) <= upTo) {
      row.start += this.stride;
      row.panes -= 1;
    }
    if (row.panes === 0) row.start = row.base;
  }

  #append(row: Row, pane: number): number {
    const { stride } = this;
    let at = row.start + row.panes * stride;
    if (at + stride > row.end) {
      makeRoom(row, stride);
      at = row.start + row.panes * stride;
    }
    row.panes += 1;
    this.#init(row.data, at, pane);
    return at;
  }

  #insert(row: Row, index: number, pane: number): number {
    const { stride } = this;
    const end = row.start + row.panes * stride;
    if (end + stride > row.end) makeRoom(row, stride);
    const at = row.start + index * stride;
    row.data.copyWithin(at + stride, at, row.start + row.panes * stride);
    row.panes += 1;
    this.#init(row.data, at, pane);
    return at;
  }

  #init(data: Float64Array, at: number, pane: number): void {
    data[at] = pane;
    for (const { aggregate, slot } of this.#groups) aggregate.init(data, at + slot);
  }

  // The windows that end with the last of the first `panes` panes, from the smallest to the largest: each is the fold of the panes that
  // the smaller one lacks, and of that one.
  #fold(row: Row, panes: number, timeMs: number, into: Float64Array, intoAt: number): void {
    const { stride } = this;
    const { data, start } = row;
    const partials = this.#partials;
    const newest = data[start + (panes - 1) * stride] ?? 0;
    let firstOfSmaller = panes;
    for (let window = 0; window < this.#windows.length; window += 1) {
      const oldest = newest - (this.#windows[window] ?? 0);
      let first = firstOfSmaller;
      while (first > 0 && (data[start + (first - 1) * stride] ?? 0) > oldest) first -= 1;
      const own = window * stride;
      for (const { aggregate, slot } of this.#groups) {
        aggregate.init(partials, own + slot);
        if (first < firstOfSmaller)
          aggregate.fold(partials, own + slot, data, start + first * stride + slot, stride, firstOfSmaller - first);
        if (window > 0) aggregate.fold(partials, own + slot, partials, own - stride + slot, stride, 1);
      }
      firstOfSmaller = first;
    }
    for (let index = 0; index < this.#features.length; index += 1) {
      const feature = this.#features[index];
      if (feature === undefined) continue;
      const slot = this.#groups[feature.group]?.slot ?? 0;
      into[intoAt + index] = feature.aggregate.result(partials, feature.window * stride + slot, timeMs) ?? Number.NaN;
    }
  }

  /** The windows' values as of the newest event, with the late ones that were counted since. */
  values(row: Row): (number | null)[] {
    const into = new Float64Array(this.width);
    if (row.panes === 0) return this.#features.map(() => null);
    this.#fold(row, row.panes, row.newestMs, into, 0);
    return Array.from(into, (value) => (Number.isNaN(value) ? null : value));
  }
}

/** Room for one more pane behind the newest. */
function makeRoom(row: Row, stride: number): void {
  const used = row.panes * stride;
  // much of it may be free in front
  if (row.start - row.base >= used && row.start > row.base) {
    row.data.copyWithin(row.base, row.start, row.start + used);
    row.start = row.base;
  } else row.move(Math.max(2 * used, used + 2 * stride), used);
}
