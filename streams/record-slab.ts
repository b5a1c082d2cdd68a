// Records of one partition as they lie in the bytes of a fetch. Nothing is copied and no object is made per record; whoever wants
// objects asks for `recordOf`.
import { type Fetched, type Header, type LogRecord, type RecordSlab, type TopicPartition } from './log.ts';

export class WireSlab implements RecordSlab {
  readonly topic: string;
  readonly partition: number;
  readonly count: number;
  readonly data: Buffer;
  readonly offsets: Float64Array;
  readonly timesMs: Float64Array;
  readonly keyStarts: Int32Array;
  readonly keyEnds: Int32Array;
  readonly valueStarts: Int32Array;
  readonly valueEnds: Int32Array;
  /** where the number of headers stands */
  readonly #headerStarts: Int32Array;

  constructor(place: TopicPartition, data: Buffer, columns: SlabColumns, count: number) {
    this.topic = place.topic;
    this.partition = place.partition;
    this.data = data;
    this.count = count;
    this.offsets = columns.offsets;
    this.timesMs = columns.timesMs;
    this.keyStarts = columns.keyStarts;
    this.keyEnds = columns.keyEnds;
    this.valueStarts = columns.valueStarts;
    this.valueEnds = columns.valueEnds;
    this.#headerStarts = columns.headerStarts;
  }

  key(index: number): Buffer | null {
    return this.#bytes(this.keyStarts[index] ?? -1, this.keyEnds[index] ?? -1);
  }

  value(index: number): Buffer | null {
    return this.#bytes(this.valueStarts[index] ?? -1, this.valueEnds[index] ?? -1);
  }

  #bytes(start: number, end: number): Buffer | null {
    return start < 0 ? null : this.data.subarray(start, end);
  }

  headers(index: number): Header[] {
    return readHeaders(this.data, this.#headerStarts[index] ?? 0);
  }

  header(index: number, name: Buffer): Buffer | null {
    const at = this.#headerStarts[index] ?? 0;
    return this.data[at] === 0 ? null : findHeader(this.data, at, name);
  }

  recordOf(index: number): LogRecord {
    return {
      topic: this.topic,
      partition: this.partition,
      offset: this.offsets[index] ?? -1,
      timestampMs: this.timesMs[index] ?? 0,
      key: this.key(index),
      value: this.value(index),
      headers: this.headers(index),
    };
  }
}

/** What a fetch brought; objects are made of the records when somebody asks for them. */
export class FetchedSlabs implements Fetched {
  readonly topic: string;
  readonly partition: number;
  readonly slabs: readonly RecordSlab[];
  readonly nextOffset: number;
  readonly endOffset: number;
  readonly isGap: boolean;
  #records: LogRecord[] | null = null;

  constructor(
    place: TopicPartition,
    slabs: readonly RecordSlab[],
    nextOffset: number,
    endOffset: number,
    isGap = false,
  ) {
    this.topic = place.topic;
    this.partition = place.partition;
    this.slabs = slabs;
    this.nextOffset = nextOffset;
    this.endOffset = endOffset;
    this.isGap = isGap;
  }

  get records(): readonly LogRecord[] {
    this.#records ??= recordsOf(this.slabs);
    return this.#records;
  }
}

export function recordsOf(slabs: readonly RecordSlab[]): LogRecord[] {
  return slabs.flatMap((slab) => Array.from({ length: slab.count }, (_, index) => slab.recordOf(index)));
}

/** Room for `capacity` records; filled by `readRecords`. */
export class SlabColumns {
  readonly offsets: Float64Array;
  readonly timesMs: Float64Array;
  readonly keyStarts: Int32Array;
  readonly keyEnds: Int32Array;
  readonly valueStarts: Int32Array;
  readonly valueEnds: Int32Array;
  readonly headerStarts: Int32Array;

  constructor(capacity: number) {
    this.offsets = new Float64Array(capacity);
    this.timesMs = new Float64Array(capacity);
    this.keyStarts = new Int32Array(capacity);
    this.keyEnds = new Int32Array(capacity);
    this.valueStarts = new Int32Array(capacity);
    this.valueEnds = new Int32Array(capacity);
    this.headerStarts = new Int32Array(capacity);
  }
}

/** The records of one batch, as its header tells of them. */
export interface BatchHead {
  /** where the first record stands in `data` */
  readonly start: number;
  readonly count: number;
  readonly baseOffset: number;
  readonly baseTimestampMs: number;
}

/**
 * Notes where the batch's records lie, from the record at `fromOffset` on.
 * @param filled records that `columns` holds already
 * @returns how many it holds now
 */
export function readRecords(
  data: Buffer,
  { start, count, baseOffset, baseTimestampMs }: BatchHead,
  fromOffset: number,
  columns: SlabColumns,
  filled: number,
): number {
  const cursor = new Cursor(data, start);
  let into = filled;
  for (let index = 0; index < count; index += 1) {
    const length = cursor.varint();
    const next = cursor.at + length;
    cursor.at += 1;
    columns.timesMs[into] = baseTimestampMs + cursor.varint();
    const offset = baseOffset + cursor.varint();
    columns.offsets[into] = offset;
    const keyLength = cursor.varint();
    columns.keyStarts[into] = keyLength < 0 ? -1 : cursor.at;
    if (keyLength > 0) cursor.at += keyLength;
    columns.keyEnds[into] = keyLength < 0 ? -1 : cursor.at;
    const valueLength = cursor.varint();
    columns.valueStarts[into] = valueLength < 0 ? -1 : cursor.at;
    if (valueLength > 0) cursor.at += valueLength;
    columns.valueEnds[into] = valueLength < 0 ? -1 : cursor.at;
    columns.headerStarts[into] = cursor.at;
    cursor.at = next;
    if (offset >= fromOffset) into += 1;
  }
  return into;
}

const NO_HEADERS: Header[] = [];
const NO_BYTES = Buffer.alloc(0);

function readHeaders(data: Buffer, at: number): Header[] {
  // most records of others have none: one shared empty list
  if (data[at] === 0) return NO_HEADERS;
  const cursor = new Cursor(data, at);
  const count = cursor.varint();
  const headers: Header[] = [];
  for (let index = 0; index < count; index += 1)
    headers.push({ key: cursor.bytes()?.toString() ?? '', value: cursor.bytes() ?? NO_BYTES });
  return headers;
}

function findHeader(data: Buffer, at: number, name: Buffer): Buffer | null {
  const cursor = new Cursor(data, at);
  for (let left = cursor.varint(); left > 0; left -= 1) {
    const length = cursor.varint();
    const start = cursor.at;
    cursor.at += length;
    if (length === name.length && data.compare(name, 0, length, start, start + length) === 0)
      return cursor.bytes() ?? NO_BYTES;
    const valueLength = cursor.varint();
    if (valueLength > 0) cursor.at += valueLength;
  }
  return null;
}

class Cursor {
  readonly #data: Buffer;
  at: number;

  constructor(data: Buffer, at: number) {
    this.#data = data;
    this.at = at;
  }

  /** Zigzag; up to 2^52. */
  varint(): number {
    const data = this.#data;
    let byte = data[this.at++] ?? 0;
    if (byte < 128) return (byte >>> 1) ^ -(byte & 1);
    let value = byte & 0x7f;
    // up to four bytes fit 32-bit arithmetic; longer ones (old timestamps' deltas) go on in doubles
    for (let scale = 128; byte >= 128; scale *= 128) {
      byte = data[this.at++] ?? 0;
      value += (byte & 0x7f) * scale;
    }
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
  }

  bytes(): Buffer | null {
    const length = this.varint();
    if (length < 0) return null;
    const bytes = this.#data.subarray(this.at, this.at + length);
    this.at += length;
    return bytes;
  }
}
