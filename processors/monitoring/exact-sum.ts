// Sums that do not depend on the order of their terms: a statistic is then the same however its rows were fetched.

/**
 * The correctly rounded sum (Shewchuk 1997, "Adaptive Precision Floating-Point Arithmetic", as in Python's math.fsum).
 * Terms must be finite and their sum within the range of a double.
 */
export function exactSum(terms: Iterable<number>): number {
  const partials: number[] = [];
  for (const term of terms) {
    let x = term;
    let kept = 0;
    for (const partial of partials) {
      let y = partial;
      if (Math.abs(x) < Math.abs(y)) [x, y] = [y, x];
      const high = x + y;
      const low = y - (high - x);
      if (low !== 0) partials[kept++] = low;
      x = high;
    }
    partials.length = kept;
    partials.push(x);
  }
  return roundPartials(partials);
}

// Partials do not overlap and grow in size; the half-way case needs the sign of what lies below.
function roundPartials(partials: readonly number[]): number {
  let at = partials.length - 1;
  let high = partials[at] ?? 0;
  let low = 0;
  while (at > 0) {
    const x = high;
    const y = partials[--at] ?? 0;
    high = x + y;
    low = y - (high - x);
    if (low !== 0) break;
  }
  const below = partials[at - 1] ?? 0;
  if (at > 0 && ((low < 0 && below < 0) || (low > 0 && below > 0))) {
    const doubled = low * 2;
    const x = high + doubled;
    if (doubled === x - high) high = x;
  }
  return high;
}

export function mean(values: ArrayLike<number>): number {
  return exactSum(Array.from(values)) / values.length;
}

/** Unbiased (n − 1); NaN for fewer than two values. */
export function variance(values: ArrayLike<number>): number {
  const center = mean(values);
  return exactSum(Array.from(values, (value) => (value - center) ** 2)) / (values.length - 1);
}
