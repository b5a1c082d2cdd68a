// Numbers and text of sketches as bytes. Law: a reader gives back what the writer was given, −0 and lone surrogates included.
//
//   number: 0 | f64 LE      text: 1 | length u32 LE | latin1, or 2 | length u32 LE | UTF-16 LE (length in bytes)
import { Failure } from '../../schemas/failure.ts';

/** All code units below 256. */
const LATIN1 = /^[\u0000-\u00ff]*$/;

export class ByteWriter {
  #bytes: Buffer;
  #at = 0;

  constructor(roomBytes = 64) {
    this.#bytes = Buffer.allocUnsafe(roomBytes);
  }

  u8(value: number): void {
    this.#room(1);
    this.#at = this.#bytes.writeUInt8(value, this.#at);
  }

  u32(value: number): void {
    this.#room(4);
    this.#at = this.#bytes.writeUInt32LE(value, this.#at);
  }

  f64(value: number): void {
    this.#room(8);
    this.#at = this.#bytes.writeDoubleLE(value, this.#at);
  }

  value(value: number | string): void {
    if (typeof value === 'number') {
      this.u8(0);
      this.f64(value);
      return;
    }
    const narrow = LATIN1.test(value);
    const lengthBytes = narrow ? value.length : 2 * value.length;
    this.u8(narrow ? 1 : 2);
    this.u32(lengthBytes);
    this.#room(lengthBytes);
    this.#at += this.#bytes.write(value, this.#at, narrow ? 'latin1' : 'utf16le');
  }

  bytes(): Buffer {
    return this.#bytes.subarray(0, this.#at);
  }

  #room(bytes: number): void {
    if (this.#at + bytes <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafe(Math.max(2 * this.#bytes.length, this.#at + bytes));
    this.#bytes.copy(larger, 0, 0, this.#at);
    this.#bytes = larger;
  }
}

export class ByteReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  /** @throws Failure `undecodable_record` */
  version(expected: number, name: string): void {
    const found = this.u8();
    if (found !== expected)
      throw new Failure('undecodable_record', `A partial result of ${name} has the unknown version ${found}.`, {
        fix: 'Delete the state folder, and the changelog where another program wrote it.',
      });
  }

  u8(): number {
    return this.#bytes.readUInt8(this.#at++);
  }

  u32(): number {
    this.#at += 4;
    return this.#bytes.readUInt32LE(this.#at - 4);
  }

  f64(): number {
    this.#at += 8;
    return this.#bytes.readDoubleLE(this.#at - 8);
  }

  value(): number | string {
    const kind = this.u8();
    if (kind === 0) return this.f64();
    const lengthBytes = this.u32();
    this.#at += lengthBytes;
    return this.#bytes.toString(kind === 1 ? 'latin1' : 'utf16le', this.#at - lengthBytes, this.#at);
  }
}

/** Numbers before text, then by size: a total order, so that ties are always broken alike. */
export function compareValues(a: number | string, b: number | string): number {
  if (typeof a !== typeof b) return typeof a === 'number' ? -1 : 1;
  return a < b ? -1 : a > b ? 1 : 0;
}
