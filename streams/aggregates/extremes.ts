import { type NumericAggregate, cannotRetract } from './aggregate.ts';

/** Slot: the smallest value so far, ∞ where there is none. −0 counts as smaller than 0, so that order makes no difference. */
export const min: NumericAggregate = {
  kind: 'numeric',
  name: 'min',
  partial: 'min',
  about: 'Smallest value, null of none. Exact; no retraction.',
  slots: 1,
  retraction: 'none',
  needsValue: true,
  needsSecond: false,
  ofText: null,
  init(into, at) {
    into[at] = Infinity;
  },
  add(into, at, value) {
    into[at] = Math.min(into[at] as number, value);
  },
  retract: () => cannotRetract('min'),
  fold(into, at, panes, start, stride, count) {
    let least = into[at] as number;
    const end = start + count * stride;
    for (let pane = start; pane < end; pane += stride) least = Math.min(least, panes[pane] as number);
    into[at] = least;
  },
  result(from, at) {
    const least = from[at] as number;
    return least === Infinity ? null : least;
  },
};

/** Slot: the largest value so far, −∞ where there is none. */
export const max: NumericAggregate = {
  kind: 'numeric',
  name: 'max',
  partial: 'max',
  about: 'Largest value, null of none. Exact; no retraction.',
  slots: 1,
  retraction: 'none',
  needsValue: true,
  needsSecond: false,
  ofText: null,
  init(into, at) {
    into[at] = -Infinity;
  },
  add(into, at, value) {
    into[at] = Math.max(into[at] as number, value);
  },
  retract: () => cannotRetract('max'),
  fold(into, at, panes, start, stride, count) {
    let most = into[at] as number;
    const end = start + count * stride;
    for (let pane = start; pane < end; pane += stride) most = Math.max(most, panes[pane] as number);
    into[at] = most;
  },
  result(from, at) {
    const most = from[at] as number;
    return most === -Infinity ? null : most;
  },
};
