// Rows of an arena that were not used lately, as bytes: a third to a quarter of what they take as doubles.
//
//   segment: block │ block │ … │ free        filled from front to back
//   block:   head │ key │ row as its serde writes it │ to a multiple of 8 bytes
//   head:    one integer of 32 bits: length (doubles) 11 │ bytes of filling 3 │ key bytes 9 │ room of the row (doubles) 9
//
// Memory is won back by whole segments, the oldest first, as in the arena.
import { hashOf } from './address-index.ts';
import { PLACE_MASK, type Segment, Segments, addressIn, copyInts, doublesFor } from './segments.ts';

const HEAD_BYTES = 4;
const LENGTH_MASK = (1 << 11) - 1;
const FILLING_SHIFT = 11;
const KEY_SHIFT = 14;
const KEY_MASK = (1 << 9) - 1;
/** In the place of the key bytes: the block is nobody's any more. */
const FREE = KEY_MASK;
const ROOM_SHIFT = 23;
const ROOM_MASK = (1 << 9) - 1;
/** Bytes that are copied one by one: fewer than a call would be worth. */
const FEW_BYTES = 96;

/** Where a packed row lies. */
export interface PackedRow {
  readonly bytes: Buffer;
  readonly keyStart: number;
  readonly valueStart: number;
  readonly valueEnd: number;
  /** doubles that the row had room for; about, where they were many */
  readonly roomDoubles: number;
  /** the draw for the store in which it was last, or a later one */
  readonly drawn: number;
}

/** Addresses of packed rows are below −1: they stand in one index with those of other rows. */
export function isPacked(address: number): boolean {
  return address < -1;
}

/** Its own inverse. */
function flipped(address: number): number {
  return -2 - address;
}

export class PackedRows {
  readonly #segments: Segments;
  /** by number of the segment: the newest draw for the store in which a row of it was */
  readonly #drawn: number[] = [];
  #liveBytes = 0;

  /** @param bytesMax what segments are meant to take; it is not kept here */
  constructor(bytesMax: number) {
    this.#segments = new Segments(bytesMax);
  }

  /** What segments take. */
  get bytes(): number {
    return this.#segments.bytes;
  }

  /** What of it is not free yet. */
  get filledBytes(): number {
    return this.#segments.filledBytes;
  }

  /** What of it is somebody's. */
  get liveBytes(): number {
    return this.#liveBytes;
  }

  get segments(): number {
    return this.#segments.count;
  }

  /** so far */
  get segmentsMade(): number {
    return this.#segments.made;
  }

  /**
   * @param key its bytes are those from `keyStart` to `keyEnd`
   * @param value its bytes are the first `valueBytes`
   * @param drawn the draw for the store in which the row was last
   * @returns its address; −1, and nothing is kept: it is too large
   */
  put(
    key: Buffer,
    keyStart: number,
    keyEnd: number,
    value: Buffer,
    valueBytes: number,
    roomDoubles: number,
    drawn: number,
  ): number {
    const keyBytes = keyEnd - keyStart;
    const used = HEAD_BYTES + keyBytes + valueBytes;
    const length = doublesFor(used);
    if (keyBytes >= FREE || length > LENGTH_MASK) return -1;
    const address = this.#segments.allocate(length);
    const { ints, bytes, number } = this.#segments.of(address);
    const place = address & PLACE_MASK;
    this.#noteDrawn(number, drawn);
    ints[2 * place] =
      length |
      ((8 * length - used) << FILLING_SHIFT) |
      (keyBytes << KEY_SHIFT) |
      (Math.min(roomDoubles, ROOM_MASK) << ROOM_SHIFT);
    const at = 8 * place + HEAD_BYTES;
    copyBytes(key, keyStart, bytes, at, keyBytes);
    copyBytes(value, 0, bytes, at + keyBytes, valueBytes);
    this.#liveBytes += 8 * length;
    return flipped(address);
  }

  #noteDrawn(segment: number, drawn: number): void {
    this.#drawn[segment] = Math.max(this.#drawn[segment] ?? 0, drawn);
  }

  hasKey(address: number, key: Buffer, start: number, end: number): boolean {
    const at = flipped(address);
    const { ints, bytes } = this.#segments.of(at);
    const place = at & PLACE_MASK;
    const length = end - start;
    if ((((ints[2 * place] ?? 0) >>> KEY_SHIFT) & KEY_MASK) !== length) return false;
    const keyStart = 8 * place + HEAD_BYTES;
    let same = 0;
    while (same < length && bytes[keyStart + same] === key[start + same]) same += 1;
    return same === length;
  }

  /** Of its key. */
  hashAt(address: number): number {
    const at = flipped(address);
    const { ints, bytes } = this.#segments.of(at);
    const place = at & PLACE_MASK;
    const start = 8 * place + HEAD_BYTES;
    return hashOf(bytes, start, start + (((ints[2 * place] ?? 0) >>> KEY_SHIFT) & KEY_MASK));
  }

  at(address: number): PackedRow {
    const at = flipped(address);
    const { ints, bytes, number } = this.#segments.of(at);
    const place = at & PLACE_MASK;
    const head = ints[2 * place] ?? 0;
    const keyStart = 8 * place + HEAD_BYTES;
    return {
      ...{ bytes, keyStart, valueStart: keyStart + ((head >>> KEY_SHIFT) & KEY_MASK) },
      valueEnd: 8 * (place + (head & LENGTH_MASK)) - ((head >>> FILLING_SHIFT) & 7),
      roomDoubles: head >>> ROOM_SHIFT,
      drawn: this.#drawn[number] ?? 0,
    };
  }

  /** The row is kept elsewhere now, or not at all. */
  free(address: number): void {
    const at = flipped(address);
    const { ints } = this.#segments.of(at);
    const head = 2 * (at & PLACE_MASK);
    const word = ints[head] ?? 0;
    ints[head] = word | (FREE << KEY_SHIFT);
    this.#liveBytes -= 8 * (word & LENGTH_MASK);
  }

  /**
   * Empties the oldest segment, and gives its memory back.
   * @param stored its rows are let go of where the store has all draws in which they were; else they are moved to the newest segment.
   * −1: they are moved in any case
   * @param moved is told of each row: the hash of its key, where it was, and where it is now; −1: nowhere
   */
  emptyOldest(stored: number, moved: (hash: number, from: number, to: number) => void): void {
    const segment = this.#segments.takeOldest();
    if (segment === undefined) return;
    const drawn = this.#drawn[segment.number] ?? 0;
    const isKept = drawn > stored;
    for (let place = 0, length = 0; place < segment.used; place += length) {
      const head = segment.ints[2 * place] ?? 0;
      length = head & LENGTH_MASK;
      const keyBytes = (head >>> KEY_SHIFT) & KEY_MASK;
      if (keyBytes === FREE) continue;
      const keyStart = 8 * place + HEAD_BYTES;
      const to = isKept ? flipped(this.#copy(segment, place, length, drawn)) : -1;
      if (!isKept) this.#liveBytes -= 8 * length;
      moved(hashOf(segment.bytes, keyStart, keyStart + keyBytes), flipped(addressIn(segment, place)), to);
    }
    this.#drawn[segment.number] = 0;
    this.#segments.release(segment);
  }

  #copy({ ints }: Segment, place: number, length: number, drawn: number): number {
    const to = this.#segments.allocate(length);
    const into = this.#segments.of(to);
    this.#noteDrawn(into.number, drawn);
    copyInts(ints, 2 * place, into.ints, 2 * (to & PLACE_MASK), 2 * length);
    return to;
  }
}

function copyBytes(from: Buffer, fromAt: number, into: Buffer, intoAt: number, count: number): void {
  if (count > FEW_BYTES) from.copy(into, intoAt, fromAt, fromAt + count);
  else for (let index = 0; index < count; index += 1) into[intoAt + index] = from[fromAt + index] ?? 0;
}
