// Ranks with ties, and DeLong's components made of them.

/** Midranks: equal values share the mean of their places, from 1 on. The order of the input does not matter. */
export function midranks(values: ArrayLike<number>): Float64Array {
  const order = Uint32Array.from({ length: values.length }, (_, at) => at).sort(
    (a, b) => at(values, a) - at(values, b),
  );
  const ranks = new Float64Array(values.length);
  for (let from = 0; from < order.length;) {
    let to = from + 1;
    while (to < order.length && at(values, order[to] ?? 0) === at(values, order[from] ?? 0)) to += 1;
    for (let place = from; place < to; place += 1) ranks[order[place] ?? 0] = (from + to + 1) / 2;
    from = to;
  }
  return ranks;
}

function at(values: ArrayLike<number>, index: number): number {
  return values[index] ?? Number.NaN;
}

/** DeLong's structural components: for each positive the share of negatives below it (ties half), for each negative the share of positives above it. */
export interface Components {
  readonly positives: Float64Array;
  readonly negatives: Float64Array;
  /** the area under the curve; null with only one class */
  readonly auc: number | null;
}

/** Sun & Xu 2014, "Fast Implementation of DeLong's Algorithm": by three rankings instead of all pairs. Order within a class is kept. */
export function delongComponents(labels: ArrayLike<number>, scores: ArrayLike<number>): Components {
  const positive: number[] = [];
  const negative: number[] = [];
  const allRanks = midranks(scores);
  const positiveRanks: number[] = [];
  const negativeRanks: number[] = [];
  for (let row = 0; row < labels.length; row += 1) {
    const isPositive = labels[row] === 1;
    (isPositive ? positive : negative).push(at(scores, row));
    (isPositive ? positiveRanks : negativeRanks).push(allRanks[row] ?? 0);
  }
  const [m, n] = [positive.length, negative.length];
  const ownPositive = midranks(positive);
  const ownNegative = midranks(negative);
  // sums of multiples of 1/2 below 2^52 are exact, in any order
  const rankSum = positiveRanks.reduce((sum, rank) => sum + rank, 0);
  return {
    positives: Float64Array.from(positiveRanks, (rank, i) => (rank - (ownPositive[i] ?? 0)) / n),
    negatives: Float64Array.from(negativeRanks, (rank, j) => 1 - (rank - (ownNegative[j] ?? 0)) / m),
    auc: m === 0 || n === 0 ? null : (rankSum - (m * (m + 1)) / 2) / (m * n),
  };
}
