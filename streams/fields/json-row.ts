// Rows as JSON objects, written digit by digit into the batch: no string is made where a number is whole.
import { type Row, type RowWriter } from './row-writer.ts';

/** What a field of the object shows. */
export type JsonPart =
  | { readonly name: string; readonly of: 'key' }
  | { readonly name: string; readonly of: 'time' }
  /** a field of the event; left out where the event has none, unless `nulls` */
  | { readonly name: string; readonly of: 'field'; readonly index: number; readonly nulls: boolean }
  | { readonly name: string; readonly of: 'value'; readonly index: number };

/** Characters of a double at most, as JavaScript prints it. */
const NUMBER_BYTES_MAX = 25;
/** Each byte of a key may become six (\u00xx). */
const ESCAPED_BYTES_MAX = 6;
const NULL = Buffer.from('null');

export class JsonRowWriter implements RowWriter {
  readonly #parts: readonly JsonPart[];
  /** `{"name":` for the first, `,"name":` for the others; without the separator, since parts may be left out */
  readonly #prefixes: readonly Buffer[];
  readonly #fixedBytes: number;

  constructor(parts: readonly JsonPart[]) {
    this.#parts = parts;
    this.#prefixes = parts.map(({ name }) => Buffer.from(`${JSON.stringify(name)}:`));
    this.#fixedBytes = 2 + this.#prefixes.reduce((sum, prefix) => sum + prefix.length + 1 + NUMBER_BYTES_MAX, 0);
  }

  bytesMax(keyBytes: number): number {
    return this.#fixedBytes + 2 + keyBytes * ESCAPED_BYTES_MAX;
  }

  write(into: Buffer, start: number, row: Row): number {
    let at = start;
    into[at++] = 0x7b;
    for (let index = 0; index < this.#parts.length; index += 1) {
      const part = this.#parts[index];
      const prefix = this.#prefixes[index];
      if (part === undefined || prefix === undefined) continue;
      const value = numberOf(part, row);
      if (part.of === 'field' && !part.nulls && value !== value) continue;
      if (at > start + 1) into[at++] = 0x2c;
      for (let byte = 0; byte < prefix.length; byte += 1) into[at++] = prefix[byte] ?? 0;
      at = part.of === 'key' ? writeKey(into, at, row) : writeNumber(into, at, value);
    }
    into[at++] = 0x7d;
    return at;
  }
}

function numberOf(part: JsonPart, row: Row): number {
  switch (part.of) {
    case 'key':
      return 0;
    case 'time':
      return row.timeMs;
    case 'field':
      return row.fields[row.fieldsAt + part.index] ?? Number.NaN;
    case 'value':
      return row.values[part.index] ?? Number.NaN;
  }
}

/** A JSON number, or null for what JSON has no number for. */
function writeNumber(into: Buffer, at: number, value: number): number {
  if (value === Math.floor(value) && value < 9e15 && value > -9e15) return writeWhole(into, at, value);
  if (!Number.isFinite(value)) return at + NULL.copy(into, at);
  return at + into.write(String(value), at, 'latin1');
}

function writeWhole(into: Buffer, start: number, value: number): number {
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
  let digits = 2;
  for (let bound = 100; left >= bound; bound *= 10) digits += 1;
  let place = at + digits;
  const end = place;
  // below 2^31 whole-number division is quick
  while (left >= 0x7fff_ffff) {
    const tenth = Math.floor(left / 10);
    into[--place] = 0x30 + (left - tenth * 10);
    left = tenth;
  }
  let small = left | 0;
  while (place > at) {
    const tenth = (small / 10) | 0;
    into[--place] = 0x30 + (small - tenth * 10);
    small = tenth;
  }
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
