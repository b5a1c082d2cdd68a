// The most frequent values by Space-Saving (Metwally, Agrawal and El Abbadi, "Efficient Computation of Frequent and Top-k Elements in
// Data Streams", 2005), with a fixed number of counters.
//
// A value without a counter takes over the one with the least count, and inherits that count as its possible error. So with m counters
// and n values: no count is too small, none is too large by more than its `error`, which is at most n / m, and every value that makes
// up more than 1 / m of all is there. With no more than m distinct values every count is exact.
// Merging (Cafaro, Pulimeno and Tempesta 2016) keeps these bounds; it is associative and commutative up to them, and exactly as long as
// no more than m distinct values meet. Ties are broken by the values themselves, so that a run can be repeated.
import { type Heavy, type SketchAggregate, cannotRetract } from './aggregate.ts';
import { ByteReader, ByteWriter, compareValues } from './value-bytes.ts';

interface Counter {
  value: number | string;
  count: number;
  error: number;
}

export interface TopK {
  /** a heap: each counter is no less than its parent */
  heap: Counter[];
  /** place in the heap, by value */
  places: Map<number | string, number>;
}

const VERSION = 1;

/**
 * The k most frequent values, the most frequent first.
 * @param counters at least k
 */
export function topK(k: number, counters: number): SketchAggregate<TopK, readonly Heavy[]> {
  return {
    kind: 'sketch',
    name: 'top_k',
    partial: `top_k ${counters}`,
    about:
      'Most frequent values with their counts: Space-Saving, a count is too large by its error at most, and that by the number of values / counters. No retraction.',
    retraction: 'none',
    needsValue: true,
    takesText: true,
    create: () => ({ heap: [], places: new Map() }),
    add: (state, value) => add(state, value, counters),
    retract: () => cannotRetract('top_k'),
    merge: (into, from) => merge(into, from, counters),
    result: ({ heap }) =>
      [...heap]
        .sort(byFrequency)
        .slice(0, k)
        .map(({ value, count, error }) => ({ value, count, error })),
    encode,
    decode,
  };
}

function byFrequency(a: Counter, b: Counter): number {
  return b.count - a.count || compareValues(a.value, b.value);
}

/** The one to give up first: the least count; of those the last in the order of the values. */
function isBefore(a: Counter, b: Counter): boolean {
  return byFrequency(a, b) > 0;
}

function add({ heap, places }: TopK, value: number | string, counters: number): void {
  const place = places.get(value);
  if (place !== undefined) {
    (heap[place] as Counter).count += 1;
    sink(heap, places, place);
    return;
  }
  if (heap.length < counters) {
    heap.push({ value: value === 0 ? 0 : value, count: 1, error: 0 });
    rise(heap, places, heap.length - 1);
    return;
  }
  const least = heap[0] as Counter;
  places.delete(least.value);
  heap[0] = { value: value === 0 ? 0 : value, count: least.count + 1, error: least.count };
  sink(heap, places, 0);
}

function sink(heap: Counter[], places: TopK['places'], from: number): void {
  const counter = heap[from] as Counter;
  let place = from;
  for (;;) {
    let child = 2 * place + 1;
    if (child >= heap.length) break;
    if (child + 1 < heap.length && isBefore(heap[child + 1] as Counter, heap[child] as Counter)) child += 1;
    if (!isBefore(heap[child] as Counter, counter)) break;
    set(heap, places, place, heap[child] as Counter);
    place = child;
  }
  set(heap, places, place, counter);
}

function rise(heap: Counter[], places: TopK['places'], from: number): void {
  const counter = heap[from] as Counter;
  let place = from;
  while (place > 0) {
    const parent = (place - 1) >> 1;
    if (!isBefore(counter, heap[parent] as Counter)) break;
    set(heap, places, place, heap[parent] as Counter);
    place = parent;
  }
  set(heap, places, place, counter);
}

function set(heap: Counter[], places: TopK['places'], place: number, counter: Counter): void {
  heap[place] = counter;
  places.set(counter.value, place);
}

/** A value that one side has no counter for may have come there as often as its least counter says, once all are taken. */
function merge(into: TopK, from: TopK, counters: number): void {
  const least = ({ heap }: TopK): number => (heap.length < counters ? 0 : (heap[0] as Counter).count);
  const [ours, theirs] = [least(into), least(from)];
  const all = into.heap.map((counter) => {
    const place = from.places.get(counter.value);
    const other = place === undefined ? { count: theirs, error: theirs } : (from.heap[place] as Counter);
    return { value: counter.value, count: counter.count + other.count, error: counter.error + other.error };
  });
  for (const { value, count, error } of from.heap)
    if (!into.places.has(value)) all.push({ value, count: count + ours, error: error + ours });
  fill(into, all.sort(byFrequency).slice(0, counters));
}

/** @param sorted by frequency */
function fill(state: TopK, sorted: readonly Counter[]): void {
  // from the least up, an array in order is a heap
  state.heap = sorted.toReversed();
  state.places = new Map(state.heap.map(({ value }, place) => [value, place]));
}

// version u8 | count u32 | (value, count f64, error f64) each, the most frequent first
function encode({ heap }: TopK): Buffer {
  const writer = new ByteWriter(5 + 40 * heap.length);
  writer.u8(VERSION);
  writer.u32(heap.length);
  for (const { value, count, error } of [...heap].sort(byFrequency)) {
    writer.value(value);
    writer.f64(count);
    writer.f64(error);
  }
  return writer.bytes();
}

function decode(bytes: Buffer): TopK {
  const reader = new ByteReader(bytes);
  reader.version(VERSION, 'top_k');
  const sorted = Array.from({ length: reader.u32() }, () => ({
    value: reader.value(),
    count: reader.f64(),
    error: reader.f64(),
  }));
  const state: TopK = { heap: [], places: new Map() };
  fill(state, sorted);
  return state;
}
