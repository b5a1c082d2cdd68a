// Alerts that nothing would ever raise are refused; every statistic that windows have can be named.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type AlertRule, type EndpointDefinition, type MonitorDefinition } from '../../../schemas/definitions.ts';
import { Failure } from '../../../schemas/failure.ts';
import { checkAlerts } from '../../../processors/monitoring/check-alerts.ts';
import { subjectsOf, windowStatistics } from '../../../processors/monitoring/window-statistics.ts';

const endpoint = {
  name: 'purchase',
  model: 'purchase',
  inputs: [
    { name: 'country', from: 'request', kind: 'category' },
    { name: 'basket', from: 'request', kind: 'number' },
  ],
} as unknown as EndpointDefinition;

function monitorWith(rule: Partial<AlertRule>): MonitorDefinition {
  const alerts = [{ statistic: 'auc', subject: '', direction: 'above', threshold: 1, consecutive: 1, ...rule }];
  return { kind: 'monitor', name: 'weekly', endpoint: 'purchase', alerts } as unknown as MonitorDefinition;
}

test('every statistic of a window can be named in an alert', () => {
  const seen = [{ score: 0.4, values: ['DE', 3] }];
  const window = { startMs: 10, endMs: 20, decidedMs: 30, results: [], predictions: seen };
  const statistics = windowStatistics(monitorWith({}), endpoint, window, subjectsOf(endpoint, seen, [1]));
  assert.ok(statistics.length > 10);
  for (const { name, subject } of statistics) checkAlerts(monitorWith({ statistic: name, subject }), endpoint);
});

const CASES: readonly (readonly [Partial<AlertRule>, string, RegExp])[] = [
  [{ statistic: 'acu' }, 'statistic', /there is no statistic acu\. Did you mean auc\?/],
  [{ statistic: 'psi_score' }, 'statistic', /there is no statistic psi_score/],
  [{ statistic: 'auc', subject: 'score' }, 'subject', /of the model as a whole.*Leave the subject away/],
  [{ statistic: 'label_rate' }, 'subject', /of the label.*`subject: label`/],
  [{ statistic: 'psi' }, 'subject', /is missing: psi is of one subject/],
  [{ statistic: 'psi', subject: 'baskets' }, 'subject', /there is no subject baskets\. Did you mean basket\?/],
  [{ statistic: 'ks', subject: 'country' }, 'statistic', /country is a category\. Use one of: .*psi/],
  [{ statistic: 'chi_square', subject: 'score' }, 'statistic', /score is a number/],
];

for (const [rule, field, words] of CASES) {
  test(`refused: ${JSON.stringify(rule)}`, () => {
    assert.throws(
      () => checkAlerts(monitorWith(rule), endpoint),
      (error: unknown) => {
        assert.ok(error instanceof Failure);
        assert.deepEqual([error.code, error.field], ['invalid_definition', `monitor weekly: alerts[0].${field}`]);
        assert.match(error.advice, words);
        return true;
      },
    );
  });
}
