import { type SketchAggregate, needsNumber } from './aggregate.ts';
import { ByteReader, ByteWriter } from './value-bytes.ts';

const VERSION = 1;

/**
 * Number of values per bin: below the first bound, from each bound (included) to the next (excluded), from the last one on. So there is
 * one bin more than bounds, and no value is lost. Merging is associative and commutative.
 * @param bounds ascending, at least one
 */
export function histogram(bounds: readonly number[]): SketchAggregate<Float64Array, readonly number[]> {
  return {
    kind: 'sketch',
    name: 'histogram',
    partial: `histogram ${bounds.join(' ')}`,
    about: 'Number of values per bin of the declared bounds. Exact; retraction exact.',
    retraction: 'exact',
    needsValue: true,
    takesText: false,
    create: () => new Float64Array(bounds.length + 1),
    add: (state, value) => change(state, bounds, value, 1),
    retract: (state, value) => change(state, bounds, value, -1),
    merge(into, from) {
      for (let bin = 0; bin < into.length; bin += 1) into[bin] = (into[bin] as number) + (from[bin] as number);
    },
    result: (state) => [...state],
    // version u8 | f64 per bin
    encode(state) {
      const writer = new ByteWriter(1 + 8 * state.length);
      writer.u8(VERSION);
      for (const values of state) writer.f64(values);
      return writer.bytes();
    },
    decode(bytes) {
      const reader = new ByteReader(bytes);
      reader.version(VERSION, 'histogram');
      return Float64Array.from({ length: bounds.length + 1 }, () => reader.f64());
    },
  };
}

function change(state: Float64Array, bounds: readonly number[], given: number | string, by: number): void {
  const value = needsNumber('histogram', given);
  // the first bound above the value
  let [low, high] = [0, bounds.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((bounds[middle] as number) <= value) low = middle + 1;
    else high = middle;
  }
  state[low] = (state[low] as number) + by;
}
