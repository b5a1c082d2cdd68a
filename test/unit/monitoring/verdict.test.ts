import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compareVersions } from '../../../processors/monitoring/comparison/verdict.ts';
import { type PairedRows } from '../../../processors/monitoring/comparison/paired.ts';

const RULES = { min_rows: 100, metric: 'auc', tolerance: 0.01 } as const;

/** Labels alternate; scores lean towards the label by `skill`, disturbed by a fixed pattern. */
function scores(rows: number, skill: number, stride: number): number[] {
  return Array.from({ length: rows }, (_, at) => (((at * stride) % 97) / 97) * (1 - skill) + (at % 2) * skill);
}
function rowsOf(rows: number, champion: number, challenger: number, stride = 61): PairedRows {
  return {
    labels: Array.from({ length: rows }, (_, at) => at % 2),
    champion: scores(rows, champion, 35),
    challenger: scores(rows, challenger, stride),
  };
}

test('a clear gain passes, a clear loss fails, both ways round', () => {
  for (const metric of ['auc', 'log_loss'] as const) {
    const better = compareVersions(rowsOf(2000, 0.1, 0.3), { ...RULES, metric });
    assert.equal(better.verdict, 'pass', better.reason);
    const worse = compareVersions(rowsOf(2000, 0.3, 0.1), { ...RULES, metric });
    assert.equal(worse.verdict, 'fail', worse.reason);
    assert.ok((better.gain ?? 0) > 0 && (worse.gain ?? 0) < 0);
  }
});

test('the same scores fail: nothing is gained', () => {
  const found = compareVersions(rowsOf(2000, 0.2, 0.2, 35), RULES);
  assert.deepEqual([found.gain, found.low, found.high, found.verdict], [0, 0, 0, 'fail']);
  assert.match(found.reason, /no gain/);
});

test('too few rows wait, whatever they say; an interval too wide waits', () => {
  assert.deepEqual(compareVersions(rowsOf(99, 0.1, 0.9), RULES).verdict, 'wait');
  assert.match(compareVersions({ labels: [], champion: [], challenger: [] }, RULES).reason, /Only 0 of 100 rows/);
  const wide = compareVersions(rowsOf(40, 0.2, 0.15), { ...RULES, min_rows: 10, tolerance: 0 });
  assert.equal(wide.verdict, 'wait', wide.reason);
});

test('one class only is undecidable', () => {
  const rows = rowsOf(200, 0.1, 0.2);
  const found = compareVersions({ ...rows, labels: Array.from({ length: 200 }, () => 1) }, RULES);
  assert.equal(found.verdict, 'undecidable');
  assert.equal(found.gain, null);
});
