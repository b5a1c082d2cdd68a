import { Z_95 } from '../distributions.ts';
import { type Measure, undefinedBecause } from './measure.ts';

/** Share of rows with label 1. Interval: Wilson 1927, which holds near 0 and 1 too. */
export const labelRate: Measure = {
  name: 'label_rate',
  subject: 'label',
  better: 0,
  measure({ labels }) {
    const n = labels.length;
    if (n === 0) return undefinedBecause('The window has no rows.');
    let positives = 0;
    for (let row = 0; row < n; row += 1) positives += labels[row] === 1 ? 1 : 0;
    const value = positives / n;
    const z2 = Z_95 ** 2;
    const center = (value + z2 / (2 * n)) / (1 + z2 / n);
    const half = (Z_95 / (1 + z2 / n)) * Math.sqrt((value * (1 - value)) / n + z2 / (4 * n * n));
    return {
      value,
      low: positives === 0 ? 0 : center - half,
      high: positives === n ? 1 : center + half,
      reason: `${String(positives)} of ${String(n)} rows have label 1.`,
    };
  },
};
