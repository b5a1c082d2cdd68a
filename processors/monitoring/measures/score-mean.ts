import { type Measure, meanEstimate } from './measure.ts';

/** Mean score; beside the label rate it tells calibration in the large. Interval: mean ± 1.96 s/√n. */
export const scoreMean: Measure = {
  name: 'score_mean',
  subject: 'score',
  better: 0,
  measure: ({ scores }) => meanEstimate(Float64Array.from(scores), 'Mean score', [0, 1]),
};
