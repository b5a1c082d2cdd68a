// Compact binary rows: variable-length integers, bytes and text, written one after the other and read back in the same order.
//
//   uint   LEB128: seven bits a byte, lowest first, the high bit says that more follow; exact up to 2^53 - 1
//   int    as uint, but bit 6 of the first byte is the sign
//   bytes  uint length, then the bytes; `bytesOrNull`: uint length + 1, 0 for null
//   text   bytes of its UTF-8
import { Failure } from '../schemas/failure.ts';

const FIRST_BYTES = 64;

export class Packer {
  #bytes = Buffer.allocUnsafe(FIRST_BYTES);
  #length = 0;

  #room(bytes: number): void {
    if (this.#length + bytes <= this.#bytes.length) return;
    const wider = Buffer.allocUnsafe(Math.max(this.#bytes.length * 2, this.#length + bytes));
    this.#bytes.copy(wider, 0, 0, this.#length);
    this.#bytes = wider;
  }

  /** @param value a whole number from 0 to 2^53 - 1 */
  uint(value: number): this {
    if (!Number.isSafeInteger(value) || value < 0) throw new RangeError(`${value} is no whole number from 0 on`);
    this.#room(8);
    let left = value;
    while (left >= 0x80) {
      this.#bytes[this.#length++] = (left % 0x80) | 0x80;
      left = Math.floor(left / 0x80);
    }
    this.#bytes[this.#length++] = left;
    return this;
  }

  /** @param value a whole number between -2^53 and 2^53 */
  int(value: number): this {
    const size = Math.abs(value);
    if (!Number.isSafeInteger(value)) throw new RangeError(`${value} is no whole number`);
    this.#room(1);
    const rest = Math.floor(size / 0x40);
    this.#bytes[this.#length++] = (size % 0x40) | (value < 0 ? 0x40 : 0) | (rest > 0 ? 0x80 : 0);
    return rest > 0 ? this.uint(rest) : this;
  }

  bytes(value: Buffer): this {
    this.uint(value.length);
    return this.#raw(value);
  }

  bytesOrNull(value: Buffer | null): this {
    if (value === null) return this.uint(0);
    this.uint(value.length + 1);
    return this.#raw(value);
  }

  text(value: string): this {
    return this.bytes(Buffer.from(value));
  }

  textOrNull(value: string | null): this {
    return this.bytesOrNull(value === null ? null : Buffer.from(value));
  }

  #raw(value: Buffer): this {
    this.#room(value.length);
    value.copy(this.#bytes, this.#length);
    this.#length += value.length;
    return this;
  }

  /** Bytes so far. */
  get length(): number {
    return this.#length;
  }

  /** What was packed; the packer is not used afterwards. */
  done(): Buffer {
    return this.#bytes.subarray(0, this.#length);
  }
}

/** Reads what a Packer wrote. @throws Failure `undecodable_record` for bytes that end too soon or go on too long */
export class Unpacker {
  readonly #bytes: Buffer;
  readonly #what: string;
  #at = 0;

  /** @param what names the row in failures: "state of an interval join" */
  constructor(bytes: Buffer, what: string) {
    this.#bytes = bytes;
    this.#what = what;
  }

  uint(): number {
    let value = 0;
    for (let scale = 1; ; scale *= 0x80) {
      const byte = this.#byte();
      value += (byte & 0x7f) * scale;
      if (value > Number.MAX_SAFE_INTEGER) throw this.#broken('holds a number that is too large');
      if (byte < 0x80) return value;
    }
  }

  int(): number {
    const first = this.#byte();
    const size = (first & 0x3f) + (first >= 0x80 ? this.uint() * 0x40 : 0);
    return (first & 0x40) === 0 ? size : -size;
  }

  /** A view of the packed bytes, not a copy. */
  bytes(): Buffer {
    return this.#raw(this.uint());
  }

  bytesOrNull(): Buffer | null {
    const length = this.uint();
    return length === 0 ? null : this.#raw(length - 1);
  }

  text(): string {
    return this.bytes().toString();
  }

  textOrNull(): string | null {
    return this.bytesOrNull()?.toString() ?? null;
  }

  /** As many entries as the number before them says. */
  list<T>(entry: () => T): T[] {
    const count = this.uint();
    // each entry takes a byte at least: a count from broken bytes must not run for ever
    if (count > this.#bytes.length - this.#at) throw this.#broken('ends too soon');
    return Array.from({ length: count }, entry);
  }

  /** The first byte of a row is its layout's number. */
  layout(known: number): void {
    const found = this.#byte();
    if (found !== known) throw this.#broken(`has layout ${found}, where ${known} is known`);
  }

  /** Bytes that are still to be read. */
  get left(): number {
    return this.#bytes.length - this.#at;
  }

  end(): void {
    if (this.#at !== this.#bytes.length) throw this.#broken(`goes on for ${this.#bytes.length - this.#at} bytes`);
  }

  #byte(): number {
    const byte = this.#bytes[this.#at];
    if (byte === undefined) throw this.#broken('ends too soon');
    this.#at += 1;
    return byte;
  }

  #raw(length: number): Buffer {
    const end = this.#at + length;
    if (end > this.#bytes.length) throw this.#broken('ends too soon');
    const raw = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return raw;
  }

  #broken(problem: string): Failure {
    return new Failure('undecodable_record', `The ${this.#what} ${problem}.`, {
      fix: 'Delete the local state: it comes back from the changelog.',
    });
  }
}
