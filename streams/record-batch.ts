// Kafka's record batch, magic 2, as whole batches.
//
//   base offset i64 | length i32 | leader epoch i32 | magic i8 | crc u32 | attributes i16 | last offset delta i32 |
//   base timestamp i64 | max timestamp i64 | producer id i64 | producer epoch i16 | base sequence i32 | count i32 | records
//
//   record: length varint | attributes i8 | timestamp delta varlong | offset delta varint | key | value | headers
//
// Law: decode(encode(records)) gives the records, with offsets counted from the base offset.
import { Failure } from '../schemas/failure.ts';
import { crc32c } from './crc32c.ts';
import { decompressed } from './decompress.ts';
import { type Header, type NewRecord, type RecordSlab, type TopicPartition, partitionId } from './log.ts';
import { type BatchHead, SlabColumns, WireSlab, readRecords } from './record-slab.ts';

export const HEADER_BYTES = 61;
const CRC_START = 21;
const TRANSACTIONAL = 0x10;
const CONTROL = 0x20;
const COMPRESSION_MASK = 0x07;

export interface ProducerIdentity {
  readonly producerId: bigint;
  readonly epoch: number;
  readonly baseSequence: number;
  readonly transactional: boolean;
}

const NO_PRODUCER: ProducerIdentity = { producerId: -1n, epoch: -1, baseSequence: -1, transactional: false };

export function varintBytes(value: number): number {
  if (value >= -64 && value < 64) return 1;
  let left = value < 0 ? -2 * value - 1 : 2 * value;
  let bytes = 1;
  while (left >= 128) {
    left = Math.floor(left / 128);
    bytes += 1;
  }
  return bytes;
}

/** Zigzag varint; values up to 2^52 (timestamps' deltas included). */
export function writeVarint(buffer: Buffer, at: number, value: number): number {
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
  sealBatch(buffer, records.length, baseTimestamp, maxTimestamp);
  stampBatch(buffer, producer);
  return buffer;
}

/** Writes the header of a batch whose records stand behind it; producer and checksum are left to `stampBatch`. */
export function sealBatch(batch: Buffer, count: number, baseTimestampMs: number, maxTimestampMs: number): void {
  batch.fill(0, 0, 8);
  batch.writeInt32BE(batch.length - 12, 8);
  batch.writeInt32BE(-1, 12);
  batch[16] = 2;
  batch.writeInt32BE(count - 1, 23);
  batch.writeBigInt64BE(BigInt(baseTimestampMs), 27);
  batch.writeBigInt64BE(BigInt(maxTimestampMs), 35);
  batch.writeInt32BE(count, 57);
}

/** Says who produced a sealed batch, and sets its checksum. */
export function stampBatch(batch: Buffer, producer: ProducerIdentity): void {
  batch.writeInt16BE(producer.transactional ? TRANSACTIONAL : 0, 21);
  batch.writeBigInt64BE(producer.producerId, 43);
  batch.writeInt16BE(producer.epoch, 51);
  batch.writeInt32BE(producer.baseSequence, 53);
  batch.writeUInt32BE(crc32c(batch, CRC_START), 17);
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

/** What a fetch brought of one partition. */
export interface DecodedBatches {
  readonly slabs: readonly RecordSlab[];
  /** the offset after the last whole batch, control batches included; the asked offset when there was none */
  readonly nextOffset: number;
}

export interface AbortedTransaction {
  readonly producerId: bigint;
  readonly firstOffset: number;
}

/**
 * Finds the records in the batches of a read_committed fetch, from `fromOffset` on; those of aborted transactions and control
 * records are left out.
 * @throws Failure `undecodable_record` when a checksum is wrong
 */
export function decodeRecordBatches(
  data: Buffer,
  place: TopicPartition,
  fromOffset: number,
  aborted: readonly AbortedTransaction[],
): DecodedBatches {
  const abortions = [...aborted].sort((a, b) => a.firstOffset - b.firstOffset);
  const aborting = new Set<bigint>();
  const slabs: RecordSlab[] = [];
  let plain: BatchHead[] = [];
  let nextOffset = fromOffset;
  let at = 0;
  // the broker may cut the last batch short
  while (at + HEADER_BYTES <= data.length && at + 12 + data.readInt32BE(at + 8) <= data.length) {
    const end = at + 12 + data.readInt32BE(at + 8);
    checkBatch(data, at, end, place);
    const head = headOf(data, at);
    const attributes = data.readInt16BE(at + 21);
    const producerId = data.readBigInt64BE(at + 43);
    for (let first = abortions[0]; first !== undefined && first.firstOffset <= head.baseOffset; first = abortions[0]) {
      aborting.add(first.producerId);
      abortions.shift();
    }
    if ((attributes & CONTROL) !== 0) aborting.delete(producerId);
    else if ((attributes & TRANSACTIONAL) === 0 || !aborting.has(producerId)) {
      if ((attributes & COMPRESSION_MASK) === 0) plain.push(head);
      else {
        pushSlab(slabs, place, data, plain, fromOffset);
        plain = [];
        const body = decompressed(data.subarray(at + HEADER_BYTES, end), attributes, partitionId(place));
        pushSlab(slabs, place, body, [{ ...head, start: 0 }], fromOffset);
      }
    }
    nextOffset = Math.max(nextOffset, head.baseOffset + data.readInt32BE(at + 23) + 1);
    at = end;
  }
  pushSlab(slabs, place, data, plain, fromOffset);
  return { slabs, nextOffset };
}

function headOf(data: Buffer, at: number): BatchHead {
  return {
    start: at + HEADER_BYTES,
    count: data.readInt32BE(at + 57),
    baseOffset: Number(data.readBigInt64BE(at)),
    baseTimestampMs: Number(data.readBigInt64BE(at + 27)),
  };
}

function checkBatch(data: Buffer, at: number, end: number, { topic, partition }: TopicPartition): void {
  if (data[at + 16] !== 2)
    throw new Failure('undecodable_record', `${topic}/${partition} holds a batch of the old format ${data[at + 16]}.`);
  if (data.readUInt32BE(at + 17) !== crc32c(data, at + CRC_START, end))
    throw new Failure(
      'undecodable_record',
      `The batch at offset ${data.readBigInt64BE(at)} of ${topic}/${partition} has a wrong checksum.`,
    );
}

/** Batches that lie in the same bytes make one slab. */
function pushSlab(
  slabs: RecordSlab[],
  place: TopicPartition,
  data: Buffer,
  heads: readonly BatchHead[],
  fromOffset: number,
): void {
  // one more: the place into which a record before `fromOffset` is read
  const columns = new SlabColumns(1 + heads.reduce((sum, { count }) => sum + count, 0));
  let count = 0;
  for (const head of heads) count = readRecords(data, head, fromOffset, columns, count);
  if (count > 0) slabs.push(new WireSlab(place, data, columns, count));
}
