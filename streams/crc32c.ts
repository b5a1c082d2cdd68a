// CRC-32C (Castagnoli), eight bytes at a time (slicing-by-8).

const POLYNOMIAL = 0x82f63b78;

const TABLES: readonly Uint32Array[] = makeTables();

function makeTables(): Uint32Array[] {
  const tables = Array.from({ length: 8 }, () => new Uint32Array(256));
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

function at(tables: readonly Uint32Array[], index: number): Uint32Array {
  return tables[index] ?? new Uint32Array(256);
}

const T0 = at(TABLES, 0);
const T1 = at(TABLES, 1);
const T2 = at(TABLES, 2);
const T3 = at(TABLES, 3);
const T4 = at(TABLES, 4);
const T5 = at(TABLES, 5);
const T6 = at(TABLES, 6);
const T7 = at(TABLES, 7);

/** The checksum of `data[start, end)`, unsigned. Indices are bytes, so each look-up finds a number: hence the casts. */
export function crc32c(data: Uint8Array, start = 0, end = data.length): number {
  let crc = 0xffffffff;
  let i = start;
  const whole = end - ((end - start) & 7);
  while (i < whole) {
    const low =
      crc ^
      ((data[i] as number) |
        ((data[i + 1] as number) << 8) |
        ((data[i + 2] as number) << 16) |
        ((data[i + 3] as number) << 24));
    crc =
      (T7[low & 0xff] as number) ^
      (T6[(low >>> 8) & 0xff] as number) ^
      (T5[(low >>> 16) & 0xff] as number) ^
      (T4[low >>> 24] as number) ^
      (T3[data[i + 4] as number] as number) ^
      (T2[data[i + 5] as number] as number) ^
      (T1[data[i + 6] as number] as number) ^
      (T0[data[i + 7] as number] as number);
    i += 8;
  }
  for (; i < end; i += 1) crc = (crc >>> 8) ^ (T0[(crc ^ (data[i] as number)) & 0xff] as number);
  return (crc ^ 0xffffffff) >>> 0;
}
