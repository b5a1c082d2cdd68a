import { type SketchAggregate } from './aggregate.ts';
import { ByteReader, ByteWriter, compareValues } from './value-bytes.ts';

/** How often each value was added. */
export type Occurrences = Map<number | string, number>;

const VERSION = 1;

/**
 * Number of distinct values, 0 of none; the number 1 and the text "1" are two, 0 and −0 are one. Keeps every value: for fields of few
 * values, or else `distinct_approx`. Merging is associative and commutative.
 */
export const distinct: SketchAggregate<Occurrences, number> = {
  kind: 'sketch',
  name: 'distinct',
  partial: 'distinct',
  about: 'Number of distinct values, 0 of none. Exact, keeps every value; retraction exact.',
  retraction: 'exact',
  needsValue: true,
  takesText: true,
  create: () => new Map(),
  add: (state, value) => change(state, value, 1),
  retract: (state, value) => change(state, value, -1),
  merge(into, from) {
    for (const [value, times] of from) change(into, value, times);
  },
  result: (state) => state.size,
  // version u8 | count u32 | (value, times f64) each, in the order of the values
  encode(state) {
    const writer = new ByteWriter(5 + 24 * state.size);
    writer.u8(VERSION);
    writer.u32(state.size);
    for (const [value, times] of [...state].sort(([a], [b]) => compareValues(a, b))) {
      writer.value(value);
      writer.f64(times);
    }
    return writer.bytes();
  },
  decode(bytes) {
    const reader = new ByteReader(bytes);
    reader.version(VERSION, 'distinct');
    const state: Occurrences = new Map();
    for (let left = reader.u32(); left > 0; left -= 1) state.set(reader.value(), reader.f64());
    return state;
  },
};

function change(state: Occurrences, value: number | string, by: number): void {
  const times = (state.get(value) ?? 0) + by;
  if (times < 0) throw new Error('distinct is to take out a value that was not added');
  if (times === 0) state.delete(value);
  else state.set(value, times);
}
