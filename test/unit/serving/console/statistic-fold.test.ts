// Statistics as lines over windows.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Statistic } from '../../../../schemas/events.generated.ts';
import { StatisticFold } from '../../../../serving/console/statistic-fold.ts';
import { APRIL_MS, DAY_MS, statistic } from '../../../browser/console/story.ts';

const week = (count: number): number => APRIL_MS + count * 7 * DAY_MS;

function foldOf(...given: readonly Partial<Statistic>[]): StatisticFold {
  const fold = new StatisticFold();
  for (const one of given) {
    const event = statistic(one);
    if (event.name === 'Statistic') fold.apply(event.value);
  }
  return fold;
}

test('without statistics there is nothing, and nothing is decided', () => {
  const fold = new StatisticFold();
  assert.deepEqual([fold.performance, fold.drift, fold.decidedMs], [[], [], null]);
});

test('windows are in order of time, whatever the order in which they came; a window said again is replaced', () => {
  const first = { window_end: week(1), value: 0.71, low: 0.7, high: 0.72, rows: 10 };
  const second = { window_end: week(2), value: 0.8123456789, rows: 20 };
  const fold = foldOf(second, { ...first, value: 0.1 }, first);
  assert.deepEqual(fold.performance, [
    {
      monitor: 'flight-delay-weekly',
      measure: 'auc',
      version: 0,
      points: [
        [week(1), 0.71, 0.7, 0.72, 10],
        [week(2), 0.81235, null, null, 20],
      ],
    },
  ]);
  assert.equal(fold.decidedMs, week(2) + 2 * DAY_MS);
});

test('versions, measures and monitors have lines of their own', () => {
  const fold = foldOf(
    { version: 2, value: 0.2 },
    { version: 0, value: 0.3 },
    { version: 0, name: 'brier', value: 0.4 },
    { version: 0, value: 0.5, monitor: 'daily' },
  );
  assert.deepEqual(
    fold.performance.map(({ monitor, measure, version, points }) => [monitor, measure, version, points[0]?.[1]]),
    [
      ['flight-delay-weekly', 'auc', 0, 0.3],
      ['flight-delay-weekly', 'brier', 0, 0.4],
      ['daily', 'auc', 0, 0.5],
      ['flight-delay-weekly', 'auc', 2, 0.2],
    ],
  );
});

test('drift: the score, then the label, then the features; all statistics of the newest window; PSI over time', () => {
  const fold = foldOf(
    { subject: 'hour', name: 'psi', value: 0.1, threshold: 0.2, reason: 'PSI 0.1.' },
    { subject: 'label', name: 'psi', value: 0.2 },
    { subject: 'score', name: 'psi', value: 0.3 },
    { subject: 'hour', name: 'ks', value: 0.9, verdict: 'drift' },
    { subject: 'hour', name: 'psi', window_end: week(2), value: 0.05, threshold: 0.2, reason: 'PSI 0.05.' },
  );
  assert.deepEqual(
    fold.drift.map(({ subject }) => subject),
    ['score', 'label', 'hour'],
  );
  const hour = fold.drift[2];
  assert.deepEqual(hour?.latest, [{ name: 'psi', value: 0.05, threshold: 0.2, verdict: 'ok', reason: 'PSI 0.05.' }]);
  // a window drifts when any of its statistics says so
  assert.deepEqual(hour?.psi, [
    [week(1), 0.1, true],
    [week(2), 0.05, false],
  ]);
});

test('of very long histories the newest two years of weeks are kept, also when they are read again', () => {
  const weeks = Array.from({ length: 110 }, (_, count) => ({ window_end: week(count), value: count }));
  for (const fold of [foldOf(...weeks), foldOf(...weeks, ...weeks)]) {
    const points = fold.performance[0]?.points ?? [];
    assert.equal(points.length, 104);
    assert.deepEqual([points[0]?.[1], points.at(-1)?.[1]], [6, 109]);
  }
});
