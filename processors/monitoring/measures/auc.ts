import { Z_95 } from '../distributions.ts';
import { variance } from '../exact-sum.ts';
import { delongComponents } from '../ranks.ts';
import { type Estimate, type Measure, type ScoredRows, undefinedBecause } from './measure.ts';

/**
 * Area under the ROC curve: P(score of a positive > score of a negative) + ½ P(equal).
 * Formula: (R₁ − m(m+1)/2) / (m·n), R₁ the sum of the positives' midranks (Mann–Whitney).
 * Interval: DeLong, DeLong & Clarke-Pearson 1988: Var = S₁₀/m + S₀₁/n, value ± 1.96 σ, cut to [0, 1]; it needs two rows of
 * each class. Without both classes the value is null.
 */
export const auc: Measure = {
  name: 'auc',
  subject: '',
  better: 1,
  measure({ labels, scores }: ScoredRows): Estimate {
    const { positives, negatives, auc: value } = delongComponents(labels, scores);
    const [m, n] = [positives.length, negatives.length];
    if (value === null)
      return undefinedBecause(
        m + n === 0 ? 'The window has no rows.' : 'All rows have the same label: the AUC is undefined.',
      );
    const reason = `AUC over ${String(m)} positives and ${String(n)} negatives.`;
    if (m < 2 || n < 2) return { value, low: null, high: null, reason };
    const half = Z_95 * Math.sqrt(variance(positives) / m + variance(negatives) / n);
    return { value, low: Math.max(0, value - half), high: Math.min(1, value + half), reason };
  },
};
