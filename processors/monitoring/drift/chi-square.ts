import { chiSquareTail } from '../distributions.ts';
import { exactSum } from '../exact-sum.ts';
import { binBoth } from './bins.ts';
import { nullQuantile, total } from './psi.ts';
import { type DriftStatistic, emptiness, judge, largestMove } from './statistic.ts';

/**
 * Pearson's χ² of homogeneity of the 2×B table (reference, window) × categories: Σ (observed − expected)² / expected over the
 * union of categories, without continuity correction. It grows with the rows; threshold χ²₀.₉₉(B − 1), p = P(χ²(B − 1) > value).
 */
export const chiSquare: DriftStatistic = {
  name: 'chi_square',
  kinds: ['category'],
  compare(reference, current) {
    const empty = emptiness(reference, current);
    if (empty !== null) return empty;
    const bins = binBoth(reference, current);
    const n = total(bins.reference);
    const m = total(bins.current);
    const terms = bins.reference.flatMap((before, at) => {
      const after = bins.current[at] ?? 0;
      const share = (before + after) / (n + m);
      return [(before - n * share) ** 2 / (n * share), (after - m * share) ** 2 / (m * share)];
    });
    const value = exactSum(terms);
    const degrees = bins.names.length - 1;
    const pValue = degrees === 0 ? 1 : chiSquareTail(value, degrees);
    return judge(
      'χ²',
      { value, threshold: nullQuantile(bins.names.length), pValue, remark: largestMove(bins) },
      reference,
      current,
    );
  },
};
