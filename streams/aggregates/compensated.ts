// Sums that do not drift: a sum is two doubles, `high` and the rounding errors gathered in `low` (Neumaier 1974; "Sum2" of Ogita,
// Rump and Oishi, "Accurate Sum and Dot Product", SIAM J. Sci. Comput. 2005).
//
// high + low is the sum as if added in twice the precision and rounded once: its error is at most 2⁻⁵³ |Σx| + n² 2⁻¹⁰⁵ Σ|x|. So
// it hardly ever depends on the order of the terms or on how they were split into panes, and taking a term out leaves the sum of
// the others. While all terms are integers and the sum stays below 2⁵³ it is exact, and low is 0.
// A sum beyond the range of a double (1.8e308) is infinite, or not a number, and stays so.

/** Adds to the sum at [at, at + 1]. */
export function addTo(into: Float64Array, at: number, term: number): void {
  const high = into[at] as number;
  const sum = high + term;
  const part = sum - high;
  into[at] = sum;
  into[at + 1] = (into[at + 1] as number) + (high - (sum - part) + (term - part));
}

/** Adds `count` sums at start, start + stride, … to the sum at [at, at + 1]. */
export function foldSums(
  into: Float64Array,
  at: number,
  panes: Float64Array,
  start: number,
  stride: number,
  count: number,
): void {
  let high = into[at] as number;
  let low = into[at + 1] as number;
  const end = start + count * stride;
  for (let pane = start; pane < end; pane += stride) {
    const term = panes[pane] as number;
    const sum = high + term;
    const part = sum - high;
    low += high - (sum - part) + (term - part) + (panes[pane + 1] as number);
    high = sum;
  }
  into[at] = high;
  into[at + 1] = low;
}

/** The sum at [at, at + 1] as one double; infinite when it overflowed. */
export function sumAt(from: Float64Array, at: number): number {
  const high = from[at] as number;
  // an overflow makes the error NaN; what matters then is the infinity
  return Number.isFinite(high) ? high + (from[at + 1] as number) : high;
}
