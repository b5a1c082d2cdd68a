// Kafka's record batch, magic 2, as whole batches.
//
//   base offset i64 | length i32 | leader epoch i32 | magic i8 | crc u32 | attributes i16 | last offset delta i32 |
//   base timestamp i64 | max timestamp i64 | producer id i64 | producer epoch i16 | base sequence i32 | count i32 | records
//
//   record: length varint | attributes i8 | timestamp delta varlong | offset delta varint | key | value | headers
//
// Law: decode(encode(records)) gives the records, with offsets counted from the base offset.
import { gunzipSync } from 'node:zlib';
import { Failure } from '../schemas/failure.ts';
import { crc32c } from './crc32c.ts';
import { type Header, type LogRecord, type NewRecord } from './log.ts';

const HEADER_BYTES = 61;
const CRC_START = 21;
const TRANSACTIONAL = 0x10;
const CONTROL = 0x20;
const COMPRESSION_MASK = 0x07;
const GZIP = 1;

export interface ProducerIdentity {
  readonly producerId: bigint;
  readonly epoch: number;
  readonly baseSequence: number;
  readonly transactional: boolean;
}

const NO_PRODUCER: ProducerIdentity = { producerId: -1n, epoch: -1, baseSequence: -1, transactional: false };

function varintBytes(value: number): number {
  let left = value < 0 ? -2 * value - 1 : 2 * value;
  let bytes = 1;
  while (left >= 128) {
    left = Math.floor(left / 128);
    bytes += 1;
  }
  return bytes;
}

/** Zigzag varint; values up to 2^52 (timestamps' deltas included). */
function writeVarint(buffer: Buffer, at: number, value: number): number {
  let left = value < 0 ? -2 * value - 1 : 2 * value;
  while (left >= 128) {
    buffer[at++] = (left % 128) | 0x80;
    left = Math.floor(left / 128);
  }
  buffer[at++] = left;
  return at;
}

function bytesSize(bytes: Buffer | null): number {
  return bytes === null ? 1 : varintBytes(bytes.length) + bytes.length;
}

function writeBytes(buffer: Buffer, at: number, bytes: Buffer | null): number {
  if (bytes === null) return writeVarint(buffer, at, -1);
  const next = writeVarint(buffer, at, bytes.length);
  buffer.set(bytes, next);
  return next + bytes.length;
}

const NO_HEADERS: readonly Header[] = [];

function recordSize(record: NewRecord, timestampDelta: number, offsetDelta: number): number {
  const headers = record.headers ?? NO_HEADERS;
  let size =
    1 +
    varintBytes(timestampDelta) +
    varintBytes(offsetDelta) +
    bytesSize(record.key) +
    bytesSize(record.value) +
    varintBytes(headers.length);
  for (const { key, value } of headers) {
    const keyLength = Buffer.byteLength(key);
    size += varintBytes(keyLength) + keyLength + bytesSize(value);
  }
  return size;
}

/** One batch of records of one partition; their `topic` and `partition` are not looked at. */
export function encodeRecordBatch(records: readonly NewRecord[], producer: ProducerIdentity = NO_PRODUCER): Buffer {
  const baseTimestamp = records[0]?.timestampMs ?? 0;
  let maxTimestamp = baseTimestamp;
  let total = HEADER_BYTES;
  const sizes = new Array<number>(records.length);
  for (const [index, record] of records.entries()) {
    const size = recordSize(record, record.timestampMs - baseTimestamp, index);
    sizes[index] = size;
    total += varintBytes(size) + size;
    if (record.timestampMs > maxTimestamp) maxTimestamp = record.timestampMs;
  }
  const buffer = Buffer.allocUnsafe(total);
  let at = HEADER_BYTES;
  for (const [index, record] of records.entries())
    at = writeRecord(buffer, at, record, sizes[index] ?? 0, baseTimestamp, index);
  buffer.writeBigInt64BE(0n, 0);
  buffer.writeInt32BE(total - 12, 8);
  buffer.writeInt32BE(-1, 12);
  buffer[16] = 2;
  buffer.writeInt16BE(producer.transactional ? TRANSACTIONAL : 0, 21);
  buffer.writeInt32BE(records.length - 1, 23);
  buffer.writeBigInt64BE(BigInt(baseTimestamp), 27);
  buffer.writeBigInt64BE(BigInt(maxTimestamp), 35);
  buffer.writeBigInt64BE(producer.producerId, 43);
  buffer.writeInt16BE(producer.epoch, 51);
  buffer.writeInt32BE(producer.baseSequence, 53);
  buffer.writeInt32BE(records.length, 57);
  buffer.writeUInt32BE(crc32c(buffer, CRC_START), 17);
  return buffer;
}

function writeRecord(
  buffer: Buffer,
  start: number,
  record: NewRecord,
  size: number,
  baseTimestamp: number,
  offsetDelta: number,
): number {
  const headers = record.headers ?? NO_HEADERS;
  let at = writeVarint(buffer, start, size);
  buffer[at++] = 0;
  at = writeVarint(buffer, at, record.timestampMs - baseTimestamp);
  at = writeVarint(buffer, at, offsetDelta);
  at = writeBytes(buffer, at, record.key);
  at = writeBytes(buffer, at, record.value);
  at = writeVarint(buffer, at, headers.length);
  for (const { key, value } of headers) {
    const keyLength = Buffer.byteLength(key);
    at = writeVarint(buffer, at, keyLength);
    buffer.write(key, at, 'utf8');
    at = writeBytes(buffer, at + keyLength, value);
  }
  return at;
}

/** What a fetch brought of one partition, decoded. */
export interface DecodedBatches {
  readonly records: LogRecord[];
  /** the offset after the last whole batch, control batches included; the asked offset when there was none */
  readonly nextOffset: number;
}

export interface AbortedTransaction {
  readonly producerId: bigint;
  readonly firstOffset: number;
}

/**
 * Decodes the batches of a read_committed fetch from `fromOffset` on; records of aborted transactions and control records are left out.
 * @throws Failure `undecodable_record` when a checksum is wrong
 */
export function decodeRecordBatches(
  data: Buffer,
  place: { readonly topic: string; readonly partition: number },
  fromOffset: number,
  aborted: readonly AbortedTransaction[],
): DecodedBatches {
  const records: LogRecord[] = [];
  const abortions = [...aborted].sort((a, b) => a.firstOffset - b.firstOffset);
  const aborting = new Set<bigint>();
  let nextOffset = fromOffset;
  let at = 0;
  // the broker may cut the last batch short
  while (at + HEADER_BYTES <= data.length && at + 12 + data.readInt32BE(at + 8) <= data.length) {
    const end = at + 12 + data.readInt32BE(at + 8);
    if (data[at + 16] !== 2)
      throw new Failure(
        'undecodable_record',
        `${place.topic}/${place.partition} holds a batch of the old format ${data[at + 16]}.`,
      );
    if (data.readUInt32BE(at + 17) !== crc32c(data, at + CRC_START, end)) {
      throw new Failure(
        'undecodable_record',
        `The batch at offset ${data.readBigInt64BE(at)} of ${place.topic}/${place.partition} has a wrong checksum.`,
      );
    }
    const baseOffset = Number(data.readBigInt64BE(at));
    const attributes = data.readInt16BE(at + 21);
    const producerId = data.readBigInt64BE(at + 43);
    for (let first = abortions[0]; first !== undefined && first.firstOffset <= baseOffset; first = abortions[0]) {
      aborting.add(first.producerId);
      abortions.shift();
    }
    if ((attributes & CONTROL) !== 0) aborting.delete(producerId);
    else if ((attributes & TRANSACTIONAL) === 0 || !aborting.has(producerId)) {
      decodeRecords(data, at, end, attributes, baseOffset, place, fromOffset, records);
    }
    nextOffset = Math.max(nextOffset, baseOffset + data.readInt32BE(at + 23) + 1);
    at = end;
  }
  return { records, nextOffset };
}

function decodeRecords(
  data: Buffer,
  start: number,
  end: number,
  attributes: number,
  baseOffset: number,
  place: { readonly topic: string; readonly partition: number },
  fromOffset: number,
  into: LogRecord[],
): void {
  const count = data.readInt32BE(start + 57);
  const baseTimestamp = Number(data.readBigInt64BE(start + 27));
  const cursor = new Cursor(uncompressed(data.subarray(start + HEADER_BYTES, end), attributes, place.topic));
  for (let index = 0; index < count; index += 1) {
    cursor.varint();
    cursor.skip(1);
    const timestampMs = baseTimestamp + cursor.varint();
    const offset = baseOffset + cursor.varint();
    const key = cursor.bytes();
    const value = cursor.bytes();
    const headerCount = cursor.varint();
    const headers: Header[] = [];
    for (let header = 0; header < headerCount; header += 1) {
      headers.push({ key: cursor.bytes()?.toString() ?? '', value: cursor.bytes() ?? Buffer.alloc(0) });
    }
    if (offset >= fromOffset)
      into.push({ topic: place.topic, partition: place.partition, offset, timestampMs, key, value, headers });
  }
}

function uncompressed(body: Buffer, attributes: number, topic: string): Buffer {
  const compression = attributes & COMPRESSION_MASK;
  if (compression === 0) return body;
  if (compression === GZIP) return gunzipSync(body);
  throw new Failure(
    'undecodable_record',
    `${topic} holds batches compressed with ${['', '', 'snappy', 'lz4', 'zstd'][compression] ?? 'an unknown codec'}.`,
    {
      fix: 'Produce uncompressed or with gzip.',
    },
  );
}

class Cursor {
  readonly #data: Buffer;
  #at = 0;

  constructor(data: Buffer) {
    this.#data = data;
  }

  skip(bytes: number): void {
    this.#at += bytes;
  }

  varint(): number {
    let byte = this.#data[this.#at++] ?? 0;
    let value = byte & 0x7f;
    // up to four bytes fit 32-bit arithmetic; longer ones (old timestamps' deltas) go on in doubles
    for (let scale = 128; byte >= 128; scale *= 128) {
      byte = this.#data[this.#at++] ?? 0;
      value += (byte & 0x7f) * scale;
    }
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
  }

  bytes(): Buffer | null {
    const length = this.varint();
    if (length < 0) return null;
    const bytes = this.#data.subarray(this.#at, this.#at + length);
    this.#at += length;
    return bytes;
  }
}
