// The value of the first and of the last event by event time. Of events at the same instant the later in the log wins, in both: it
// corrects the one before. Slots: its event time (infinite where there is none), its value.
import { type NumericAggregate, cannotRetract } from './aggregate.ts';

export const first: NumericAggregate = {
  kind: 'numeric',
  name: 'first',
  partial: 'first',
  about: 'Value of the earliest event that has one, null of none. Exact; no retraction.',
  slots: 2,
  retraction: 'none',
  needsValue: true,
  needsSecond: false,
  ofText: null,
  init(into, at) {
    into[at] = Infinity;
    into[at + 1] = 0;
  },
  add(into, at, value, timeMs) {
    if (timeMs > (into[at] as number)) return;
    into[at] = timeMs;
    into[at + 1] = value;
  },
  retract: () => cannotRetract('first'),
  fold(into, at, panes, start, stride, count) {
    let timeMs = into[at] as number;
    let value = into[at + 1] as number;
    const end = start + count * stride;
    for (let pane = start; pane < end; pane += stride) {
      if ((panes[pane] as number) > timeMs) continue;
      timeMs = panes[pane] as number;
      value = panes[pane + 1] as number;
    }
    into[at] = timeMs;
    into[at + 1] = value;
  },
  result: (from, at) => ((from[at] as number) === Infinity ? null : (from[at + 1] as number)),
};

export const last: NumericAggregate = {
  kind: 'numeric',
  name: 'last',
  partial: 'last',
  about: 'Value of the latest event that has one, null of none. Exact; no retraction.',
  slots: 2,
  retraction: 'none',
  needsValue: true,
  needsSecond: false,
  ofText: null,
  init(into, at) {
    into[at] = -Infinity;
    into[at + 1] = 0;
  },
  add(into, at, value, timeMs) {
    if (timeMs < (into[at] as number)) return;
    into[at] = timeMs;
    into[at + 1] = value;
  },
  retract: () => cannotRetract('last'),
  fold(into, at, panes, start, stride, count) {
    let timeMs = into[at] as number;
    let value = into[at + 1] as number;
    const end = start + count * stride;
    for (let pane = start; pane < end; pane += stride) {
      if ((panes[pane] as number) < timeMs) continue;
      timeMs = panes[pane] as number;
      value = panes[pane + 1] as number;
    }
    into[at] = timeMs;
    into[at + 1] = value;
  },
  result: (from, at) => ((from[at] as number) === -Infinity ? null : (from[at + 1] as number)),
};
