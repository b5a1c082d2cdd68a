// MurmurHash3 x86 128 (Austin Appleby, public domain): the variant that needs 32-bit multiplication only, which JavaScript has. The first
// 64 of its 128 bits are used. Checked against the Python package mmh3.

const C1 = 0x239b961b;
const C2 = 0xab0e9789;
const C3 = 0x38b34ae5;
const C4 = 0xa1e38b93;

/** Two 32-bit halves of a hash, as signed integers. */
export interface Hash64 {
  high: number;
  low: number;
}

function rotl(value: number, bits: number): number {
  return (value << bits) | (value >>> (32 - bits));
}

/** Every bit of the value changes every bit of the result with a chance of one half. */
export function mix32(value: number): number {
  let h = value;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}

function word(bytes: Uint8Array, at: number): number {
  return (
    (bytes[at] as number) |
    ((bytes[at + 1] as number) << 8) |
    ((bytes[at + 2] as number) << 16) |
    ((bytes[at + 3] as number) << 24)
  );
}

/** Up to four bytes at `at`, 0 where the data has ended. */
function tailWord(bytes: Uint8Array, at: number, end: number): number {
  let found = 0;
  for (let byte = Math.min(end, at + 4) - 1; byte >= at; byte -= 1) found = (found << 8) | (bytes[byte] as number);
  return found;
}

/** @param into takes the first 64 bits */
export function hash64(bytes: Uint8Array, end: number, seed: number, into: Hash64): void {
  let [h1, h2, h3, h4] = [seed, seed, seed, seed];
  const whole = end - (end % 16);
  for (let at = 0; at < whole; at += 16) {
    h1 ^= Math.imul(rotl(Math.imul(word(bytes, at), C1), 15), C2);
    h1 = (Math.imul((rotl(h1, 19) + h2) | 0, 5) + 0x561ccd1b) | 0;
    h2 ^= Math.imul(rotl(Math.imul(word(bytes, at + 4), C2), 16), C3);
    h2 = (Math.imul((rotl(h2, 17) + h3) | 0, 5) + 0x0bcaa747) | 0;
    h3 ^= Math.imul(rotl(Math.imul(word(bytes, at + 8), C3), 17), C4);
    h3 = (Math.imul((rotl(h3, 15) + h4) | 0, 5) + 0x96cd1c35) | 0;
    h4 ^= Math.imul(rotl(Math.imul(word(bytes, at + 12), C4), 18), C1);
    h4 = (Math.imul((rotl(h4, 13) + h1) | 0, 5) + 0x32ac3b17) | 0;
  }
  // a word of the tail that is missing is 0, and changes nothing
  h4 ^= Math.imul(rotl(Math.imul(tailWord(bytes, whole + 12, end), C4), 18), C1);
  h3 ^= Math.imul(rotl(Math.imul(tailWord(bytes, whole + 8, end), C3), 17), C4);
  h2 ^= Math.imul(rotl(Math.imul(tailWord(bytes, whole + 4, end), C2), 16), C3);
  h1 ^= Math.imul(rotl(Math.imul(tailWord(bytes, whole, end), C1), 15), C2);
  finish(h1 ^ end, h2 ^ end, h3 ^ end, h4 ^ end, into);
}

function finish(a: number, b: number, c: number, d: number, into: Hash64): void {
  const h1 = mix32((a + b + c + d) | 0);
  const sum = (a + b + c + d) | 0;
  const [h2, h3, h4] = [mix32((b + sum) | 0), mix32((c + sum) | 0), mix32((d + sum) | 0)];
  const all = (h1 + h2 + h3 + h4) | 0;
  into.high = all;
  into.low = (h2 + all) | 0;
}

const NUMBER_SEED = 1;
const TEXT_SEED = 2;
const number = new Float64Array(1);
const numberBytes = new Uint8Array(number.buffer);
let text = Buffer.allocUnsafe(256);

/** A number and the text that looks like it have hashes of their own; −0 has that of 0. */
export function hashValue(value: number | string, into: Hash64): void {
  if (typeof value === 'number') {
    // −0 + 0 is 0
    number[0] = value + 0;
    hash64(numberBytes, 8, NUMBER_SEED, into);
    return;
  }
  const lengthBytes = 2 * value.length;
  if (lengthBytes > text.length) text = Buffer.allocUnsafe(2 * lengthBytes);
  text.write(value, 0, 'utf16le');
  hash64(text, lengthBytes, TEXT_SEED, into);
}
