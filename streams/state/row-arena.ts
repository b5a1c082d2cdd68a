// Rows of many keys in a few large arrays: neither an object nor a string per row, so that the garbage collector has nothing to do
// however many there are, and what they take in memory is known to the byte.
//
//   segment: block │ block │ … │ free        filled from front to back; a block that grows moves to the newest segment
//   block:   hash │ length │ key bytes │ used │ placed │ place in each list … │ drawn │ start │ panes │ last event │ key │ panes
//
// Memory is won back by whole segments, the oldest first: blocks in it that are to stay are moved to the newest segment, the others
// are packed (as a log-structured file system cleans; Rosenblum and Ousterhout 1992). Packed rows lie in segments of their own and
// stand in the same index: a row is in one form or in the other, never in both. When they too are more than memory holds, those that
// were packed first are let go of.
import { AddressIndex, hashOf } from './address-index.ts';
import { ArenaRow } from './arena-row.ts';
import { PackedRows, isPacked } from './packed-rows.ts';
import { type RowSerde } from './row.ts';
import { RowList } from './row-list.ts';
import { PLACE_MASK, type Segment, Segments, addressIn, copyInts, doublesFor } from './segments.ts';

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
/** Doubles in a block's head: its integers, and the time of the newest event. */
const HEAD_DOUBLES = 7;
const NEWEST_MS = HEAD_DOUBLES - 1;

/** Where more than this part of the segments is somebody's, rows go; else the segments are only put together. */
const CROWDED = 3 / 4;
const PACKED_CROWDED = 2 / 3;
/** While memory is above its bound rows are packed until the others take no more than this part of it; then packed ones go. */
const UNPACKED_SHARE = 1 / 8;
/** No draw is as early. */
const KEEP_ALL = -1;
/** What is nobody's may be as much as what is somebody's, and so much more. */
const SLACK_BYTES = 1024 * 1024;

/** Of one sweep. */
interface Sparing {
  mustStay(address: number): boolean;
  readonly stored: number;
  /** so many bytes of rows are moved although they may go, where they were used since they were put where they are */
  bytes: number;
  /** the last segment that was to be packed had none that may be */
  isStuck: boolean;
}

export class RowArena {
  readonly #lists: readonly RowList[] = Array.from({ length: LISTS }, () => new RowList());
  readonly #index = new AddressIndex((address) => this.#hashAt(address));
  readonly #bytesMax: number;
  readonly #serde: RowSerde;
  readonly #segments: Segments;
  readonly #packed: PackedRows;
  /** the row that is being packed */
  readonly #row: ArenaRow;
  #scratch = Buffer.alloc(0);
  #liveBytes = 0;
  /** segments that had been made when the arena was swept last */
  #madeBefore = 0;
  sweeps = 0;

  /** @param bytesMax what segments and index may take, once swept */
  constructor(bytesMax: number, serde: RowSerde) {
    this.#bytesMax = bytesMax;
    this.#serde = serde;
    this.#segments = new Segments(bytesMax);
    this.#packed = new PackedRows(bytesMax);
    this.#row = new ArenaRow(this);
  }

  get rows(): number {
    return this.#index.size;
  }

  /** What segments and index take. */
  get bytes(): number {
    return this.#segments.bytes + this.#packed.bytes + this.#index.bytes;
  }

  /** Whether there is more than memory holds unpacked. */
  get isPacking(): boolean {
    return this.#packed.liveBytes > 0;
  }

  /** The row's address, which is right until the row grows or the arena is cleaned; −1: it has none. One that `isPacked` is to be unpacked. */
  find(key: Buffer, start: number, end: number): number {
    const hash = hashOf(key, start, end);
    const length = end - start;
    let slot = this.#index.slotOf(hash);
    for (; slot >= 0; slot = this.#index.slotOf(hash, slot)) {
      const address = this.#index.addressAt(slot);
      if (isPacked(address)) {
        if (this.#packed.hasKey(address, key, start, end)) return address;
        continue;
      }
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
    const address = this.#make(hash, key, start, end, doubles);
    this.#index.add(hash, address);
    return address;
  }

  #hashAt(address: number): number {
    if (isPacked(address)) return this.#packed.hashAt(address);
    return this.#segments.of(address).ints[2 * (address & PLACE_MASK) + HASH] ?? 0;
  }

  #make(hash: number, key: Buffer, start: number, end: number, doubles: number): number {
    const address = this.#allocate(HEAD_DOUBLES + doublesFor(end - start) + doubles);
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
    data[place + NEWEST_MS] = Number.NaN;
    const at = (place + HEAD_DOUBLES) * 8;
    for (let index = 0; index < end - start; index += 1) bytes[at + index] = key[start + index] ?? 0;
    return address;
  }

  /** Unpacks the row of an address that `isPacked`, and turns `row` to it. */
  unpack(row: ArenaRow, address: number): void {
    const { bytes, keyStart, valueStart, valueEnd, roomDoubles, drawn } = this.#packed.at(address);
    const hash = hashOf(bytes, keyStart, valueStart);
    const to = this.#make(hash, bytes, keyStart, valueStart, Math.max(roomDoubles, this.#serde.doubles));
    this.#index.move(hash, address, to);
    this.setDrawn(to, drawn);
    this.open(row, to);
    this.#serde.read(bytes.subarray(valueStart, valueEnd), row);
    this.keep(row);
    this.#packed.free(address);
  }

  /** Turns `row` to that one. */
  open(row: ArenaRow, address: number): void {
    const { ints, doubles } = this.#segments.of(address);
    const place = address & PLACE_MASK;
    const head = 2 * place;
    row.address = address;
    row.data = doubles;
    row.base = place + HEAD_DOUBLES + doublesFor(ints[head + KEY_BYTES] ?? 0);
    row.end = place + (ints[head + LENGTH] ?? 0);
    row.start = row.base + (ints[head + START] ?? 0);
    row.panes = ints[head + PANES] ?? 0;
    row.newestMs = doubles[place + NEWEST_MS] ?? 0;
  }

  /** Keeps what was changed of the row besides its data. */
  keep({ address, start, base, panes, newestMs }: ArenaRow): void {
    const { ints, doubles } = this.#segments.of(address);
    const place = address & PLACE_MASK;
    ints[2 * place + START] = start - base;
    ints[2 * place + PANES] = panes;
    doubles[place + NEWEST_MS] = newestMs;
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
    const { panes, newestMs } = row;
    this.open(row, to);
    row.panes = panes;
    row.newestMs = newestMs;
  }

  /** What points to the block points to where it lies now. */
  #moved(from: number, to: number): void {
    const { ints } = this.#segments.of(to);
    const head = 2 * (to & PLACE_MASK);
    this.#index.move(this.#hashAt(to), from, to);
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
    this.#index.remove(this.#hashAt(address), address);
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
   * @param mustStay whether a row is not even to be packed
   * @param stored the last draw that the store has: rows of later ones are not let go of
   * @returns how many rows were let go of
   */
  sweep(mustStay: (address: number) => boolean, stored: number): number {
    this.sweeps += 1;
    const before = this.rows;
    // twice as many as have come: memory comes back sooner than it is taken, and no sweep goes over everything
    const come = this.#segmentsMade - this.#madeBefore;
    // an index that has doubled takes as much as many of them
    const above = Math.max(0, Math.ceil((this.bytes - this.#bytesMax) / this.#segments.segmentBytes));
    const segments = Math.min(this.#segments.count + this.#packed.segments, 2 * come + 1 + above);
    const sparing: Sparing = { mustStay, stored, bytes: this.#segments.segmentBytes, isStuck: false };
    for (let done = 0; done < segments && this.#isWasteful; done += 1) this.#winBack(sparing);
    this.#madeBefore = this.#segmentsMade;
    return before - this.rows;
  }

  get #segmentsMade(): number {
    return this.#segments.made + this.#packed.segmentsMade;
  }

  get #isAbove(): boolean {
    return this.bytes > this.#bytesMax;
  }

  get #isWasteful(): boolean {
    return (
      this.#isAbove ||
      isLoose(this.#segments.bytes, this.#liveBytes) ||
      isLoose(this.#packed.bytes, this.#packed.liveBytes)
    );
  }

  /** One segment. What is nobody's comes first; then rows are packed; packed ones go last. */
  #winBack(sparing: Sparing): void {
    const { bytes, filledBytes, liveBytes } = this.#packed;
    const isAbove = this.#isAbove;
    if (isAbove ? liveBytes < PACKED_CROWDED * filledBytes : isLoose(bytes, liveBytes)) this.#emptyPacked(KEEP_ALL);
    else if (liveBytes > 0 && isAbove && (sparing.isStuck || this.#segments.bytes <= UNPACKED_SHARE * this.#bytesMax))
      this.#emptyPacked(sparing.stored);
    else this.#empty(sparing);
  }

  #emptyPacked(stored: number): void {
    this.#packed.emptyOldest(stored, (hash, from, to) => {
      if (to === -1) this.#index.remove(hash, from);
      else this.#index.move(hash, from, to);
    });
  }

  /** The oldest segment of unpacked rows. They are moved while that is enough to come below the bound; else those that may are packed. */
  #empty(sparing: Sparing): void {
    const isCrowded = this.#isAbove && this.#liveBytes > CROWDED * this.#segments.filledBytes;
    const segment = this.#segments.takeOldest();
    if (segment === undefined) return;
    let [packed, stayed] = [0, 0];
    for (let place = 0, length = 0; place < segment.used; place += length) {
      const head = 2 * place;
      length = segment.ints[head + LENGTH] ?? 0;
      if (segment.ints[head + KEY_BYTES] === -1) continue;
      const address = addressIn(segment, place);
      const isSpared = sparing.bytes > 0 && (segment.ints[head + USED] ?? 0) > (segment.ints[head + PLACED] ?? 0);
      const mayGo = isCrowded && !isSpared && !sparing.mustStay(address);
      if (mayGo && this.#pack(address, sparing.stored)) {
        packed += 1;
        continue;
      }
      if (isCrowded && isSpared) sparing.bytes -= 8 * length;
      this.#relocate(segment, address, length);
      stayed += 1;
    }
    sparing.isStuck = isCrowded && packed === 0 && stayed > 0;
    this.#segments.release(segment);
  }

  /** The row is in no list. One that is too large is let go of. @returns false, and nothing has changed: it may not be */
  #pack(address: number, stored: number): boolean {
    const row = this.#row;
    this.open(row, address);
    const bytesMax = this.#serde.bytesMax(row);
    if (bytesMax > this.#scratch.length) this.#scratch = Buffer.allocUnsafeSlow(2 * bytesMax);
    const valueBytes = this.#serde.write(row, this.#scratch, 0);
    const { bytes, start, end } = this.keyAt(address);
    const drawn = this.drawnAt(address);
    const to = this.#packed.put(bytes, start, end, this.#scratch, valueBytes, row.end - row.base, drawn);
    if (to === -1) {
      if (drawn > stored) return false;
      this.remove(address);
      return true;
    }
    this.#index.move(this.#hashAt(address), address, to);
    this.#free(address);
    return true;
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

function isLoose(bytes: number, liveBytes: number): boolean {
  return bytes > 2 * liveBytes + SLACK_BYTES;
}
