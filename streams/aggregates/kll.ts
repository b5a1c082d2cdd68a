// Quantile sketch of Karnin, Lang and Liberty ("Optimal Quantile Approximation in Streams", FOCS 2016).
//
// Levels of values; one on level h stands for 2^h. When the levels together are full, the lowest one that is over its capacity is sorted
// and every other value moves up; whether the even or the odd ones is a coin toss. Capacities fall by 2/3 from the highest level down,
// from k to at least 8, so that about 3k values are kept.
//
// Error: the rank of an answer differs from the one asked for by at most 2.296 / k^0.9723 of all values (1.33 % at k = 200) with a
// probability of 99 %, as Apache DataSketches measured for these capacities; the tests hold ours to it. With fewer than k values nothing
// has moved up, and every answer is exact.
//
// The coin is a hash of the values that are compacted, of their level and of how many values there are: the same events give the same
// sketch on each run, on each machine, and after each restore, and no two compactions toss the same coin.
import { mix32 } from './hash.ts';
import { ByteReader, ByteWriter } from './value-bytes.ts';

export interface Kll {
  readonly k: number;
  /** values so far */
  values: number;
  min: number;
  max: number;
  /** values of each level in no order; those from `sizes` on are room */
  levels: Float64Array[];
  sizes: number[];
  /** values kept */
  kept: number;
  /** values kept at most with so many levels */
  room: number;
}

/** Smaller levels would toss coins for pairs so often that their errors outweigh what they save. */
const LEVEL_MIN = 8;
const FALL = 2 / 3;

function capacity(k: number, level: number, levels: number): number {
  return Math.max(LEVEL_MIN, Math.ceil(k * FALL ** (levels - 1 - level)));
}

function roomOf(k: number, levels: number): number {
  let room = 0;
  for (let level = 0; level < levels; level += 1) room += capacity(k, level, levels);
  return room;
}

export function newKll(k: number): Kll {
  return {
    k,
    values: 0,
    min: Infinity,
    max: -Infinity,
    levels: [new Float64Array(LEVEL_MIN)],
    sizes: [0],
    kept: 0,
    room: roomOf(k, 1),
  };
}

export function addToKll(sketch: Kll, value: number): void {
  sketch.values += 1;
  // −0 counts as smaller than 0, as it does in sorting
  sketch.min = Math.min(sketch.min, value);
  sketch.max = Math.max(sketch.max, value);
  push(sketch, 0, value);
  if (sketch.kept >= sketch.room) compress(sketch);
}

/** Associative and commutative up to the error bound, and exactly as long as nothing is compacted. */
export function mergeKll(into: Kll, from: Kll): void {
  into.values += from.values;
  into.min = Math.min(into.min, from.min);
  into.max = Math.max(into.max, from.max);
  while (into.levels.length < from.levels.length) addLevel(into);
  from.levels.forEach((values, level) => append(into, level, values, from.sizes[level] as number));
  while (into.kept >= into.room) compress(into);
}

/**
 * The smallest value such that at least the share q of all values do not exceed it (the inverse of the distribution function; numpy's
 * method `inverted_cdf`); null of no value. The least and the greatest value are exact.
 */
export function quantileOf(sketch: Kll, q: number): number | null {
  const { values, min, max, levels, sizes } = sketch;
  if (values === 0) return null;
  // q × values may be an ulp above the whole number that is meant
  const wanted = Math.ceil(q * values * (1 - 2 ** -51));
  if (wanted <= 1) return min;
  if (wanted >= values) return max;
  const sorted = levels.map((level, at) => level.slice(0, sizes[at]).sort());
  const heads = sizes.map(() => 0);
  let below = 0;
  for (;;) {
    let least = -1;
    let value = Infinity;
    for (let level = 0; level < sorted.length; level += 1) {
      const head = sorted[level]?.[heads[level] as number];
      if (head !== undefined && (least < 0 || head < value)) {
        least = level;
        value = head;
      }
    }
    if (least < 0) return max;
    heads[least] = (heads[least] as number) + 1;
    below += 2 ** least;
    if (below >= wanted) return value;
  }
}

function push(sketch: Kll, level: number, value: number): void {
  const size = sketch.sizes[level] as number;
  withRoom(sketch, level, 1)[size] = value;
  sketch.sizes[level] = size + 1;
  sketch.kept += 1;
}

function append(sketch: Kll, level: number, from: Float64Array, count: number): void {
  const size = sketch.sizes[level] as number;
  withRoom(sketch, level, count).set(from.subarray(0, count), size);
  sketch.sizes[level] = size + count;
  sketch.kept += count;
}

/** The level, with room for so many more values. */
function withRoom(sketch: Kll, level: number, more: number): Float64Array {
  const size = sketch.sizes[level] as number;
  const values = sketch.levels[level] as Float64Array;
  if (size + more <= values.length) return values;
  const larger = new Float64Array(Math.max(2 * values.length, size + more));
  larger.set(values);
  sketch.levels[level] = larger;
  return larger;
}

function addLevel(sketch: Kll): void {
  sketch.levels.push(new Float64Array(LEVEL_MIN));
  sketch.sizes.push(0);
  sketch.room = roomOf(sketch.k, sketch.levels.length);
}

/** Makes room by one compaction or more, from the lowest level up. There is one: the levels cannot all be below their capacities. */
function compress(sketch: Kll): void {
  for (let level = 0; level < sketch.levels.length && sketch.kept >= sketch.room; level += 1) {
    if ((sketch.sizes[level] as number) < capacity(sketch.k, level, sketch.levels.length)) continue;
    if (level + 1 === sketch.levels.length) addLevel(sketch);
    compact(sketch, level);
  }
}

function compact(sketch: Kll, level: number): void {
  const values = sketch.levels[level] as Float64Array;
  const size = sketch.sizes[level] as number;
  values.subarray(0, size).sort();
  const pairs = size >> 1;
  const coin = toss(values, 2 * pairs, level, sketch.values);
  const above = withRoom(sketch, level + 1, pairs);
  const from = sketch.sizes[level + 1] as number;
  for (let pair = 0; pair < pairs; pair += 1) above[from + pair] = values[2 * pair + coin] as number;
  sketch.sizes[level + 1] = from + pairs;
  // of an odd number the greatest stays
  if (size % 2 === 1) values[0] = values[size - 1] as number;
  sketch.sizes[level] = size % 2;
  sketch.kept -= pairs;
}

const double = new Float64Array(1);
const halves = new Uint32Array(double.buffer);

function toss(values: Float64Array, size: number, level: number, count: number): 0 | 1 {
  let hash = mix32(count ^ (level << 24));
  for (let at = 0; at < size; at += 1) {
    double[0] = values[at] as number;
    hash = (Math.imul(hash ^ (halves[0] as number), 0x85ebca6b) + (hash >>> 15)) | 0;
    hash = (Math.imul(hash ^ (halves[1] as number), 0xc2b2ae35) + (hash >>> 13)) | 0;
  }
  return (mix32(hash) & 1) as 0 | 1;
}

// version u8 | values f64 | min f64 | max f64 | levels u8 | size u32 of each | values f64 of each
const VERSION = 1;

export function encodeKll({ values, min, max, levels, sizes, kept }: Kll): Buffer {
  const writer = new ByteWriter(26 + 4 * levels.length + 8 * kept);
  writer.u8(VERSION);
  writer.f64(values);
  writer.f64(min);
  writer.f64(max);
  writer.u8(levels.length);
  for (const size of sizes) writer.u32(size);
  levels.forEach((level, at) => {
    for (const value of level.subarray(0, sizes[at])) writer.f64(value);
  });
  return writer.bytes();
}

/** @throws Failure `undecodable_record` */
export function decodeKll(bytes: Buffer, k: number): Kll {
  const reader = new ByteReader(bytes);
  reader.version(VERSION, 'quantile');
  const [values, min, max, count] = [reader.f64(), reader.f64(), reader.f64(), reader.u8()];
  const sizes = Array.from({ length: count }, () => reader.u32());
  const levels = sizes.map((size) => {
    const level = new Float64Array(Math.max(LEVEL_MIN, size));
    for (let at = 0; at < size; at += 1) level[at] = reader.f64();
    return level;
  });
  const kept = sizes.reduce((sum, size) => sum + size, 0);
  return { k, values, min, max, levels, sizes, kept, room: roomOf(k, count) };
}
