import { type NumericAggregate, cannotRetract } from './aggregate.ts';

/**
 * Milliseconds from the latest event to now, null of no event. Slot: its event time, −∞ where there is none.
 * 0 where now is before the latest event: a late event's pane may hold later ones.
 */
export const timeSinceLast: NumericAggregate = {
  kind: 'numeric',
  name: 'time_since_last',
  partial: 'latest',
  about: 'Milliseconds since the latest event, null of none. Exact; no retraction.',
  slots: 1,
  retraction: 'none',
  needsValue: false,
  needsSecond: false,
  ofText: null,
  init(into, at) {
    into[at] = -Infinity;
  },
  add(into, at, _value, timeMs) {
    into[at] = Math.max(into[at] as number, timeMs);
  },
  retract: () => cannotRetract('time_since_last'),
  fold(into, at, panes, start, stride, count) {
    let latest = into[at] as number;
    const end = start + count * stride;
    for (let pane = start; pane < end; pane += stride) latest = Math.max(latest, panes[pane] as number);
    into[at] = latest;
  },
  result(from, at, nowMs) {
    const latest = from[at] as number;
    return latest === -Infinity ? null : Math.max(0, nowMs - latest);
  },
};
