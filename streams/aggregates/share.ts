import { type ShareCondition } from '../../schemas/aggregate-declaration.ts';
import { type NumericAggregate } from './aggregate.ts';

/** Text is compared with text only: it enters as this number, or as 0. */
const SAME_TEXT = 1;

/**
 * Share of the values that meet a condition; null of no value. Slots: values that meet it, values.
 * True and false are the numbers 1 and 0.
 */
export function share(condition: ShareCondition): NumericAggregate {
  const { equals, above, at_least, below, at_most } = condition;
  const text = typeof equals === 'string' ? equals : null;
  const meets = text === null ? numericCondition(condition) : (value: number): boolean => value === SAME_TEXT;
  const change = (into: Float64Array, at: number, value: number, by: number): void => {
    if (meets(value)) into[at] = (into[at] as number) + by;
    into[at + 1] = (into[at + 1] as number) + by;
  };
  return {
    kind: 'numeric',
    name: 'share',
    partial: `share ${JSON.stringify([equals, above, at_least, below, at_most])}`,
    about: 'Share of the values that meet the condition, null of none. Exact; retraction exact.',
    slots: 2,
    retraction: 'exact',
    needsValue: true,
    needsSecond: false,
    ofText: text === null ? null : (value) => (value === text ? SAME_TEXT : 0),
    init(into, at) {
      into[at] = 0;
      into[at + 1] = 0;
    },
    add: (into, at, value) => change(into, at, value, 1),
    retract: (into, at, value) => change(into, at, value, -1),
    fold(into, at, panes, start, stride, count) {
      let meeting = into[at] as number;
      let values = into[at + 1] as number;
      const end = start + count * stride;
      for (let pane = start; pane < end; pane += stride) {
        meeting += panes[pane] as number;
        values += panes[pane + 1] as number;
      }
      into[at] = meeting;
      into[at + 1] = values;
    },
    result(from, at) {
      const values = from[at + 1] as number;
      return values === 0 ? null : (from[at] as number) / values;
    },
  };
}

function numericCondition({ equals, above, at_least, below, at_most }: ShareCondition): (value: number) => boolean {
  const low = at_least ?? -Infinity;
  const high = at_most ?? Infinity;
  return (value) =>
    value >= low &&
    value <= high &&
    (above === undefined || value > above) &&
    (below === undefined || value < below) &&
    (equals === undefined || value === equals);
}
