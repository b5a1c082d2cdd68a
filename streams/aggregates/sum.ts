import { type NumericAggregate } from './aggregate.ts';
import { addTo, foldSums, sumAt } from './compensated.ts';

/**
 * Sum and mean keep the same: slots high, low (see compensated.ts), number of values.
 * Both are null where there is no value. A sum that leaves the range of a double is ±Infinity (null where infinities of both signs
 * met), and the pane stays so; the mean of such a sum likewise.
 */
const kept = {
  kind: 'numeric',
  partial: 'sum',
  slots: 3,
  retraction: 'approximate',
  needsValue: true,
  needsSecond: false,
  ofText: null,
  init(into, at) {
    into[at] = 0;
    into[at + 1] = 0;
    into[at + 2] = 0;
  },
  add(into, at, value) {
    addTo(into, at, value);
    into[at + 2] = (into[at + 2] as number) + 1;
  },
  retract(into, at, value) {
    const values = (into[at + 2] as number) - 1;
    into[at + 2] = values;
    addTo(into, at, -value);
    // nothing is left, not even what rounding left
    if (values === 0) into.fill(0, at, at + 2);
  },
  fold(into, at, panes, start, stride, count) {
    foldSums(into, at, panes, start, stride, count);
    let values = into[at + 2] as number;
    const end = start + count * stride;
    for (let pane = start; pane < end; pane += stride) values += panes[pane + 2] as number;
    into[at + 2] = values;
  },
} satisfies Omit<NumericAggregate, 'name' | 'about' | 'result'>;

export const sum: NumericAggregate = {
  ...kept,
  name: 'sum',
  about:
    'Sum of the values, null of none. As if added in twice the precision; retraction approximate, and exact while all values are integers and the sum stays below 2^53.',
  result(from, at) {
    return (from[at + 2] as number) === 0 ? null : numberOrNull(sumAt(from, at));
  },
};

export const mean: NumericAggregate = {
  ...kept,
  name: 'mean',
  about: 'Arithmetic mean of the values, null of none. Sum and retraction as those of sum.',
  result(from, at) {
    const values = from[at + 2] as number;
    return values === 0 ? null : numberOrNull(sumAt(from, at) / values);
  },
};

function numberOrNull(value: number): number | null {
  return Number.isNaN(value) ? null : value;
}
