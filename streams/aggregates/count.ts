import { type NumericAggregate } from './aggregate.ts';

/** Number of events, with and without values. Slot: count. */
export const count: NumericAggregate = {
  kind: 'numeric',
  name: 'count',
  partial: 'count',
  about: 'Number of events. Exact; retraction exact.',
  slots: 1,
  retraction: 'exact',
  needsValue: false,
  needsSecond: false,
  ofText: null,
  init(into, at) {
    into[at] = 0;
  },
  add(into, at) {
    into[at] = (into[at] as number) + 1;
  },
  retract(into, at) {
    into[at] = (into[at] as number) - 1;
  },
  fold(into, at, panes, start, stride, count) {
    let total = into[at] as number;
    const end = start + count * stride;
    for (let pane = start; pane < end; pane += stride) total += panes[pane] as number;
    into[at] = total;
  },
  result: (from, at) => from[at] as number,
};
