// Number of distinct values by HyperLogLog (Flajolet et al. 2007), precision 12: 4,096 registers.
//
// Up to 768 distinct hash prefixes are kept as they are ("sparse", after Heule, Nunkesser and Hall, "HyperLogLog in Practice", 2013):
// the answer is then exact but for prefixes that collide, a chance of 1 in 228 at 768 values. Beyond, registers ("dense") with the
// estimator of Ertl ("New cardinality estimation algorithms for HyperLogLog sketches", 2017), which needs no tables of corrections:
// standard error 1.04 / √4096 = 1.63 %, at any number of values.
//
// Sparse or dense is a function of the set of values alone. So merging is exactly associative and commutative, and repeats change nothing.
//
// Of the 64 bits of a hash: 26 make the prefix, whose first 12 choose the register; the rank is the place of the first 1 after those.
import { type SketchAggregate, cannotRetract } from './aggregate.ts';
import { type Hash64, hashValue } from './hash.ts';
import { ByteReader, ByteWriter } from './value-bytes.ts';

const PRECISION = 12;
const REGISTERS = 2 ** PRECISION;
const PREFIX_BITS = 26;
/** Bits of the prefix below the register's number. */
const REST_BITS = PREFIX_BITS - PRECISION;
/** Hash bits after the register's number. */
const RANK_BITS = 64 - PRECISION;
/** More would take more bytes than the registers, which are packed into 6 bits each: 3,072. */
const SPARSE_MAX = 768;
const PACKED_BYTES = (REGISTERS * 6) / 8;

export interface HyperLogLog {
  /** rank beyond the prefix by prefix; null once dense */
  sparse: Map<number, number> | null;
  /** rank by register; empty while sparse */
  registers: Uint8Array;
}

export const distinctApprox: SketchAggregate<HyperLogLog, number> = {
  kind: 'sketch',
  name: 'distinct_approx',
  partial: 'hyperloglog',
  about:
    'Number of distinct values, 0 of none: HyperLogLog, standard error 1.63 %, exact (but for a hash collision) up to 768. Merging is associative and commutative; no retraction.',
  retraction: 'none',
  needsValue: true,
  takesText: true,
  create: () => ({ sparse: new Map(), registers: NO_REGISTERS }),
  add: (state, value) => {
    hashValue(value, hash);
    addHash(state, hash);
  },
  retract: () => cannotRetract('distinct_approx'),
  merge(into, from) {
    if (from.sparse !== null) {
      for (const [prefix, rank] of from.sparse) put(into, prefix, rank);
      return;
    }
    densify(into);
    for (let register = 0; register < REGISTERS; register += 1)
      raise(into.registers, register, from.registers[register] ?? 0);
  },
  result: ({ sparse, registers }) => Math.round(sparse === null ? estimate(registers) : linearCount(sparse.size)),
  encode,
  decode,
};

const NO_REGISTERS = new Uint8Array(0);
const hash: Hash64 = { high: 0, low: 0 };

/** Adds a value by its hash. */
export function addHash(state: HyperLogLog, { high, low }: Hash64): void {
  put(state, high >>> (32 - PREFIX_BITS), rankBeyondPrefix(high, low));
}

/** Place of the first 1 among the 38 bits after the prefix, from 1; 39 where there is none. */
function rankBeyondPrefix(high: number, low: number): number {
  const rest = high << PREFIX_BITS;
  return rest !== 0 ? Math.clz32(rest) + 1 : 32 - PREFIX_BITS + Math.clz32(low) + 1;
}

function put(state: HyperLogLog, prefix: number, rank: number): void {
  const { sparse } = state;
  if (sparse === null) {
    raiseByPrefix(state.registers, prefix, rank);
    return;
  }
  if (rank > (sparse.get(prefix) ?? 0)) sparse.set(prefix, rank);
  if (sparse.size > SPARSE_MAX) densify(state);
}

function densify(state: HyperLogLog): void {
  if (state.sparse === null) return;
  state.registers = new Uint8Array(REGISTERS);
  for (const [prefix, rank] of state.sparse) raiseByPrefix(state.registers, prefix, rank);
  state.sparse = null;
}

function raiseByPrefix(registers: Uint8Array, prefix: number, rank: number): void {
  const rest = prefix & (2 ** REST_BITS - 1);
  // clz32 counts the bits of the prefix that are not in `rest`, too
  raise(registers, prefix >>> REST_BITS, rest !== 0 ? Math.clz32(rest) - (32 - REST_BITS) + 1 : REST_BITS + rank);
}

function raise(registers: Uint8Array, register: number, rank: number): void {
  if (rank > (registers[register] as number)) registers[register] = rank;
}

/** Prefixes hit evenly, one in 2^26 each: the expected number of values that hit so many of them. */
function linearCount(prefixes: number): number {
  return -(2 ** PREFIX_BITS) * Math.log1p(-prefixes / 2 ** PREFIX_BITS);
}

/** Ertl 2017, algorithm 6. */
function estimate(registers: Uint8Array): number {
  const counts = new Float64Array(RANK_BITS + 2);
  for (const rank of registers) counts[rank] = (counts[rank] as number) + 1;
  let z = REGISTERS * tau(1 - (counts[RANK_BITS + 1] as number) / REGISTERS);
  for (let rank = RANK_BITS; rank >= 1; rank -= 1) z = 0.5 * (z + (counts[rank] as number));
  z += REGISTERS * sigma((counts[0] as number) / REGISTERS);
  return REGISTERS ** 2 / (2 * Math.LN2 * z);
}

/** x + Σ x^(2^k) 2^(k−1): what the empty registers stand for. Below 1, since a dense sketch has no fewer than one value. */
function sigma(share: number): number {
  let [x, y, z, before] = [share, 1, share, Number.NaN];
  while (z !== before) {
    x *= x;
    before = z;
    z += x * y;
    y += y;
  }
  return z;
}

/** (1 − x − Σ (1 − x^(2^−k))² 2^−k) / 3: what the full registers stand for. */
function tau(share: number): number {
  if (share === 0 || share === 1) return 0;
  let [x, y, z, before] = [share, 1, 1 - share, Number.NaN];
  while (z !== before) {
    x = Math.sqrt(x);
    before = z;
    y *= 0.5;
    z -= (1 - x) ** 2 * y;
  }
  return z / 3;
}

// version u8 | 0 | count u32 | (prefix << 6 | rank) u32, ascending      or      version u8 | 1 | registers, 6 bits each
const VERSION = 1;

function encode({ sparse, registers }: HyperLogLog): Buffer {
  if (sparse === null) {
    const bytes = Buffer.alloc(2 + PACKED_BYTES);
    bytes[0] = VERSION;
    bytes[1] = 1;
    for (let register = 0, at = 2; register < REGISTERS; register += 4, at += 3) {
      const four =
        ((registers[register] as number) << 18) |
        ((registers[register + 1] as number) << 12) |
        ((registers[register + 2] as number) << 6) |
        (registers[register + 3] as number);
      bytes.writeUIntBE(four, at, 3);
    }
    return bytes;
  }
  const writer = new ByteWriter(6 + 4 * sparse.size);
  writer.u8(VERSION);
  writer.u8(0);
  writer.u32(sparse.size);
  const entries = Uint32Array.from(sparse, ([prefix, rank]) => (prefix << 6) | rank).sort();
  for (const entry of entries) writer.u32(entry);
  return writer.bytes();
}

function decode(bytes: Buffer): HyperLogLog {
  const reader = new ByteReader(bytes);
  reader.version(VERSION, 'distinct_approx');
  if (reader.u8() === 0) {
    const sparse = new Map<number, number>();
    for (let left = reader.u32(); left > 0; left -= 1) {
      const entry = reader.u32();
      sparse.set(entry >>> 6, entry & 63);
    }
    return { sparse, registers: NO_REGISTERS };
  }
  const registers = new Uint8Array(REGISTERS);
  for (let register = 0, at = 2; register < REGISTERS; register += 4, at += 3) {
    const four = bytes.readUIntBE(at, 3);
    registers[register] = four >>> 18;
    registers[register + 1] = (four >>> 12) & 63;
    registers[register + 2] = (four >>> 6) & 63;
    registers[register + 3] = four & 63;
  }
  return { sparse: null, registers };
}
