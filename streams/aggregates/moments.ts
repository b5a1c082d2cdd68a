// Variance and standard deviation, of the sample (n − 1) and of the population (n).
//
// Kept: number of values, their mean, and M2, the sum of squared distances from the mean; updated after Welford (1962), merged after
// Chan, Golub and LeVeque (1979). No difference of two large squares is ever formed: the relative error of M2 is of the order
// n 2⁻⁵³ κ, where κ = sqrt(1 + n mean² / M2). Equal values give exactly 0.
// Retraction undoes Welford's step. Its error is of the order 2⁻⁵³ of the largest M2 that the pane has seen: taking out an outlier of
// 10⁸ standard deviations leaves nothing to read. A pane that gets empty, keeps one value, or keeps less than that error, has a
// variance of exactly 0: of values that are equal again the root of the error would be told, 10⁻⁸ instead of 0.
// Spreads beyond 1e154, whose square no double holds, give Infinity, and the pane stays so until it is empty: M2 is infinite then, or
// not a number once the mean is none. M2 is never negative.
import { type NumericAggregate } from './aggregate.ts';

/** What is left of M2 below this share of what it was is rounding: a few times 2⁻⁵³. */
const NOISE = 2 ** -50;

const kept = {
  kind: 'numeric',
  partial: 'moments',
  slots: 3,
  retraction: 'approximate',
  needsValue: true,
  needsSecond: false,
  ofText: null,
  init(into, at) {
    into[at] = 0;
    into[at + 1] = 0;
    into[at + 2] = 0;
  },
  add(into, at, value) {
    const values = (into[at] as number) + 1;
    const mean = into[at + 1] as number;
    const distance = value - mean;
    const moved = mean + distance / values;
    into[at] = values;
    into[at + 1] = moved;
    // both have one sign, unless the mean has overflowed
    into[at + 2] = (into[at + 2] as number) + Math.abs(distance * (value - moved));
  },
  retract(into, at, value) {
    const values = (into[at] as number) - 1;
    const mean = into[at + 1] as number;
    const distance = value - mean;
    const moved = values === 0 ? 0 : mean - distance / values;
    into[at] = values;
    into[at + 1] = moved;
    const before = into[at + 2] as number;
    const left = before - distance * (value - moved);
    into[at + 2] = values <= 1 || left <= 0 || left < before * NOISE ? 0 : left;
  },
  fold(into, at, panes, start, stride, count) {
    let values = into[at] as number;
    let mean = into[at + 1] as number;
    let squares = into[at + 2] as number;
    const end = start + count * stride;
    for (let pane = start; pane < end; pane += stride) {
      const more = panes[pane] as number;
      if (more === 0) continue;
      const all = values + more;
      const distance = (panes[pane + 1] as number) - mean;
      const shift = distance * (more / all);
      mean += shift;
      // in this order, nothing is squared where there was no value yet
      squares += (panes[pane + 2] as number) + distance * values * shift;
      values = all;
    }
    into[at] = values;
    into[at + 1] = mean;
    into[at + 2] = squares;
  },
} satisfies Omit<NumericAggregate, 'name' | 'about' | 'result'>;

export type Of = 'sample' | 'population';

/** @param of sample: divided by n − 1, null of fewer than two values; population: divided by n, null of none */
export function variance(of: Of): NumericAggregate {
  const less = of === 'sample' ? 1 : 0;
  return {
    ...kept,
    name: 'variance',
    about: `Variance of the ${of}, by Welford and Chan, never negative; infinite (null in JSON) where the squares leave the range of a double; null of ${of === 'sample' ? 'fewer than two values' : 'no value'}. Retraction approximate.`,
    result: (from, at) => varianceAt(from, at, less),
  };
}

/** The square root of the variance. */
export function standardDeviation(of: Of): NumericAggregate {
  const less = of === 'sample' ? 1 : 0;
  return {
    ...kept,
    name: 'stddev',
    about: `Standard deviation of the ${of}: the root of the variance. Retraction approximate.`,
    result(from, at) {
      const found = varianceAt(from, at, less);
      return found === null ? null : Math.sqrt(found);
    },
  };
}

function varianceAt(from: Float64Array, at: number, less: number): number | null {
  const values = from[at] as number;
  if (values <= less) return null;
  const squares = from[at + 2] as number;
  // an overflowed distance makes M2 infinite or not a number; rows of before may have −∞
  return squares >= 0 ? squares / (values - less) : Infinity;
}
