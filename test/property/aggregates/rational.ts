// Sums and variances without any rounding: each double is a whole number of 2^-1074, and whole numbers are exact.

const UNIT_BITS = 1074n;
const double = new Float64Array(1);
const bits = new BigUint64Array(double.buffer);

/** The double as a whole number of 2^-1074. */
export function whole(value: number): bigint {
  double[0] = value;
  const raw = bits[0] ?? 0n;
  const exponent = (raw >> 52n) & 0x7ffn;
  const fraction = raw & 0xfffffffffffffn;
  const magnitude = exponent === 0n ? fraction : (fraction | (1n << 52n)) << (exponent - 1n);
  return raw >> 63n === 1n ? -magnitude : magnitude;
}

/** numerator / denominator × 2^-(1074 × units) as the nearest double, to an ulp. */
export function toNumber(numerator: bigint, denominator: bigint, units: 0n | 1n | 2n): number {
  if (numerator === 0n) return 0;
  if (numerator < 0n) return -toNumber(-numerator, denominator, units);
  // 80 bits of quotient
  const shift = BigInt(denominator.toString(2).length - numerator.toString(2).length + 80);
  const quotient = shift >= 0n ? (numerator << shift) / denominator : numerator / (denominator << -shift);
  let exponent = Number(-shift - UNIT_BITS * units);
  let value = Number(quotient);
  // in steps, since 2^exponent alone may be beyond the range
  for (; exponent < -500; exponent += 500) value *= 2 ** -500;
  for (; exponent > 500; exponent -= 500) value *= 2 ** 500;
  return value * 2 ** exponent;
}

export function exactTotal(values: readonly number[]): number {
  return toNumber(
    values.reduce((sum, value) => sum + whole(value), 0n),
    1n,
    1n,
  );
}

export function exactMean(values: readonly number[]): number {
  return toNumber(
    values.reduce((sum, value) => sum + whole(value), 0n),
    BigInt(values.length),
    1n,
  );
}

/** (n Σx² − (Σx)²) / (n (n − less)) */
export function exactVariance(values: readonly number[], less: number): number {
  const n = BigInt(values.length);
  let [sum, squares] = [0n, 0n];
  for (const value of values) {
    const term = whole(value);
    sum += term;
    squares += term * term;
  }
  return toNumber(n * squares - sum * sum, n * (n - BigInt(less)), 2n);
}
