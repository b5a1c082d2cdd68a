// The values of the last k events by event time, oldest first; of events at the same instant the later in the log comes later.
import { type SketchAggregate, cannotRetract } from './aggregate.ts';
import { ByteReader, ByteWriter } from './value-bytes.ts';

export interface LastK {
  /** ascending; as long as `values` */
  timesMs: number[];
  values: (number | string)[];
}

const VERSION = 1;

/** Merging is associative, and commutative where no two events share an instant. */
export function lastK(k: number): SketchAggregate<LastK, readonly (number | string)[]> {
  return {
    kind: 'sketch',
    name: 'last_k',
    partial: `last_k ${k}`,
    about: 'Values of the last k events that have one, oldest first. Exact; no retraction.',
    retraction: 'none',
    needsValue: true,
    takesText: true,
    create: () => ({ timesMs: [], values: [] }),
    add: (state, value, timeMs) => insert(state, value, timeMs, k),
    retract: () => cannotRetract('last_k'),
    merge(into, from) {
      from.values.forEach((value, at) => insert(into, value, from.timesMs[at] ?? 0, k));
    },
    result: ({ values }) => [...values],
    // version u8 | count u32 | (time f64, value) each
    encode({ timesMs, values }) {
      const writer = new ByteWriter(5 + 17 * values.length);
      writer.u8(VERSION);
      writer.u32(values.length);
      values.forEach((value, at) => {
        writer.f64(timesMs[at] ?? 0);
        writer.value(value);
      });
      return writer.bytes();
    },
    decode(bytes) {
      const reader = new ByteReader(bytes);
      reader.version(VERSION, 'last_k');
      const state: LastK = { timesMs: [], values: [] };
      for (let left = reader.u32(); left > 0; left -= 1) {
        state.timesMs.push(reader.f64());
        state.values.push(reader.value());
      }
      return state;
    },
  };
}

function insert({ timesMs, values }: LastK, value: number | string, timeMs: number, k: number): void {
  let at = values.length;
  while (at > 0 && (timesMs[at - 1] ?? 0) > timeMs) at -= 1;
  timesMs.splice(at, 0, timeMs);
  values.splice(at, 0, value);
  if (values.length <= k) return;
  timesMs.shift();
  values.shift();
}
