import { exactSum } from '../exact-sum.ts';
import { type Measure, undefinedBecause } from './measure.ts';

const BINS = 10;

/**
 * Expected calibration error: ten bins of equal width [0, .1), [.1, .2), …, [.9, 1]; Σ (rows in bin / rows) · |mean label − mean score|.
 * Naeini, Cooper & Hauskrecht 2015. It is biased upwards in small windows, and no interval is standard: low and high are null.
 */
export const calibrationError: Measure = {
  name: 'ece',
  subject: '',
  better: -1,
  measure({ labels, scores }) {
    if (labels.length === 0) return undefinedBecause('The window has no rows.');
    const gaps = Array.from({ length: BINS }, (): number[] => []);
    for (let row = 0; row < labels.length; row += 1) {
      const score = scores[row] ?? Number.NaN;
      gaps[Math.min(BINS - 1, Math.floor(score * BINS))]?.push(labels[row] ?? Number.NaN, -score);
    }
    const value = exactSum(gaps.map((terms) => Math.abs(exactSum(terms)))) / labels.length;
    return {
      value,
      low: null,
      high: null,
      reason: `Expected calibration error over ${String(labels.length)} rows in ten bins.`,
    };
  },
};
