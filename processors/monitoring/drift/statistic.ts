// What a drift statistic is: a pure comparison of a window with the reference, which explains its own verdict.
import { countOf, inWords } from '../format.ts';
import { type BinCounts } from './bins.ts';
import { type Sample, rowsOf } from './sample.ts';

/** Chance of calling drift in a window without any, if rows were independent. */
export const FALSE_ALARM_RATE = 0.01;

// Below this the approximations behind the thresholds are poor: a value is given, but no verdict.
export const ROWS_MIN = 50;

export type DriftVerdict = 'ok' | 'drift' | 'undecidable';

export interface DriftResult {
  /** null where there is nothing to compare */
  readonly value: number | null;
  /** above it counts as drift; null where none is known */
  readonly threshold: number | null;
  /** chance of a value at least this large without drift; null where not computed */
  readonly pValue: number | null;
  readonly verdict: DriftVerdict;
  /** the verdict in words */
  readonly reason: string;
}

export interface DriftStatistic {
  readonly name: string;
  /** kinds of subjects it can compare */
  readonly kinds: readonly Sample['kind'][];
  compare(reference: Sample, current: Sample): DriftResult;
}

export function undecidable(reason: string): DriftResult {
  return { value: null, threshold: null, pValue: null, verdict: 'undecidable', reason };
}

/** Compares the value with its threshold and says so in words. */
export function judge(
  name: string,
  found: { value: number; threshold: number; pValue: number | null; remark: string },
  reference: Sample,
  current: Sample,
): DriftResult {
  const { value, threshold, pValue, remark } = found;
  const rows = `${countOf(rowsOf(current), 'row')} against ${String(rowsOf(reference))} of the reference`;
  if (Math.min(rowsOf(reference), rowsOf(current)) < ROWS_MIN) {
    const reason = `${name} ${inWords(value)} from ${rows}: too few for a verdict, which needs ${String(ROWS_MIN)} on each side.`;
    return { value, threshold, pValue, verdict: 'undecidable', reason };
  }
  const drifted = value > threshold;
  const relation = drifted ? 'above' : 'within';
  const reason = `${name} ${inWords(value)} is ${relation} ${inWords(threshold)}, what chance alone exceeds in about 1 of 100 windows of independent rows (${rows}).${remark}`;
  return { value, threshold, pValue, verdict: drifted ? 'drift' : 'ok', reason };
}

/** Null when both windows have rows. */
export function emptiness(reference: Sample, current: Sample): DriftResult | null {
  if (rowsOf(reference) === 0) return undecidable('The reference window has no rows.');
  if (rowsOf(current) === 0) return undecidable('The window has no rows.');
  return null;
}

/** The bin whose share moved most, in words; '' where nothing moved. */
export function largestMove({ names, reference, current }: BinCounts): string {
  const n = reference.reduce((sum, count) => sum + count, 0);
  const m = current.reduce((sum, count) => sum + count, 0);
  let most = 0;
  let text = '';
  names.forEach((name, at) => {
    const before = (reference[at] ?? 0) / n;
    const after = (current[at] ?? 0) / m;
    if (Math.abs(after - before) <= most) return;
    most = Math.abs(after - before);
    text = ` Most moved: ${name}, from ${inWords(before * 100)} % to ${inWords(after * 100)} % of rows.`;
  });
  return text;
}
