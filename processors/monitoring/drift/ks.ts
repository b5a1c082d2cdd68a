import { kolmogorovQuantile, kolmogorovTail } from '../distributions.ts';
import { countBelow } from './bins.ts';
import { type DriftStatistic, FALSE_ALARM_RATE, ROWS_MIN, judge, undecidable } from './statistic.ts';

const QUANTILE = kolmogorovQuantile(FALSE_ALARM_RATE);

/**
 * Two-sample Kolmogorov–Smirnov statistic: the largest gap between the two distribution functions, 0..1, over the values that
 * are there (nulls are left out and counted in the words; PSI and JS see them). Asymptotic p-value: P(K > D·√(nm/(n+m))), K
 * Kolmogorov's distribution (Smirnov 1948); conservative with ties. Threshold: the D with p = 0.01.
 */
export const ks: DriftStatistic = {
  name: 'ks',
  kinds: ['number'],
  compare(reference, current) {
    if (reference.kind !== 'number' || current.kind !== 'number') return undecidable('Categories have no order.');
    const n = reference.sorted.length;
    const m = current.sorted.length;
    if (n === 0) return undecidable('The reference window has no values.');
    if (m === 0) return undecidable('The window has no values.');
    const value = largestGap(reference.sorted, current.sorted);
    const scale = Math.sqrt((n * m) / (n + m));
    const nulls =
      reference.nulls + current.nulls === 0
        ? ''
        : ` Nulls left out: ${String(current.nulls)}, in the reference ${String(reference.nulls)}.`;
    const found = { value, threshold: QUANTILE / scale, pValue: kolmogorovTail(value * scale), remark: nulls };
    const result = judge('Kolmogorov–Smirnov statistic', found, reference, current);
    if (Math.min(n, m) >= ROWS_MIN || result.verdict === 'undecidable') return result;
    return {
      ...result,
      verdict: 'undecidable',
      reason: `Only ${String(Math.min(n, m))} values are not null: too few for a verdict.`,
    };
  },
};

function largestGap(a: Float64Array, b: Float64Array): number {
  let gap = 0;
  for (const [values, others] of [
    [a, b],
    [b, a],
  ] as const) {
    for (let at = 0; at < values.length; at += 1) {
      const value = values[at] ?? Number.NaN;
      // the last of equal values stands for all of them
      if (values[at + 1] === value) continue;
      gap = Math.max(gap, Math.abs((at + 1) / values.length - countBelow(others, value, true) / others.length));
    }
  }
  return gap;
}
