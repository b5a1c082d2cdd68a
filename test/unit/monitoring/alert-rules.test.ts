import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type AlertRule } from '../../../schemas/definitions.ts';
import { type Statistic } from '../../../schemas/events.generated.ts';
import { QUIET, alertStep, alertsOf } from '../../../processors/monitoring/alert-rules.ts';

const RULE: AlertRule = {
  statistic: 'label_rate',
  subject: 'label',
  direction: 'above',
  threshold: 0.3,
  consecutive: 2,
};

function raisedAt(rule: AlertRule, values: readonly (number | null)[]): number[] {
  let state = QUIET;
  return values.flatMap((value, at) => {
    const step = alertStep(rule, state, value);
    state = step.state;
    return step.raise ? [at] : [];
  });
}

const statistic = (window: number, value: number | null, version = 0): Statistic => ({
  ...{
    statistic_id: `m:${String(window)}:label_rate:label:${String(version)}`,
    monitor: 'm',
    endpoint: 'e',
    window_start: window - 1,
    window_end: window,
  },
  ...{
    event_time: window + 2,
    name: 'label_rate',
    subject: 'label',
    model: 'x',
    version,
    value,
    low: null,
    high: null,
    rows: 100,
  },
  ...{ threshold: null, verdict: 'ok', reason: '' },
});

test('raised when broken in as many windows in a row as the rule says, once until it recovers', () => {
  assert.deepEqual(raisedAt(RULE, [0.4, 0.2, 0.4, 0.4, 0.5, 0.6]), [3]);
  assert.deepEqual(raisedAt(RULE, [0.4, 0.4, 0.2, 0.4, 0.4]), [1, 4]);
  assert.deepEqual(raisedAt({ ...RULE, consecutive: 1 }, [0.3, 0.31, 0.31]), [1]);
  assert.deepEqual(raisedAt({ ...RULE, direction: 'below', consecutive: 1 }, [0.3, 0.29]), [1]);
});

test('an undefined value neither breaks nor keeps', () => {
  assert.deepEqual(raisedAt(RULE, [0.4, null, 0.4, null, 0.5]), [2]);
});

test('only the alerts of the last window, from the live stream as a whole, in words', () => {
  const monitor = { name: 'm', alerts: [RULE] };
  const windows = [[statistic(10, 0.4)], [statistic(20, 0.1, 3), statistic(20, 0.35)]];
  const [alert, ...others] = alertsOf(monitor, windows);
  assert.equal(others.length, 0);
  assert.deepEqual(alert, {
    ...{
      alert_id: 'm:20:label_rate:label:above:0.3',
      monitor: 'm',
      endpoint: 'e',
      event_time: 22,
      statistic_id: 'm:20:label_rate:label:0',
    },
    ...{ name: 'label_rate', subject: 'label', value: 0.35, threshold: 0.3 },
    reason: 'label_rate of label is 0.35, above 0.3 in 2 windows in a row.',
  });
  assert.deepEqual(alertsOf(monitor, [...windows, [statistic(30, 0.4)]]), []);
  assert.deepEqual(alertsOf(monitor, []), []);
});
