import { type Measure, meanEstimate } from './measure.ts';

/** Scores are kept this far from 0 and 1, so that a single sure mistake costs 34.5 nats and not infinity (scikit-learn's customary value). */
export const CLIP = 1e-15;

/** −ln of the probability that the score gave to what happened, nats. */
export function logLossOf(label: number, score: number): number {
  const p = Math.min(1 - CLIP, Math.max(CLIP, score));
  return label === 1 ? -Math.log(p) : -Math.log(1 - p);
}

/** Mean of −[y ln p + (1 − y) ln(1 − p)], p clipped to [1e-15, 1 − 1e-15]. Interval: mean ± 1.96 s/√n. */
export const logLoss: Measure = {
  name: 'log_loss',
  subject: '',
  better: -1,
  measure: ({ labels, scores }) =>
    meanEstimate(
      Float64Array.from(labels, (label, row) => logLossOf(label, scores[row] ?? Number.NaN)),
      'Mean log loss',
      [0, Infinity],
    ),
};
