// From the paired difference to a verdict, in words.
import { type RolloutPolicyDefinition } from '../../../schemas/definitions.ts';
import { inWords } from '../format.ts';
import { type PairedDifference, type PairedRows, pairedAuc, pairedLogLoss } from './paired.ts';

export type VerdictName = 'pass' | 'fail' | 'wait' | 'undecidable';

/** The rules of a rollout policy that a comparison needs. */
export type ComparisonRules = Pick<RolloutPolicyDefinition, 'min_rows' | 'metric' | 'tolerance'>;

export interface Comparison extends PairedDifference {
  readonly verdict: VerdictName;
  readonly metric: string;
  readonly rows: number;
  readonly reason: string;
}

const METRICS = { auc: pairedAuc, log_loss: pairedLogLoss } as const;
const NAMES = { auc: 'AUC', log_loss: 'log loss' } as const;

/**
 * pass: the gain is positive and its whole 95 % interval lies above −tolerance.
 * fail: the gain is not positive, and even the upper end of its interval is no more than +tolerance.
 * wait: fewer than min_rows, or an interval still too wide for either.
 * undecidable: the metric is undefined on these rows, e.g. only one class among at least min_rows.
 */
export function compareVersions(rows: PairedRows, rules: ComparisonRules): Comparison {
  const count = rows.labels.length;
  const difference = METRICS[rules.metric](rows);
  return { ...difference, metric: rules.metric, rows: count, ...decide(difference, count, rules) };
}

function decide(
  { champion, challenger, gain, low, high }: PairedDifference,
  rows: number,
  rules: ComparisonRules,
): Pick<Comparison, 'verdict' | 'reason'> {
  if (rows < rules.min_rows) {
    return {
      verdict: 'wait',
      reason: `Only ${String(rows)} of ${String(rules.min_rows)} rows have been scored by both and have an outcome.`,
    };
  }
  const name = NAMES[rules.metric];
  if (champion === null || challenger === null || gain === null || low === null || high === null) {
    return {
      verdict: 'undecidable',
      reason: `The ${name} is undefined on these ${String(rows)} rows: it needs at least two of each label.`,
    };
  }
  const facts =
    `${name} of the challenger ${inWords(challenger)}, of the champion ${inWords(champion)} on the same ${String(rows)} rows: ` +
    `gain ${inWords(gain)}, 95 % interval ${inWords(low)} to ${inWords(high)}`;
  const tolerance = inWords(rules.tolerance);
  if (gain > 0 && low > -rules.tolerance)
    return { verdict: 'pass', reason: `${facts}, wholly above ${rules.tolerance === 0 ? '0' : `−${tolerance}`}.` };
  if (gain <= 0 && high <= rules.tolerance)
    return { verdict: 'fail', reason: `${facts}: no gain, and not more than ${tolerance} at best.` };
  return { verdict: 'wait', reason: `${facts}: still too wide for a verdict at a tolerance of ${tolerance}.` };
}
