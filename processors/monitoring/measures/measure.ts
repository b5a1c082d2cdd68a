// What a measure of performance is: a pure function of labels and scores, the same for any order of the rows.
import { Z_95 } from '../distributions.ts';
import { mean, variance } from '../exact-sum.ts';

/** Rows of a window: label (1 or 0) and score (probability of 1) at the same index. */
export interface ScoredRows {
  readonly labels: ArrayLike<number>;
  readonly scores: ArrayLike<number>;
}

export interface Estimate {
  /** null where undefined, e.g. AUC of one class */
  readonly value: number | null;
  /** 95 % interval; null where none is standard or the rows are too few */
  readonly low: number | null;
  readonly high: number | null;
  /** in words */
  readonly reason: string;
}

export interface Measure {
  readonly name: string;
  /** what Statistic.subject says: '' for the performance of a model, 'label' or 'score' where only that is looked at */
  readonly subject: '' | 'label' | 'score';
  /** +1: more is better, −1: less is better, 0: neither */
  readonly better: 1 | -1 | 0;
  measure(rows: ScoredRows): Estimate;
}

export function undefinedBecause(reason: string): Estimate {
  return { value: null, low: null, high: null, reason };
}

/** Mean of per-row values with the interval mean ± z·s/√n (central limit theorem), cut to [least, most]. */
export function meanEstimate(values: Float64Array, name: string, limits: readonly [number, number]): Estimate {
  if (values.length === 0) return undefinedBecause('The window has no rows.');
  const value = mean(values);
  const reason = `${name} over ${String(values.length)} rows.`;
  if (values.length < 2) return { value, low: null, high: null, reason };
  const half = Z_95 * Math.sqrt(variance(values) / values.length);
  return { value, low: Math.max(limits[0], value - half), high: Math.min(limits[1], value + half), reason };
}
