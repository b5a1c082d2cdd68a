// Champion and challenger on the same rows: the gain with its 95 % interval.
import { Z_95 } from '../distributions.ts';
import { mean, variance } from '../exact-sum.ts';
import { logLossOf } from '../measures/log-loss.ts';
import { delongComponents } from '../ranks.ts';

/** The same requests, scored by both; label 1 or 0. */
export interface PairedRows {
  readonly labels: ArrayLike<number>;
  readonly champion: ArrayLike<number>;
  readonly challenger: ArrayLike<number>;
}

export interface PairedDifference {
  readonly champion: number | null;
  readonly challenger: number | null;
  /** what the challenger is better by: positive is better, whatever the metric's direction; null where undefined */
  readonly gain: number | null;
  /** 95 % interval of the gain */
  readonly low: number | null;
  readonly high: number | null;
}

const UNDEFINED: PairedDifference = { champion: null, challenger: null, gain: null, low: null, high: null };

/**
 * AUC of the challenger minus AUC of the champion. Interval: DeLong 1988 for correlated curves; the variance is that of the
 * differences of the structural components, S₁₀/m + S₀₁/n, gain ± 1.96 σ. Needs two rows of each class.
 */
export function pairedAuc({ labels, champion, challenger }: PairedRows): PairedDifference {
  const a = delongComponents(labels, champion);
  const b = delongComponents(labels, challenger);
  if (a.auc === null || b.auc === null) return UNDEFINED;
  const gain = b.auc - a.auc;
  const [m, n] = [a.positives.length, a.negatives.length];
  if (m < 2 || n < 2) return { champion: a.auc, challenger: b.auc, gain, low: null, high: null };
  const positives = b.positives.map((value, at) => value - (a.positives[at] ?? 0));
  const negatives = b.negatives.map((value, at) => value - (a.negatives[at] ?? 0));
  const half = Z_95 * Math.sqrt(variance(positives) / m + variance(negatives) / n);
  return { champion: a.auc, challenger: b.auc, gain, low: gain - half, high: gain + half };
}

/** Log loss of the champion minus that of the challenger (so that positive is better), nats per row. Interval: mean of the rows' differences ± 1.96 s/√n. */
export function pairedLogLoss({ labels, champion, challenger }: PairedRows): PairedDifference {
  if (labels.length === 0) return UNDEFINED;
  const a = Float64Array.from(labels, (label, row) => logLossOf(label, champion[row] ?? Number.NaN));
  const b = Float64Array.from(labels, (label, row) => logLossOf(label, challenger[row] ?? Number.NaN));
  const gains = a.map((loss, row) => loss - (b[row] ?? Number.NaN));
  const gain = mean(gains);
  if (labels.length < 2) return { champion: mean(a), challenger: mean(b), gain, low: null, high: null };
  const half = Z_95 * Math.sqrt(variance(gains) / labels.length);
  return { champion: mean(a), challenger: mean(b), gain, low: gain - half, high: gain + half };
}
