import { type Measure, meanEstimate } from './measure.ts';

/** Brier score (1950): mean of (p − y)², 0 is perfect, 0.25 what always saying ½ gives. Interval: mean ± 1.96 s/√n. */
export const brier: Measure = {
  name: 'brier',
  subject: '',
  better: -1,
  measure: ({ labels, scores }) =>
    meanEstimate(
      Float64Array.from(labels, (label, row) => ((scores[row] ?? Number.NaN) - label) ** 2),
      'Brier score',
      [0, 1],
    ),
};
