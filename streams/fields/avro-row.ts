// Rows as Avro records in the Confluent frame, written in place.
import { type AvroSchema } from '../../schemas/codec.ts';
import { type Row, type RowWriter } from './row-writer.ts';

/** A field of the record, in the schema's order. */
export type AvroPart =
  | { readonly name: string; readonly of: 'key' }
  | { readonly name: string; readonly of: 'time' }
  | {
      readonly name: string;
      readonly of: 'field' | 'value';
      readonly index: number;
      /** long: always a whole number and never null (a count) */
      readonly type: 'long' | 'nullable-long' | 'nullable-double';
    };

const FRAME_BYTES = 5;
const NUMBER_BYTES_MAX = 11;

/** The schema of rows with these parts. */
export function avroRowSchema(name: string, namespace: string, parts: readonly AvroPart[]): AvroSchema {
  const types = { long: 'long', 'nullable-long': ['null', 'long'], 'nullable-double': ['null', 'double'] } as const;
  const fields = parts.map((part) => {
    if (part.of === 'key') return { name: part.name, type: 'string' };
    if (part.of === 'time') return { name: part.name, type: { type: 'long', logicalType: 'timestamp-millis' } };
    return { name: part.name, type: types[part.type] };
  });
  return { type: 'record', name, namespace, fields };
}

export class AvroRowWriter implements RowWriter {
  readonly #schemaId: number;
  readonly #parts: readonly AvroPart[];
  #into: Buffer = Buffer.alloc(0);
  /** of #into: quicker than the buffer's own writing of doubles */
  #view: DataView = new DataView(new ArrayBuffer(0));

  constructor(schemaId: number, parts: readonly AvroPart[]) {
    this.#schemaId = schemaId;
    this.#parts = parts;
  }

  bytesMax(keyBytes: number): number {
    return FRAME_BYTES + keyBytes + this.#parts.length * NUMBER_BYTES_MAX;
  }

  write(into: Buffer, start: number, row: Row): number {
    if (into !== this.#into) {
      this.#into = into;
      this.#view = new DataView(into.buffer, into.byteOffset, into.length);
    }
    into[start] = 0;
    this.#view.setUint32(start + 1, this.#schemaId);
    let at = start + FRAME_BYTES;
    for (let index = 0; index < this.#parts.length; index += 1) {
      const part = this.#parts[index];
      if (part === undefined) continue;
      if (part.of === 'key') at = writeKey(into, at, row);
      // an event may tell fractions of a millisecond, a long cannot
      else if (part.of === 'time') at = writeLong(into, at, Math.floor(row.timeMs));
      else {
        const value =
          (part.of === 'value' ? row.values[part.index] : row.fields[row.fieldsAt + part.index]) ?? Number.NaN;
        if (part.type === 'long') at = writeLong(into, at, value);
        else if (value !== value) into[at++] = 0;
        else {
          into[at++] = 2;
          if (part.type === 'nullable-long') at = writeLong(into, at, value);
          else {
            this.#view.setFloat64(at, value, true);
            at += 8;
          }
        }
      }
    }
    return at;
  }
}

function writeKey(into: Buffer, start: number, { keyData, keyStart, keyEnd }: Row): number {
  let at = writeLong(into, start, keyEnd - keyStart);
  for (let from = keyStart; from < keyEnd; from += 1) into[at++] = keyData[from] ?? 0;
  return at;
}

/** Zigzag varint; values up to 2^52. */
function writeLong(into: Buffer, start: number, value: number): number {
  let at = start;
  let left = value < 0 ? -2 * value - 1 : 2 * value;
  while (left >= 0x1000_0000) {
    into[at++] = (left % 128) | 128;
    left = Math.floor(left / 128);
  }
  let small = left | 0;
  while (small >= 128) {
    into[at++] = (small & 127) | 128;
    small >>>= 7;
  }
  into[at++] = small;
  return at;
}
