// Rows of many keys in a few large arrays: neither an object nor a string per row, so that the garbage collector has nothing to do
// however many there are, and what they take in memory is known to the byte.
//
//   segment: block │ block │ … │ free        filled from front to back; a block that grows moves to the newest segment
//   block:   hash │ length │ key bytes │ used │ placed │ place in each list … │ drawn │ start │ panes │ last event │ key │ panes
//
// Memory is won back by whole segments, the oldest first: blocks in it that are to stay are moved to the newest segment, the others
// are let go of (as a log-structured file system cleans; Rosenblum and Ousterhout 1992).
import { AddressIndex, hashOf } from './address-index.ts';
import { type Row } from './row.ts';

/** Integers in a block's head, by place. */
const HASH = 0;
/** of the block, doubles */
const LENGTH = 1;
/** −1: nobody's any more */
const KEY_BYTES = 2;
/** Sweep at which the row was used last. */
const USED = 3;
/** Sweep at which the block was put where it lies. */
const PLACED = 4;
const START = 5;
const PANES = 6;
/** Number of the draw for the store in which the row was last. */
const DRAWN = 7;
/** Its place in each of the lists; −1: it is not in it. */
const LISTED = 8;
const LISTS = 3;
/** Doubles in a block's head: its integers, and the time of the last event. */
const HEAD_DOUBLES = 7;
const LAST_MS = HEAD_DOUBLES - 1;

/** An address: the segment's number, and the place in it. */
const PLACE_BITS = 17;
const PLACE_MASK = (1 << PLACE_BITS) - 1;
const SEGMENT_DOUBLES_MAX = 1 << PLACE_BITS;
const SEGMENT_DOUBLES_MIN = 512;
/** An arena begins with a small segment; tables of few rows are many. */
const FIRST_SEGMENT_DOUBLES = 2048;
/** Segments in an arena that is full, at least. */
const SEGMENTS = 16;
/** Above this part of the bound rows are let go of; below, the segments are only put together. */
const CROWDED = 3 / 4;
/** What is nobody's may be as much as what is somebody's, and so much more. */
const SLACK_BYTES = 1024 * 1024;

interface Segment {
  readonly doubles: Float64Array;
  readonly ints: Int32Array;
  readonly bytes: Buffer;
  /** doubles */
  used: number;
}

/** Rows with a mark, in the order in which they were marked. Stays right when they move. */
export class RowList {
  readonly addresses: number[] = [];
  bytes = 0;

  clear(): void {
    this.addresses.length = 0;
    this.bytes = 0;
  }
}

/** One row of an arena at a time; `RowArena.open` turns it to another. */
export class ArenaRow implements Row {
  data: Float64Array = new Float64Array(0);
  base = 0;
  end = 0;
  start = 0;
  panes = 0;
  lastMs = Number.NaN;
  address = -1;
  readonly #arena: RowArena;

  constructor(arena: RowArena) {
    this.#arena = arena;
  }

  move(doubles: number, used: number): void {
    this.#arena.enlarge(this, doubles, used);
  }
}

export class RowArena {
  readonly lists: readonly RowList[] = Array.from({ length: LISTS }, () => new RowList());
  readonly #index = new AddressIndex();
  readonly #bytesMax: number;
  readonly #segmentDoubles: number;
  /** by number; null: free */
  readonly #segments: (Segment | null)[] = [];
  /** numbers, oldest first; the last is the one that is filled */
  #order: number[] = [];
  #segmentBytes = 0;
  #liveBytes = 0;
  /** segments made since the last cleaning */
  #made = 0;
  sweeps = 0;

  /** @param bytesMax what segments and index may take, once cleaned */
  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
    const share = 2 ** Math.floor(Math.log2(Math.max(1, bytesMax / 8 / SEGMENTS)));
    this.#segmentDoubles = Math.min(SEGMENT_DOUBLES_MAX, Math.max(SEGMENT_DOUBLES_MIN, share));
  }

  get rows(): number {
    return this.#index.size;
  }

  /** What segments and index take. */
  get bytes(): number {
    return this.#segmentBytes + this.#index.bytes;
  }

  /** The row's address, which is right until the row grows or the arena is cleaned; −1: it has none. */
  find(key: Buffer, start: number, end: number): number {
    const hash = hashOf(key, start, end);
    const length = end - start;
    let slot = this.#index.slotOf(hash);
    for (; slot >= 0; slot = this.#index.slotOf(hash, slot)) {
      const address = this.#index.addressAt(slot);
      const { ints, bytes } = this.#segmentOf(address);
      const place = address & PLACE_MASK;
      if (ints[2 * place + KEY_BYTES] !== length) continue;
      const at = (place + HEAD_DOUBLES) * 8;
      let same = 0;
      while (same < length && bytes[at + same] === key[start + same]) same += 1;
      if (same < length) continue;
      ints[2 * place + USED] = this.sweeps;
      return address;
    }
    return -1;
  }

  /** An empty row for a key that has none. */
  add(key: Buffer, start: number, end: number, doubles: number): number {
    const hash = hashOf(key, start, end);
    const address = this.#allocate(HEAD_DOUBLES + keyDoubles(end - start) + doubles);
    const { ints, bytes, doubles: data } = this.#segmentOf(address);
    const place = address & PLACE_MASK;
    const head = 2 * place;
    ints[head + HASH] = hash;
    ints[head + KEY_BYTES] = end - start;
    ints[head + USED] = this.sweeps;
    ints[head + START] = 0;
    ints[head + PANES] = 0;
    ints[head + DRAWN] = 0;
    for (let list = 0; list < LISTS; list += 1) ints[head + LISTED + list] = -1;
    data[place + LAST_MS] = Number.NaN;
    const at = (place + HEAD_DOUBLES) * 8;
    for (let index = 0; index < end - start; index += 1) bytes[at + index] = key[start + index] ?? 0;
    this.#index.add(hash, address);
    return address;
  }

  #segmentOf(address: number): Segment {
    return this.#segments[address >>> PLACE_BITS] as Segment;
  }

  /** Turns `row` to that one. */
  open(row: ArenaRow, address: number): void {
    const { ints, doubles } = this.#segmentOf(address);
    const place = address & PLACE_MASK;
    const head = 2 * place;
    row.address = address;
    row.data = doubles;
    row.base = place + HEAD_DOUBLES + keyDoubles(ints[head + KEY_BYTES] ?? 0);
    row.end = place + (ints[head + LENGTH] ?? 0);
    row.start = row.base + (ints[head + START] ?? 0);
    row.panes = ints[head + PANES] ?? 0;
    row.lastMs = doubles[place + LAST_MS] ?? 0;
  }

  /** Keeps what was changed of the row besides its data. */
  keep({ address, start, base, panes, lastMs }: ArenaRow): void {
    const { ints, doubles } = this.#segmentOf(address);
    const place = address & PLACE_MASK;
    ints[2 * place + START] = start - base;
    ints[2 * place + PANES] = panes;
    doubles[place + LAST_MS] = lastMs;
  }

  /** Where the key lies. */
  keyAt(address: number): { readonly bytes: Buffer; readonly start: number; readonly end: number } {
    const { ints, bytes } = this.#segmentOf(address);
    const place = address & PLACE_MASK;
    const start = (place + HEAD_DOUBLES) * 8;
    return { bytes, start, end: start + (ints[2 * place + KEY_BYTES] ?? 0) };
  }

  /** For `Row.move`. */
  enlarge(row: ArenaRow, doubles: number, used: number): void {
    const from = row.address;
    const { base, start } = row;
    const to = this.#allocate(base - (from & PLACE_MASK) + doubles);
    const place = to & PLACE_MASK;
    const into = this.#segmentOf(to);
    const [head, length] = [from & PLACE_MASK, into.ints[2 * place + LENGTH] ?? 0];
    const before = this.#segmentOf(from).ints;
    copyInts(before, 2 * head, into.ints, 2 * place, 2 * (base - head));
    copyInts(before, 2 * start, into.ints, 2 * (place + base - head), 2 * used);
    into.ints[2 * place + LENGTH] = length;
    into.ints[2 * place + PLACED] = this.sweeps;
    into.ints[2 * place + START] = 0;
    this.#moved(from, to);
    const { panes, lastMs } = row;
    this.open(row, to);
    row.panes = panes;
    row.lastMs = lastMs;
  }

  /** What points to the block points to where it lies now. */
  #moved(from: number, to: number): void {
    const { ints } = this.#segmentOf(to);
    const head = 2 * (to & PLACE_MASK);
    this.#index.move(ints[head + HASH] ?? 0, from, to);
    for (let list = 0; list < LISTS; list += 1) {
      const listed = ints[head + LISTED + list] ?? -1;
      const addresses = this.lists[list]?.addresses;
      if (listed >= 0 && addresses !== undefined) addresses[listed] = to;
    }
    this.#free(from);
  }

  #free(address: number): void {
    const { ints } = this.#segmentOf(address);
    const head = 2 * (address & PLACE_MASK);
    ints[head + KEY_BYTES] = -1;
    this.#liveBytes -= 8 * (ints[head + LENGTH] ?? 0);
  }

  /** Lets go of the row. It must be in no list. */
  remove(address: number): void {
    const { ints } = this.#segmentOf(address);
    this.#index.remove(ints[2 * (address & PLACE_MASK) + HASH] ?? 0, address);
    this.#free(address);
  }

  /** @param list its number */
  mark(address: number, list: number): void {
    const { ints } = this.#segmentOf(address);
    const head = 2 * (address & PLACE_MASK);
    const marked = this.lists[list];
    if (marked === undefined || ints[head + LISTED + list] !== -1) return;
    ints[head + LISTED + list] = marked.addresses.push(address) - 1;
    marked.bytes += 8 * (ints[head + LENGTH] ?? 0);
  }

  isMarked(address: number, list: number): boolean {
    return this.#segmentOf(address).ints[2 * (address & PLACE_MASK) + LISTED + list] !== -1;
  }

  /** Takes the mark from all rows of the list. */
  unmarkAll(list: number): void {
    const marked = this.lists[list];
    if (marked === undefined) return;
    for (const address of marked.addresses)
      this.#segmentOf(address).ints[2 * (address & PLACE_MASK) + LISTED + list] = -1;
    marked.clear();
  }

  drawnAt(address: number): number {
    return this.#segmentOf(address).ints[2 * (address & PLACE_MASK) + DRAWN] ?? 0;
  }

  setDrawn(address: number, draw: number): void {
    this.#segmentOf(address).ints[2 * (address & PLACE_MASK) + DRAWN] = draw;
  }

  #allocate(doubles: number): number {
    let number = this.#order[this.#order.length - 1];
    let segment = number === undefined ? null : this.#segments[number];
    if (number === undefined || !segment || segment.used + doubles > segment.doubles.length) {
      number = this.#newSegment(doubles);
      segment = this.#segments[number];
    }
    const place = segment.used;
    segment.used += doubles;
    segment.ints[2 * place + LENGTH] = doubles;
    segment.ints[2 * place + PLACED] = this.sweeps;
    this.#liveBytes += 8 * doubles;
    return (number << PLACE_BITS) | place;
  }

  /** A row that is larger than segments are gets one of its own. */
  #newSegment(doublesMin: number): number {
    const grown = Math.max(FIRST_SEGMENT_DOUBLES, 2 ** Math.floor(Math.log2(Math.max(1, this.#segmentBytes / 8))));
    const size = Math.max(doublesMin, Math.min(this.#segmentDoubles, grown));
    const doubles = new Float64Array(size);
    const { buffer } = doubles;
    const free = this.#segments.indexOf(null);
    const number = free < 0 ? this.#segments.length : free;
    this.#segments[number] = { doubles, ints: new Int32Array(buffer), bytes: Buffer.from(buffer), used: 0 };
    this.#order.push(number);
    this.#segmentBytes += 8 * size;
    this.#made += 1;
    return number;
  }

  /**
   * Between two slabs: wins memory back while there is more than the bound, and where much of it is nobody's.
   * @returns how many rows were let go of
   */
  sweep(mustStay: (address: number) => boolean): number {
    this.sweeps += 1;
    let left = Math.min(this.#order.length, 2 * this.#made + 1);
    this.#made = 0;
    let gone = 0;
    const sparing = { bytes: 8 * this.#segmentDoubles };
    for (; left > 0 && this.#isWasteful; left -= 1) gone += this.#clean(mustStay, sparing);
    this.#made = 0;
    return gone;
  }

  get #isWasteful(): boolean {
    return this.bytes > this.#bytesMax || this.#segmentBytes > 2 * this.#liveBytes + SLACK_BYTES;
  }

  /** The oldest segment. @param sparing so many bytes of rows that were used since they were put there may stay */
  #clean(mustStay: (address: number) => boolean, sparing: { bytes: number }): number {
    const number = this.#order.shift();
    const segment = number === undefined ? null : this.#segments[number];
    if (number === undefined || !segment) return 0;
    const mayLetGo = this.bytes > this.#bytesMax && this.#liveBytes > CROWDED * this.#bytesMax;
    let gone = 0;
    for (let place = 0, length = 0; place < segment.used; place += length) {
      const head = 2 * place;
      length = segment.ints[head + LENGTH] ?? 0;
      if (segment.ints[head + KEY_BYTES] === -1) continue;
      const address = (number << PLACE_BITS) | place;
      const wasUsed = (segment.ints[head + USED] ?? 0) > (segment.ints[head + PLACED] ?? 0) && sparing.bytes > 0;
      if (!mayLetGo || wasUsed || mustStay(address)) {
        if (mayLetGo && wasUsed) sparing.bytes -= 8 * length;
        this.#relocate(segment, address, length);
      } else {
        this.remove(address);
        gone += 1;
      }
    }
    this.#segments[number] = null;
    this.#segmentBytes -= 8 * segment.doubles.length;
    return gone;
  }

  #relocate(segment: Segment, from: number, length: number): void {
    const to = this.#allocate(length);
    const place = from & PLACE_MASK;
    const into = this.#segmentOf(to);
    copyInts(segment.ints, 2 * place, into.ints, 2 * (to & PLACE_MASK), 2 * length);
    into.ints[2 * (to & PLACE_MASK) + PLACED] = this.sweeps;
    this.#moved(from, to);
  }
}

function keyDoubles(keyBytes: number): number {
  return (keyBytes + 7) >>> 3;
}

/** Integers, for a double that is none (two integers, a piece of a key) need not survive being read and written as one. */
function copyInts(from: Int32Array, fromAt: number, into: Int32Array, intoAt: number, count: number): void {
  if (count > 256) into.set(from.subarray(fromAt, fromAt + count), intoAt);
  else for (let index = 0; index < count; index += 1) into[intoAt + index] = from[fromAt + index] ?? 0;
}
