// Values of numpy, scipy and scikit-learn (make.py beside this file), to 1e-9.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { pairedAuc, pairedLogLoss, type PairedDifference } from '../../../processors/monitoring/comparison/paired.ts';
import {
  chiSquareQuantile,
  chiSquareTail,
  kolmogorovQuantile,
  kolmogorovTail,
} from '../../../processors/monitoring/distributions.ts';
import { DRIFT_STATISTICS } from '../../../processors/monitoring/drift/catalogue.ts';
import { type Sample, categorySample, numberSample } from '../../../processors/monitoring/drift/sample.ts';
import { MEASURES } from '../../../processors/monitoring/measures/catalogue.ts';

type Triple = readonly (number | null)[];

function golden(name: string): unknown {
  return JSON.parse(readFileSync(new URL(name, import.meta.url), 'utf8'));
}

/** Absolute below 1, relative above. */
function assertClose(actual: number | null | undefined, expected: number | null | undefined, what: string): void {
  if (expected === null) return assert.equal(actual, null, what);
  assert.ok(typeof actual === 'number' && typeof expected === 'number', what);
  const error = Math.abs(actual - expected) / Math.max(1, Math.abs(expected));
  assert.ok(error <= 1e-9, `${what}: ${String(actual)} instead of ${String(expected)}`);
}

test('measures and their intervals', () => {
  const cases = golden('measures.json') as { labels: number[]; scores: number[]; expected: Record<string, Triple> }[];
  cases.forEach((rows, at) => {
    assert.deepEqual(MEASURES.map(({ name }) => name).sort(), Object.keys(rows.expected).sort());
    for (const { name, measure } of MEASURES) {
      const { value, low, high } = measure(rows);
      [value, low, high].forEach((number, part) => {
        assertClose(number, rows.expected[name]?.[part], `case ${String(at)}, ${name}[${String(part)}]`);
      });
    }
  });
});

interface DriftCase {
  readonly kind: Sample['kind'];
  readonly reference: never[];
  readonly current: never[];
  readonly expected: Record<string, { value: number; threshold: number; p: number | null }>;
}

test('drift statistics, thresholds and p-values', () => {
  (golden('drift.json') as DriftCase[]).forEach(({ kind, reference, current, expected }, at) => {
    const sample = kind === 'number' ? numberSample : categorySample;
    const rows = DRIFT_STATISTICS.filter(({ kinds }) => kinds.includes(kind));
    assert.deepEqual(rows.map(({ name }) => name).sort(), Object.keys(expected).sort());
    for (const { name, compare } of rows) {
      const result = compare(sample(reference), sample(current));
      assertClose(result.value, expected[name]?.value, `case ${String(at)}, ${name}`);
      assertClose(result.threshold, expected[name]?.threshold, `case ${String(at)}, threshold of ${name}`);
      assertClose(result.pValue, expected[name]?.p, `case ${String(at)}, p of ${name}`);
    }
  });
});

test('paired comparisons', () => {
  const cases = golden('comparison.json') as {
    labels: number[];
    champion: number[];
    challenger: number[];
    auc: Triple;
    log_loss: Triple;
  }[];
  const parts = (found: PairedDifference): Triple => [
    found.champion,
    found.challenger,
    found.gain,
    found.low,
    found.high,
  ];
  cases.forEach((rows, at) => {
    parts(pairedAuc(rows)).forEach((value, part) => {
      assertClose(value, rows.auc[part], `case ${String(at)}, auc[${String(part)}]`);
    });
    parts(pairedLogLoss(rows)).forEach((value, part) => {
      assertClose(value, rows.log_loss[part], `case ${String(at)}, log_loss[${String(part)}]`);
    });
  });
});

test('tails and quantiles', () => {
  const expected = golden('distributions.json') as Record<string, number[][]>;
  const check = (name: string, distribution: (...given: number[]) => number): void => {
    for (const row of expected[name] ?? [])
      assertClose(distribution(...row.slice(0, -1)), row.at(-1), `${name}(${row.join(', ')})`);
  };
  check('chi_square_tail', (x, degrees) => chiSquareTail(x ?? 0, degrees ?? 0));
  check('chi_square_quantile', (tail, degrees) => chiSquareQuantile(tail ?? 0, degrees ?? 0));
  check('kolmogorov_tail', (x) => kolmogorovTail(x ?? 0));
  check('kolmogorov_quantile', (tail) => kolmogorovQuantile(tail ?? 0));
});
