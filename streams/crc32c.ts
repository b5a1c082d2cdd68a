// CRC-32C (Castagnoli), eight bytes at a time (slicing-by-8), in two lanes: each step of one lane waits for the step before it, so the
// processor has time for another lane meanwhile. A lane that began with 0 is added to the one before it once that one was moved on by
// so many zero bytes (the checksum is linear).

const POLYNOMIAL = 0x82f63b78;
/** Short, so that small batches have lanes too; long, since joining two lanes costs as much as some 20 bytes. */
const LANE_BYTES = 1024;

const TABLES: readonly Int32Array[] = makeTables();

function makeTables(): Int32Array[] {
  const tables = Array.from({ length: 8 }, () => new Int32Array(256));
  for (let byte = 0; byte < 256; byte += 1) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit += 1) crc = crc & 1 ? (crc >>> 1) ^ POLYNOMIAL : crc >>> 1;
    at(tables, 0)[byte] = crc;
  }
  for (let table = 1; table < 8; table += 1) {
    for (let byte = 0; byte < 256; byte += 1) {
      const before = at(tables, table - 1)[byte] ?? 0;
      at(tables, table)[byte] = (before >>> 8) ^ (at(tables, 0)[before & 0xff] ?? 0);
    }
  }
  return tables;
}

function at(tables: readonly Int32Array[], index: number): Int32Array {
  return tables[index] ?? new Int32Array(256);
}

const T0 = at(TABLES, 0);
const T1 = at(TABLES, 1);
const T2 = at(TABLES, 2);
const T3 = at(TABLES, 3);
const T4 = at(TABLES, 4);
const T5 = at(TABLES, 5);
const T6 = at(TABLES, 6);
const T7 = at(TABLES, 7);

/** By byte of a checksum: what becomes of it behind LANE_BYTES zero bytes. */
const MOVED: readonly Int32Array[] = [0, 8, 16, 24].map(movedTable);

function movedTable(shift: number): Int32Array {
  const ofBits = Array.from({ length: 8 }, (_, bit) => {
    let crc = 1 << (shift + bit);
    for (let byte = 0; byte < LANE_BYTES; byte += 1) crc = (crc >>> 8) ^ (T0[crc & 0xff] as number);
    return crc;
  });
  return Int32Array.from({ length: 256 }, (_, byte) =>
    ofBits.reduce((moved, ofBit, bit) => (byte & (1 << bit) ? moved ^ ofBit : moved), 0),
  );
}

const M0 = at(MOVED, 0);
const M1 = at(MOVED, 1);
const M2 = at(MOVED, 2);
const M3 = at(MOVED, 3);

/** The checksum of `data[start, end)`, unsigned. Indices are bytes, so each look-up finds a number: hence the casts. */
export function crc32c(data: Uint8Array, start = 0, end = data.length): number {
  const view = new DataView(data.buffer, data.byteOffset, data.length);
  let crc = -1;
  let i = start;
  for (; end - i >= 2 * LANE_BYTES; i += 2 * LANE_BYTES) crc = twoLanes(view, i, crc);
  const whole = end - ((end - i) & 7);
  for (; i < whole; i += 8) crc = eight(crc ^ view.getInt32(i, true), view.getInt32(i + 4, true));
  for (; i < end; i += 1) crc = (crc >>> 8) ^ (T0[(crc ^ (data[i] as number)) & 0xff] as number);
  return ~crc >>> 0;
}

function twoLanes(view: DataView, start: number, before: number): number {
  let first = before;
  let second = 0;
  const end = start + LANE_BYTES;
  for (let i = start; i < end; i += 8) {
    first = eight(first ^ view.getInt32(i, true), view.getInt32(i + 4, true));
    second = eight(second ^ view.getInt32(i + LANE_BYTES, true), view.getInt32(i + LANE_BYTES + 4, true));
  }
  const moved =
    (M0[first & 0xff] as number) ^
    (M1[(first >>> 8) & 0xff] as number) ^
    (M2[(first >>> 16) & 0xff] as number) ^
    (M3[first >>> 24] as number);
  return moved ^ second;
}

function eight(low: number, high: number): number {
  return (
    (T7[low & 0xff] as number) ^
    (T6[(low >>> 8) & 0xff] as number) ^
    (T5[(low >>> 16) & 0xff] as number) ^
    (T4[low >>> 24] as number) ^
    (T3[high & 0xff] as number) ^
    (T2[(high >>> 8) & 0xff] as number) ^
    (T1[(high >>> 16) & 0xff] as number) ^
    (T0[high >>> 24] as number)
  );
}
