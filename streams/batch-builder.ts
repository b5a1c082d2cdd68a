// Writes a record batch in place: keys are copied from where they lie, values are written by the caller into the batch itself.
//
// A record's length stands before it and is known after it: two bytes are left for it and for the value's length, which is right
// for records of 64 to 8,191 bytes; others are moved by the difference. The encoding stays the shortest one, as Kafka writes it.
import { HEADER_BYTES, sealBatch, varintBytes, writeVarint } from './record-batch.ts';

const GUESSED_LENGTH_BYTES = 2;
/** Fixed fields of a record: attributes, deltas of time and offset, key length, number of headers; at most. */
const RECORD_FIELDS_MAX_BYTES = 1 + 10 + 5 + 5 + 5 + 5 + 5;

export class BatchBuilder {
  /** The batch so far; grows, so fetch it anew after each `begin`. */
  bytes: Buffer;
  #length = HEADER_BYTES;
  #count = 0;
  #baseTimestampMs = 0;
  #maxTimestampMs = 0;
  #recordStart = 0;
  #bodyStart = 0;
  #valueStart = 0;

  constructor(capacityBytes: number) {
    this.bytes = Buffer.allocUnsafeSlow(Math.max(capacityBytes, HEADER_BYTES));
  }

  get count(): number {
    return this.#count;
  }

  get lengthBytes(): number {
    return this.#length;
  }

  /** Starts a record and gives the position in `bytes` at which its value is to be written, with room for `valueBytesMax`. */
  begin(timestampMs: number, key: Buffer, keyStart: number, keyEnd: number, valueBytesMax: number): number {
    const keyLength = keyStart < 0 ? 0 : keyEnd - keyStart;
    this.#room(RECORD_FIELDS_MAX_BYTES + keyLength + valueBytesMax);
    if (this.#count === 0) this.#baseTimestampMs = this.#maxTimestampMs = timestampMs;
    else if (timestampMs > this.#maxTimestampMs) this.#maxTimestampMs = timestampMs;
    const { bytes } = this;
    this.#recordStart = this.#length;
    let at = this.#length + GUESSED_LENGTH_BYTES;
    this.#bodyStart = at;
    bytes[at++] = 0;
    at = writeVarint(bytes, at, timestampMs - this.#baseTimestampMs);
    at = writeVarint(bytes, at, this.#count);
    if (keyStart < 0) at = writeVarint(bytes, at, -1);
    else {
      at = writeVarint(bytes, at, keyLength);
      // keys are short: a loop is quicker than a call
      if (keyLength < 24) for (let from = keyStart; from < keyEnd; from += 1) bytes[at++] = key[from] ?? 0;
      else at += key.copy(bytes, at, keyStart, keyEnd);
    }
    this.#valueStart = at + GUESSED_LENGTH_BYTES;
    return this.#valueStart;
  }

  /** Ends the record whose value was written up to `end`. @param headers encoded with their count; one zero byte where there are none */
  end(end: number, headers: Buffer = NO_HEADERS): void {
    const { bytes } = this;
    const valueLength = end - this.#valueStart;
    const valueLengthBytes = varintBytes(valueLength);
    let at = this.#shift(this.#valueStart, end, valueLengthBytes - GUESSED_LENGTH_BYTES);
    writeVarint(bytes, this.#valueStart - GUESSED_LENGTH_BYTES, valueLength);
    at = this.#appendHeaders(at, headers);
    const length = at - this.#bodyStart;
    at = this.#shift(this.#bodyStart, at, varintBytes(length) - GUESSED_LENGTH_BYTES);
    writeVarint(this.bytes, this.#recordStart, length);
    this.#length = at;
    this.#count += 1;
  }

  /** Ends a record without a value: a tombstone. */
  endNull(): void {
    const { bytes } = this;
    let at = this.#valueStart - GUESSED_LENGTH_BYTES;
    at = writeVarint(bytes, at, -1);
    bytes[at++] = 0;
    const length = at - this.#bodyStart;
    at = this.#shift(this.#bodyStart, at, varintBytes(length) - GUESSED_LENGTH_BYTES);
    writeVarint(bytes, this.#recordStart, length);
    this.#length = at;
    this.#count += 1;
  }

  #appendHeaders(at: number, headers: Buffer): number {
    if (headers.length === 1) {
      this.bytes[at] = 0;
      return at + 1;
    }
    if (at + headers.length + GUESSED_LENGTH_BYTES > this.bytes.length) this.#grow(at + headers.length + 16, at);
    return at + headers.copy(this.bytes, at);
  }

  /** Moves [from, to) by a few bytes; gives the new end. */
  #shift(from: number, to: number, by: number): number {
    if (by !== 0) this.bytes.copyWithin(from + by, from, to);
    return to + by;
  }

  #room(wantedBytes: number): void {
    if (this.#length + wantedBytes > this.bytes.length) this.#grow(this.#length + wantedBytes, this.#length);
  }

  #grow(neededBytes: number, usedBytes: number): void {
    const larger = Buffer.allocUnsafeSlow(Math.max(this.bytes.length * 2, neededBytes));
    this.bytes.copy(larger, 0, 0, usedBytes);
    this.bytes = larger;
  }

  /** The finished batch, without producer and checksum (`stampBatch` adds them), and a clean builder again. The bytes are the caller's. */
  take(): Buffer {
    const batch = this.bytes.subarray(0, this.#length);
    sealBatch(batch, this.#count, this.#baseTimestampMs, this.#maxTimestampMs);
    this.bytes = Buffer.allocUnsafeSlow(this.bytes.length);
    this.#length = HEADER_BYTES;
    this.#count = 0;
    return batch;
  }
}

const NO_HEADERS = Buffer.from([0]);
