import { type NumericAggregate } from './aggregate.ts';
import { addTo, foldSums, sumAt } from './compensated.ts';

/** Slots: sum of the numerators (2), sum of the denominators (2), events. */
const DENOMINATOR = 2;
const EVENTS = 4;

/**
 * Ratio of two sums over the events that have both values; null where there is none, and where the denominators add up to 0.
 * Its error is that of the two sums (compensated.ts): a few units in the last place.
 */
export const ratio: NumericAggregate = {
  kind: 'numeric',
  name: 'ratio',
  partial: 'ratio',
  about:
    'Sum of a field over the sum of another, null where the latter is 0. Sums as those of sum; retraction approximate, and exact for integers below 2^53.',
  slots: 5,
  retraction: 'approximate',
  needsValue: true,
  needsSecond: true,
  ofText: null,
  init(into, at) {
    into.fill(0, at, at + 5);
  },
  add(into, at, value, _timeMs, second = Number.NaN) {
    addTo(into, at, value);
    addTo(into, at + DENOMINATOR, second);
    into[at + EVENTS] = (into[at + EVENTS] as number) + 1;
  },
  retract(into, at, value, _timeMs, second = Number.NaN) {
    addTo(into, at, -value);
    addTo(into, at + DENOMINATOR, -second);
    const events = (into[at + EVENTS] as number) - 1;
    into[at + EVENTS] = events;
    // nothing is left, not even what rounding left
    if (events === 0) into.fill(0, at, at + EVENTS);
  },
  fold(into, at, panes, start, stride, count) {
    foldSums(into, at, panes, start, stride, count);
    foldSums(into, at + DENOMINATOR, panes, start + DENOMINATOR, stride, count);
    let events = into[at + EVENTS] as number;
    const end = start + count * stride;
    for (let pane = start; pane < end; pane += stride) events += panes[pane + EVENTS] as number;
    into[at + EVENTS] = events;
  },
  result(from, at) {
    if ((from[at + EVENTS] as number) === 0) return null;
    const denominator = sumAt(from, at + DENOMINATOR);
    const found = sumAt(from, at) / denominator;
    return denominator === 0 || Number.isNaN(found) ? null : found;
  },
};
