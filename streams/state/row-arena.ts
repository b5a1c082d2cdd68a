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
import { PLACE_MASK, type Segment, Segments, addressIn, copyInts } from './segments.ts';

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

/** Above this part of the bound rows are let go of; below, the segments are only put together. */
const CROWDED = 3 / 4;
/** What is nobody's may be as much as what is somebody's, and so much more. */
const SLACK_BYTES = 1024 * 1024;

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
  readonly #lists: readonly RowList[] = Array.from({ length: LISTS }, () => new RowList());
  readonly #index = new AddressIndex();
  readonly #bytesMax: number;
  readonly #segments: Segments;
  #liveBytes = 0;
  /** segments that had been made when the arena was swept last */
  #madeBefore = 0;
  sweeps = 0;

  /** @param bytesMax what segments and index may take, once swept */
  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
    this.#segments = new Segments(bytesMax);
  }

  get rows(): number {
    return this.#index.size;
  }

  /** What segments and index take. */
  get bytes(): number {
    return this.#segments.bytes + this.#index.bytes;
  }

  /** The row's address, which is right until the row grows or the arena is cleaned; −1: it has none. */
  find(key: Buffer, start: number, end: number): number {
    const hash = hashOf(key, start, end);
    const length = end - start;
    let slot = this.#index.slotOf(hash);
    for (; slot >= 0; slot = this.#index.slotOf(hash, slot)) {
      const address = this.#index.addressAt(slot);
      const { ints, bytes } = this.#segments.of(address);
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
    const { ints, bytes, doubles: data } = this.#segments.of(address);
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

  /** Turns `row` to that one. */
  open(row: ArenaRow, address: number): void {
    const { ints, doubles } = this.#segments.of(address);
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
    const { ints, doubles } = this.#segments.of(address);
    const place = address & PLACE_MASK;
    ints[2 * place + START] = start - base;
    ints[2 * place + PANES] = panes;
    doubles[place + LAST_MS] = lastMs;
  }

  /** Where the key lies. */
  keyAt(address: number): { readonly bytes: Buffer; readonly start: number; readonly end: number } {
    const { ints, bytes } = this.#segments.of(address);
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
    const into = this.#segments.of(to);
    const [head, length] = [from & PLACE_MASK, into.ints[2 * place + LENGTH] ?? 0];
    const before = this.#segments.of(from).ints;
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
    const { ints } = this.#segments.of(to);
    const head = 2 * (to & PLACE_MASK);
    this.#index.move(ints[head + HASH] ?? 0, from, to);
    for (let list = 0; list < LISTS; list += 1) {
      const listed = ints[head + LISTED + list] ?? -1;
      if (listed >= 0) this.marked(list).addresses[listed] = to;
    }
    this.#free(from);
  }

  #free(address: number): void {
    const { ints } = this.#segments.of(address);
    const head = 2 * (address & PLACE_MASK);
    ints[head + KEY_BYTES] = -1;
    this.#liveBytes -= 8 * (ints[head + LENGTH] ?? 0);
  }

  /** Lets go of the row. It must be in no list. */
  remove(address: number): void {
    const { ints } = this.#segments.of(address);
    this.#index.remove(ints[2 * (address & PLACE_MASK) + HASH] ?? 0, address);
    this.#free(address);
  }

  /** The rows of a list. @param list its number, below 3 */
  marked(list: number): RowList {
    const marked = this.#lists[list];
    if (marked === undefined) throw new RangeError(`There is no list ${list}.`);
    return marked;
  }

  mark(address: number, list: number): void {
    const { ints } = this.#segments.of(address);
    const head = 2 * (address & PLACE_MASK);
    if (ints[head + LISTED + list] !== -1) return;
    const marked = this.marked(list);
    ints[head + LISTED + list] = marked.addresses.push(address) - 1;
    marked.bytes += 8 * (ints[head + LENGTH] ?? 0);
  }

  isMarked(address: number, list: number): boolean {
    return this.#segments.of(address).ints[2 * (address & PLACE_MASK) + LISTED + list] !== -1;
  }

  /** Takes the mark from all rows of the list. */
  unmarkAll(list: number): void {
    const marked = this.marked(list);
    for (const address of marked.addresses)
      this.#segments.of(address).ints[2 * (address & PLACE_MASK) + LISTED + list] = -1;
    marked.clear();
  }

  drawnAt(address: number): number {
    return this.#segments.of(address).ints[2 * (address & PLACE_MASK) + DRAWN] ?? 0;
  }

  setDrawn(address: number, draw: number): void {
    this.#segments.of(address).ints[2 * (address & PLACE_MASK) + DRAWN] = draw;
  }

  #allocate(doubles: number): number {
    const address = this.#segments.allocate(doubles);
    const { ints } = this.#segments.of(address);
    const head = 2 * (address & PLACE_MASK);
    ints[head + LENGTH] = doubles;
    ints[head + PLACED] = this.sweeps;
    this.#liveBytes += 8 * doubles;
    return address;
  }

  /**
   * Between two slabs: wins memory back while there is more than the bound, and where much of it is nobody's.
   * @returns how many rows were let go of
   */
  sweep(mustStay: (address: number) => boolean): number {
    this.sweeps += 1;
    // twice as many as have come: memory comes back sooner than it is taken, and no sweep goes over everything
    const segments = Math.min(this.#segments.count, 2 * (this.#segments.made - this.#madeBefore) + 1);
    const sparing = { bytes: this.#segments.segmentBytes };
    let gone = 0;
    for (let done = 0; done < segments && this.#isWasteful; done += 1) gone += this.#empty(mustStay, sparing);
    this.#madeBefore = this.#segments.made;
    return gone;
  }

  get #isWasteful(): boolean {
    return this.bytes > this.#bytesMax || this.#segments.bytes > 2 * this.#liveBytes + SLACK_BYTES;
  }

  /**
   * The oldest segment. Its rows are moved while that is enough to come below the bound; else those that may are let go of.
   * @param sparing so many bytes of them are moved nevertheless, where they were used since they were put there
   */
  #empty(mustStay: (address: number) => boolean, sparing: { bytes: number }): number {
    const segment = this.#segments.takeOldest();
    if (segment === undefined) return 0;
    const isCrowded = this.bytes > this.#bytesMax && this.#liveBytes > CROWDED * this.#bytesMax;
    let gone = 0;
    for (let place = 0, length = 0; place < segment.used; place += length) {
      const head = 2 * place;
      length = segment.ints[head + LENGTH] ?? 0;
      if (segment.ints[head + KEY_BYTES] === -1) continue;
      const address = addressIn(segment, place);
      const isSpared = sparing.bytes > 0 && (segment.ints[head + USED] ?? 0) > (segment.ints[head + PLACED] ?? 0);
      if (!isCrowded || isSpared || mustStay(address)) {
        if (isCrowded && isSpared) sparing.bytes -= 8 * length;
        this.#relocate(segment, address, length);
      } else {
        this.remove(address);
        gone += 1;
      }
    }
    this.#segments.release(segment);
    return gone;
  }

  #relocate({ ints }: Segment, from: number, length: number): void {
    const to = this.#allocate(length);
    const into = this.#segments.of(to);
    const head = 2 * (to & PLACE_MASK);
    copyInts(ints, 2 * (from & PLACE_MASK), into.ints, head, 2 * length);
    into.ints[head + PLACED] = this.sweeps;
    this.#moved(from, to);
  }
}

function keyDoubles(keyBytes: number): number {
  return (keyBytes + 7) >>> 3;
}
