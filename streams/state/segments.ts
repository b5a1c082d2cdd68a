// Memory for blocks of doubles: a few large arrays, filled from front to back, given back as wholes.

/** An address: the segment's number, and the place in it, in doubles. */
const PLACE_BITS = 17;
export const PLACE_MASK = (1 << PLACE_BITS) - 1;
const SEGMENT_DOUBLES_MAX = 1 << PLACE_BITS;
const SEGMENT_DOUBLES_MIN = 512;
/** The first one is small; tables of few rows are many. */
const FIRST_SEGMENT_DOUBLES = 2048;
/** Segments in memory that is full, at least. */
const SEGMENTS = 16;
/** Released segments that are kept, beside the bound. */
const SPARE_MAX = 1;

export interface Segment {
  readonly number: number;
  readonly doubles: Float64Array;
  /** the same memory */
  readonly ints: Int32Array;
  /** the same memory */
  readonly bytes: Buffer;
  /** doubles */
  used: number;
}

export function addressIn({ number }: Segment, place: number): number {
  return (number << PLACE_BITS) | place;
}

export class Segments {
  readonly #doublesMax: number;
  /** by number; null: free */
  readonly #segments: (Segment | null)[] = [];
  /** oldest first; the last is the one that is filled */
  readonly #order: Segment[] = [];
  /** usual ones that were released, to be used again: a new one is cleared first, and counts for the garbage collector */
  readonly #spare: Float64Array[] = [];
  /** besides the spare ones */
  bytes = 0;
  /** so far */
  made = 0;

  /** @param bytesMax what they are meant to take in all; it is not kept here */
  constructor(bytesMax: number) {
    const share = 2 ** Math.floor(Math.log2(Math.max(1, bytesMax / 8 / SEGMENTS)));
    this.#doublesMax = Math.min(SEGMENT_DOUBLES_MAX, Math.max(SEGMENT_DOUBLES_MIN, share));
  }

  get count(): number {
    return this.#order.length;
  }

  /** Of a usual segment. */
  get segmentBytes(): number {
    return 8 * this.#doublesMax;
  }

  /** All but what is free in the newest one. */
  get filledBytes(): number {
    const newest = this.#order[this.#order.length - 1];
    return newest === undefined ? 0 : this.bytes - 8 * (newest.doubles.length - newest.used);
  }

  of(address: number): Segment {
    return this.#segments[address >>> PLACE_BITS] as Segment;
  }

  /** Room for so many doubles; what was there before is still in it. */
  allocate(doubles: number): number {
    let segment = this.#order[this.#order.length - 1];
    if (segment === undefined || segment.used + doubles > segment.doubles.length) segment = this.#make(doubles);
    const place = segment.used;
    segment.used += doubles;
    return addressIn(segment, place);
  }

  /** A block that is larger than segments are gets one of its own. */
  #make(doublesMin: number): Segment {
    const grown = Math.max(FIRST_SEGMENT_DOUBLES, 2 ** Math.floor(Math.log2(Math.max(1, this.bytes / 8))));
    const size = Math.max(doublesMin, Math.min(this.#doublesMax, grown));
    const doubles = (size === this.#doublesMax ? this.#spare.pop() : undefined) ?? new Float64Array(size);
    const { buffer, byteLength } = doubles;
    const free = this.#segments.indexOf(null);
    const number = free < 0 ? this.#segments.length : free;
    const segment = { number, doubles, ints: new Int32Array(buffer), bytes: Buffer.from(buffer), used: 0 };
    this.#segments[number] = segment;
    this.#order.push(segment);
    this.bytes += byteLength;
    this.made += 1;
    return segment;
  }

  /** The oldest one, to be emptied and released: nothing is put into it any more. */
  takeOldest(): Segment | undefined {
    return this.#order.shift();
  }

  release({ number, doubles }: Segment): void {
    this.#segments[number] = null;
    this.bytes -= doubles.byteLength;
    if (doubles.length === this.#doublesMax && this.#spare.length < SPARE_MAX) this.#spare.push(doubles);
  }
}

/** As integers, for two of them, or a piece of a key, need not survive being read and written as a double. */
export function copyInts(from: Int32Array, fromAt: number, into: Int32Array, intoAt: number, count: number): void {
  if (count > 256) into.set(from.subarray(fromAt, fromAt + count), intoAt);
  else for (let index = 0; index < count; index += 1) into[intoAt + index] = from[fromAt + index] ?? 0;
}

export function doublesFor(bytes: number): number {
  return (bytes + 7) >>> 3;
}
