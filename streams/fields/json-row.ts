// Rows as JSON objects, written digit by digit into the batch: no string is made where a number is whole.
import { type Row, type RowWriter } from './row-writer.ts';

/** What a field of the object shows. */
export type JsonPart =
  | { readonly name: string; readonly of: 'key' }
  | { readonly name: string; readonly of: 'time' }
  /** a field of the event; left out where the event has none, unless `nulls` */
  | { readonly name: string; readonly of: 'field'; readonly index: number; readonly nulls: boolean }
  | { readonly name: string; readonly of: 'value'; readonly index: number };

/** Parts as numbers, which a loop over all of them compares sooner than objects of four shapes. */
const KINDS = { key: 0, time: 1, field: 2, fieldOrNull: 3, value: 4 } as const;

function kindOf(part: JsonPart): number {
  return part.of === 'field' && part.nulls ? KINDS.fieldOrNull : KINDS[part.of];
}

/** Characters of a double at most, as JavaScript prints it. */
const NUMBER_BYTES_MAX = 25;
/** Each byte of a key may become six (\u00xx). */
const ESCAPED_BYTES_MAX = 6;
const NULL = Buffer.from('null');
const WORD_BYTES = 4;
const BILLION = 1e9;
const BILLION_DIGITS = 9;
/** 00 to 99 as two characters each. */
const PAIRS = Int16Array.from({ length: 100 }, (_, value) => 0x3030 + Math.floor(value / 10) + ((value % 10) << 8));

export class JsonRowWriter implements RowWriter {
  readonly #kinds: Uint8Array;
  /** where the value is found, by its kind */
  readonly #places: Int32Array;
  /** `,"name":` of each part, four bytes to a word; what is too much at the end is written over */
  readonly #prefixes: readonly Int32Array[];
  readonly #prefixBytes: readonly number[];
  readonly #fixedBytes: number;
  #bytes: Buffer = Buffer.alloc(0);
  #view = new DataView(this.#bytes.buffer);

  constructor(parts: readonly JsonPart[]) {
    this.#kinds = Uint8Array.from(parts, kindOf);
    this.#places = Int32Array.from(parts, (part) => ('index' in part ? part.index : 0));
    const prefixes = parts.map(({ name }) => Buffer.from(`,${JSON.stringify(name)}:`));
    this.#prefixes = prefixes.map(wordsOf);
    this.#prefixBytes = prefixes.map(({ length }) => length);
    this.#fixedBytes = 2 + WORD_BYTES + prefixes.reduce((sum, { length }) => sum + length + NUMBER_BYTES_MAX, 0);
  }

  bytesMax(keyBytes: number): number {
    return this.#fixedBytes + 2 + keyBytes * ESCAPED_BYTES_MAX;
  }

  write(into: Buffer, start: number, row: Row): number {
    if (into !== this.#bytes) {
      this.#bytes = into;
      this.#view = new DataView(into.buffer, into.byteOffset, into.length);
    }
    const view = this.#view;
    const kinds = this.#kinds;
    let at = start;
    for (let index = 0; index < kinds.length; index += 1) {
      const kind = kinds[index] ?? KINDS.value;
      const value = numberOf(kind, this.#places[index] ?? 0, row);
      if (kind === KINDS.field && value !== value) continue;
      const words = this.#prefixes[index];
      if (words === undefined) continue;
      for (let word = 0; word < words.length; word += 1) view.setInt32(at + WORD_BYTES * word, words[word] ?? 0, true);
      at += this.#prefixBytes[index] ?? 0;
      at = kind === KINDS.key ? writeKey(into, at, row) : writeNumber(into, view, at, value);
    }
    // over the first comma
    into[start] = 0x7b;
    if (at === start) at += 1;
    into[at++] = 0x7d;
    return at;
  }
}

function wordsOf(prefix: Buffer): Int32Array {
  const padded = Buffer.alloc(Math.ceil(prefix.length / WORD_BYTES) * WORD_BYTES);
  prefix.copy(padded);
  return Int32Array.from({ length: padded.length / WORD_BYTES }, (_, word) => padded.readInt32LE(WORD_BYTES * word));
}

/** NaN: it has none. */
function numberOf(kind: number, place: number, row: Row): number {
  if (kind === KINDS.value) return row.values[place] ?? Number.NaN;
  if (kind === KINDS.time) return row.timeMs;
  if (kind === KINDS.key) return 0;
  return row.fields[row.fieldsAt + place] ?? Number.NaN;
}

/** A JSON number, or null for what JSON has no number for. */
function writeNumber(into: Buffer, view: DataView, at: number, value: number): number {
  if (value === Math.floor(value) && value < 9e15 && value > -9e15) return writeWhole(into, view, at, value);
  if (!Number.isFinite(value)) return at + NULL.copy(into, at);
  return at + into.write(String(value), at, 'latin1');
}

function writeWhole(into: Buffer, view: DataView, start: number, value: number): number {
  let at = start;
  let left = value;
  if (left < 0) {
    into[at++] = 0x2d;
    left = -left;
  }
  if (left < 10) {
    into[at++] = 0x30 + left;
    return at;
  }
  if (left < BILLION) return writeSmall(into, view, at, left | 0);
  // below 2^31 whole-number division is quick
  const billions = Math.floor(left / BILLION);
  at = writeSmall(into, view, at, billions | 0);
  return writeDigits(into, view, at + BILLION_DIGITS, BILLION_DIGITS, (left - billions * BILLION) | 0);
}

/** @param value 0 to 10^9 − 1 */
function writeSmall(into: Buffer, view: DataView, at: number, value: number): number {
  let digits = 1;
  for (let bound = 10; value >= bound; bound *= 10) digits += 1;
  return writeDigits(into, view, at + digits, digits, value);
}

/** So many digits before `end`, zeros in front. */
function writeDigits(into: Buffer, view: DataView, end: number, digits: number, value: number): number {
  let place = end;
  let left = value;
  let count = digits;
  for (; count > 1; count -= 2) {
    const hundredth = (left / 100) | 0;
    place -= 2;
    view.setInt16(place, PAIRS[left - hundredth * 100] ?? 0, true);
    left = hundredth;
  }
  if (count === 1) into[place - 1] = 0x30 + left;
  return end;
}

function writeKey(into: Buffer, start: number, { keyData, keyStart, keyEnd }: Row): number {
  let at = start;
  if (keyStart < 0) return at + NULL.copy(into, at);
  into[at++] = 0x22;
  for (let from = keyStart; from < keyEnd; from += 1) {
    const byte = keyData[from] ?? 0;
    if (byte >= 0x20 && byte !== 0x22 && byte !== 0x5c) into[at++] = byte;
    else at += into.write(`\\u${byte.toString(16).padStart(4, '0')}`, at, 'latin1');
  }
  into[at++] = 0x22;
  return at;
}
