// Records as a reader hands them out: undecoded, their bytes behind each other, as they would have come off the wire.
import { type LogRecord, type NewRecord, type EncodedBatch, type RecordSlab, type TopicPartition } from '../log.ts';
import { type ProducerIdentity, decodeRecordBatches, stampBatch, varintBytes, writeVarint } from '../record-batch.ts';
import { SlabColumns, WireSlab, recordsOf } from '../record-slab.ts';

/** None for no records, else one. */
export function slabsOf(place: TopicPartition, records: readonly LogRecord[]): readonly RecordSlab[] {
  if (records.length === 0) return [];
  const columns = new SlabColumns(records.length);
  const parts: Buffer[] = [];
  let length = 0;
  const add = (bytes: Buffer): number => {
    parts.push(bytes);
    length += bytes.length;
    return length - bytes.length;
  };
  for (const [index, { offset, timestampMs, key, value, headers }] of records.entries()) {
    columns.offsets[index] = offset;
    columns.timesMs[index] = timestampMs;
    columns.keyStarts[index] = key === null ? -1 : add(key);
    columns.keyEnds[index] = key === null ? -1 : length;
    columns.valueStarts[index] = value === null ? -1 : add(value);
    columns.valueEnds[index] = value === null ? -1 : length;
    columns.headerStarts[index] = add(headerBytes(headers));
  }
  return [new WireSlab(place, Buffer.concat(parts), columns, records.length)];
}

/** The number of headers, then each with its lengths. */
function headerBytes(headers: LogRecord['headers']): Buffer {
  const parts = [varint(headers.length)];
  for (const { key, value } of headers) {
    const name = Buffer.from(key);
    parts.push(varint(name.length), name, varint(value.length), value);
  }
  return Buffer.concat(parts);
}

function varint(value: number): Buffer {
  const bytes = Buffer.alloc(varintBytes(value));
  writeVarint(bytes, 0, value);
  return bytes;
}

const NOBODY: ProducerIdentity = { producerId: -1n, epoch: -1, baseSequence: -1, transactional: false };

/** The records of a batch that was encoded ahead, its checksum included. */
export function recordsOfBatch({ topic, partition, bytes }: EncodedBatch): readonly NewRecord[] {
  stampBatch(bytes, NOBODY);
  return recordsOf(decodeRecordBatches(bytes, { topic, partition }, 0, []).slabs);
}
