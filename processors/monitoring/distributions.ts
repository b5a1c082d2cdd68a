// Tails of the distributions that the verdicts need. Checked against scipy in test/golden/monitoring.

/** Φ⁻¹(0.975): half the width of a 95 % interval, in standard errors. */
export const Z_95 = 1.959963984540054;

const TERMS_MAX = 10_000;

// Lanczos approximation, g = 7, n = 9 (Godfrey); relative error below 1e-14 for x > 0.
const LANCZOS = [
  0.99999999999980993, 676.5203681218851, -1259.1392167224028, 771.32342877765313, -176.61502916214059,
  12.507343278686905, -0.13857109526572012, 9.9843695780195716e-6, 1.5056327351493116e-7,
];

/** ln Γ(x) for x ≥ 0.5. */
function logGamma(x: number): number {
  const z = x - 1;
  let sum = LANCZOS[0] ?? 0;
  for (let i = 1; i < LANCZOS.length; i += 1) sum += (LANCZOS[i] ?? 0) / (z + i);
  const t = z + 7.5;
  return 0.5 * Math.log(2 * Math.PI) + (z + 0.5) * Math.log(t) - t + Math.log(sum);
}

/** Regularised upper incomplete gamma function Q(a, x), a ≥ 0.5, x ≥ 0: series below a + 1, Lentz's continued fraction above. */
function upperGamma(a: number, x: number): number {
  if (x <= 0) return 1;
  const front = Math.exp(a * Math.log(x) - x - logGamma(a));
  return x < a + 1 ? 1 - front * lowerSeries(a, x) : front * upperFraction(a, x);
}

function lowerSeries(a: number, x: number): number {
  let term = 1 / a;
  let sum = term;
  for (let n = 1; n < TERMS_MAX && term > sum * Number.EPSILON; n += 1) {
    term *= x / (a + n);
    sum += term;
  }
  return sum;
}

function upperFraction(a: number, x: number): number {
  // keeps Lentz's denominators away from 0
  const tiny = 1e-300;
  let b = x + 1 - a;
  let c = 1 / tiny;
  let d = 1 / b;
  let h = d;
  for (let i = 1; i < TERMS_MAX; i += 1) {
    const an = -i * (i - a);
    b += 2;
    d = an * d + b;
    d = 1 / (Math.abs(d) < tiny ? tiny : d);
    c = b + an / c;
    if (Math.abs(c) < tiny) c = tiny;
    const factor = d * c;
    h *= factor;
    if (Math.abs(factor - 1) < Number.EPSILON) break;
  }
  return h;
}

/** P(X > x) for X ~ χ²(degrees). */
export function chiSquareTail(x: number, degrees: number): number {
  return upperGamma(degrees / 2, x / 2);
}

/** The x with P(X > x) = tail, by bisection to the last bit or two; tail in (0, 1), degrees ≥ 1. */
export function chiSquareQuantile(tail: number, degrees: number): number {
  let high = degrees + 10;
  while (chiSquareTail(high, degrees) > tail) high *= 2;
  return bisect(0, high, (x) => chiSquareTail(x, degrees) > tail);
}

/** P(K > x) of the limiting Kolmogorov distribution. */
export function kolmogorovTail(x: number): number {
  if (x <= 0) return 1;
  // the two series are equal by Jacobi's identity; each converges fast on its side
  if (x < 1) {
    let sum = 0;
    for (let k = 1; k <= 20; k += 2) sum += Math.exp(-(((k * Math.PI) / x) ** 2) / 8);
    return 1 - (Math.sqrt(2 * Math.PI) / x) * sum;
  }
  let sum = 0;
  for (let k = 1; k <= 20; k += 1) sum += (k % 2 === 1 ? 2 : -2) * Math.exp(-2 * k * k * x * x);
  return sum;
}

/** The x with P(K > x) = tail. */
export function kolmogorovQuantile(tail: number): number {
  return bisect(0, 20, (x) => kolmogorovTail(x) > tail);
}

function bisect(from: number, to: number, isBelow: (x: number) => boolean): number {
  let low = from;
  let high = to;
  for (let step = 0; step < 200; step += 1) {
    const middle = (low + high) / 2;
    if (middle === low || middle === high) break;
    if (isBelow(middle)) low = middle;
    else high = middle;
  }
  return high;
}
