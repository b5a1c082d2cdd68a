// Every way in which a definition is refused: each names the field and the fix. The good definitions below are broken one by one.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { type Definition } from '../../../schemas/definitions.ts';
import { Failure } from '../../../schemas/failure.ts';
import { definitionHash, parseDefinitions } from '../../../schemas/parse-definitions.ts';

const GOOD = `
kind: entity
name: user
---
kind: feature_view
name: clicks
entity: user
source: { topic: shop.clicks, key_field: user_id, event_time_field: at }
step: 30s
lateness: 1.5h
features:
  - { name: clicks_1h, function: count, window: 1h }
  - { name: price_mean_7d, function: mean, field: price, window: 7d }
---
kind: endpoint
name: purchase
model: purchase
request: { key_field: id, event_time_field: at }
entities: { user: user_id }
inputs:
  - { name: country, kind: category }
  - { name: basket }
  - { name: clicks_1h, from: clicks }
outcome: { key_field: id, event_time_field: at, label_field: bought, horizon: 2d }
serve_from: 2026-01-01T00:00:00Z
---
kind: monitor
name: weekly
endpoint: purchase
window: 7d
first_window_start: 2026-01-01T00:00:00Z
maturity: 2d
reference: { from: 2026-01-01T00:00:00Z, to: 2026-02-01T00:00:00Z }
alerts:
  - { statistic: auc, direction: below, threshold: 0.7, consecutive: 2 }
---
kind: retraining_policy
name: again
endpoint: purchase
trainer: lightgbm
initial: { train_from: 2026-01-01T00:00:00Z, train_to: 2026-02-01T00:00:00Z }
history: 90d
---
kind: rollout_policy
name: careful
endpoint: purchase
gates:
  - { metric: auc, at_least: 0.6 }
min_rows: 500
metric: log_loss
tolerance: 0.01
canary_share: 0.2
auto_approve: true
`;

const parse = (text: string): readonly Definition[] => parseDefinitions([{ name: 'shop.yaml', text }]);

test('a good file is read, with durations in ms, instants in epoch ms and defaults filled in', () => {
  const [entity, view, endpoint, monitor, retraining, rollout] = parse(GOOD);
  assert.deepEqual(entity, { kind: 'entity', name: 'user', key_type: 'string', description: '' });
  assert.ok(view?.kind === 'feature_view' && endpoint?.kind === 'endpoint' && monitor?.kind === 'monitor');
  assert.deepEqual([view.step_ms, view.lateness_ms, view.expiry], [30_000, 5_400_000, 'emit']);
  assert.deepEqual(view.features[0], { name: 'clicks_1h', function: 'count', field: '', window_ms: 3_600_000 });
  assert.deepEqual(
    [endpoint.model, endpoint.delivery, endpoint.serve_from],
    ['purchase', 'exactly-once', 1_767_225_600_000],
  );
  assert.deepEqual(endpoint.inputs[1], { name: 'basket', from: 'request', kind: 'number' });
  assert.equal(monitor.reference.to - monitor.reference.from, 31 * 86_400_000);
  assert.deepEqual([retraining?.kind, rollout?.kind], ['retraining_policy', 'rollout_policy']);
});

test('the demo and a file without definitions are read', () => {
  for (const name of ['flights', 'flight-delay'])
    assert.doesNotThrow(() => {
      const text = ['flights', 'flight-delay']
        .map((file) => readFileSync(new URL(`../../../infra/demo/definitions/${file}.yaml`, import.meta.url), 'utf8'))
        .join('\n---\n');
      return parse(text);
    }, name);
  assert.deepEqual(parse('# nothing yet\n'), []);
});

test('the order of keys and files changes no hash', () => {
  const one = parse('kind: entity\nname: user\nkey_type: integer');
  const other = parse('key_type: integer\nname: user\nkind: entity');
  assert.ok(one[0] !== undefined && other[0] !== undefined);
  assert.equal(definitionHash(one[0]), definitionHash(other[0]));
});

/** What is replaced in the good file (once), by what, the field that is named, and words of the message. */
type Case = readonly [from: string | RegExp, to: string, field: string, words: RegExp];

function refuses(cases: readonly Case[]): void {
  for (const [from, to, field, words] of cases) {
    test(`${field}: ${to === '' ? `without ${String(from)}` : to}`, () => {
      const text = GOOD.replace(from, to);
      assert.notEqual(text, GOOD, 'the case changes something');
      assert.throws(
        () => parse(text),
        (error: unknown) => {
          assert.ok(error instanceof Failure, String(error));
          assert.equal(error.code, 'invalid_definition');
          assert.equal(error.field, field);
          assert.match(error.advice, words);
          assert.ok(error.message.startsWith(field), 'the message begins with the field');
          assert.ok(error.fix.endsWith('.') || error.fix.endsWith('?'), `the fix is a sentence: ${error.fix}`);
          return true;
        },
      );
    });
  }
}

describe('a definition in general', () => {
  refuses([
    ['kind: entity', 'kind: entety', 'shop.yaml (document 1): kind', /entety is not known\. Did you mean entity\?/],
    ['kind: entity\n', '', 'shop.yaml (document 1): kind', /is missing.*`kind: entity`/],
    ['kind: entity', 'kind: 3', 'shop.yaml (document 1): kind', /should be text/],
    ['name: user', 'name: User Name', 'shop.yaml (document 1): name', /is no name\. Use lower-case letters/],
    ['name: user', "name: ''", 'shop.yaml (document 1): name', /should be text/],
    ['kind: entity\nname: user', '- 1\n- 2', 'shop.yaml (document 1)', /should be a mapping/],
    ['kind: entity', 'kind: [entity', 'shop.yaml (document 1)', /Correct the YAML/],
    [
      'name: user',
      'name: user\nkey_typ: string',
      'entity user: key_typ',
      /is not known here\. Did you mean key_type\?/,
    ],
    ['name: user', 'name: user\nkey_type: text', 'entity user: key_type', /text is not known/],
    ['name: user', 'name: user\n---\nkind: entity\nname: user', 'entity user', /is declared twice/],
  ]);
});

describe('a feature view', () => {
  refuses([
    ['entity: user', 'entity: usr', 'feature_view clicks: entity', /there is no entity usr\. Did you mean user\?/],
    ['entity: user\n', '', 'feature_view clicks: entity', /is missing/],
    [/source: .*\n/, '', 'feature_view clicks: source', /is missing/],
    [/source: .*\n/, 'source: shop.clicks\n', 'feature_view clicks: source', /should be a mapping/],
    ['topic: shop.clicks', 'topic: shop/clicks', 'feature_view clicks: source.topic', /is no topic/],
    ['key_field: user_id, ', '', 'feature_view clicks: source.key_field', /is missing/],
    [
      'event_time_field: at }\nstep',
      'time_field: at }\nstep',
      'feature_view clicks: source.event_time_field',
      /is missing/,
    ],
    [
      'event_time_field: at }\nstep',
      'event_time_field: at, tz: utc }\nstep',
      'feature_view clicks: source.tz',
      /is not known here/,
    ],
    ['step: 30s', 'step: 30', 'feature_view clicks: step', /30 is no duration.*30s/],
    ['lateness: 1.5h', 'lateness: -1h', 'feature_view clicks: lateness', /is no duration/],
    ['step: 30s', 'expiry: never', 'feature_view clicks: expiry', /never is not known/],
    [/features:\n(.*\n){2}/, 'features: []\n', 'feature_view clicks: features', /is empty/],
    [/features:\n(.*\n){2}/, 'features: clicks_1h\n', 'feature_view clicks: features', /should be a list/],
    [/features:\n(.*\n){2}/, 'features: [clicks_1h]\n', 'feature_view clicks: features[0]', /should be a mapping/],
    [
      'name: clicks_1h, function',
      'name: Clicks-1h, function',
      'feature_view clicks: features[0].name',
      /is no field name/,
    ],
    [
      'name: clicks_1h, function',
      'name: event_time, function',
      'feature_view clicks: features[0].name',
      /every feature row has/,
    ],
    ['name: price_mean_7d', 'name: clicks_1h', 'feature_view clicks: features[1].name', /is declared twice/],
    ['function: mean', 'function: median', 'feature_view clicks: features[1].function', /median is not known/],
    [
      'function: count,',
      'function: count, field: price,',
      'feature_view clicks: features[0].field',
      /count counts events/,
    ],
    ['field: price, ', '', 'feature_view clicks: features[1].field', /is missing/],
    ['window: 1h', 'window: 0s', 'feature_view clicks: features[0].window', /not longer than nothing/],
    [', window: 1h', '', 'feature_view clicks: features[0].window', /is missing/],
    ['window: 1h }', 'window: 1h, windw: 2h }', 'feature_view clicks: features[0].windw', /Did you mean window\?/],
  ]);
});

describe('an endpoint', () => {
  refuses([
    [/request: .*\n/, '', 'endpoint purchase: request', /is missing/],
    ['request: { key_field: id, ', 'request: { ', 'endpoint purchase: request.key_field', /is missing/],
    ['at }\nentities', 'at, zone: utc }\nentities', 'endpoint purchase: request.zone', /is not known here/],
    ['entities: { user: user_id }', 'entities: [user]', 'endpoint purchase: entities', /should be a mapping/],
    [
      'entities: { user: user_id }',
      'entities: { user: 3 }',
      'endpoint purchase: entities.user',
      /the name of a request field/,
    ],
    [
      'entities: { user: user_id }\n',
      '',
      'endpoint purchase: entities.user',
      /is missing: the view clicks is about user/,
    ],
    [/inputs:\n(.*\n){3}/, '', 'endpoint purchase: inputs', /is empty/],
    ['name: basket', 'name: country', 'endpoint purchase: inputs[1].name', /is listed twice/],
    ['{ name: basket }', '{ nam: basket }', 'endpoint purchase: inputs[1].name', /is missing/],
    ['{ name: basket }', '{ name: basket, typ: number }', 'endpoint purchase: inputs[1].typ', /is not known here/],
    ['kind: category', 'kind: text', 'endpoint purchase: inputs[0].kind', /text is not known/],
    [
      'from: clicks',
      'from: click',
      'endpoint purchase: inputs[2].from',
      /no feature view click\. Did you mean clicks\?/,
    ],
    [
      'name: clicks_1h, from',
      'name: clicks_2h, from',
      'endpoint purchase: inputs[2].name',
      /no feature of clicks clicks_2h\. Did you mean clicks_1h\?/,
    ],
    [/outcome: .*\n/, '', 'endpoint purchase: outcome', /is missing/],
    [', label_field: bought', '', 'endpoint purchase: outcome.label_field', /is missing/],
    [', horizon: 2d', '', 'endpoint purchase: outcome.horizon', /is missing/],
    ['horizon: 2d', 'horizon: 2 days', 'endpoint purchase: outcome.horizon', /is no duration/],
    ['horizon: 2d', 'horizon: 2d, lag: 1h', 'endpoint purchase: outcome.lag', /is not known here/],
    [
      'serve_from: 2026-01-01T00:00:00Z',
      'serve_from: 2026-01-01T00:00:00',
      'endpoint purchase: serve_from',
      /Add the zone/,
    ],
    ['serve_from: 2026-01-01T00:00:00Z', 'serve_from: yesterday', 'endpoint purchase: serve_from', /is no instant/],
    ['serve_from: 2026-01-01T00:00:00Z', 'delivery: at-least-once', 'endpoint purchase: delivery', /not offered yet/],
    [
      'serve_from: 2026-01-01T00:00:00Z',
      'delivery: at-most-once',
      'endpoint purchase: delivery',
      /at-most-once is not known/,
    ],
    ['model: purchase\n', '', 'endpoint purchase: model', /is missing/],
    ['model: purchase', 'model: My Model', 'endpoint purchase: model', /is no name/],
  ]);
});

describe('a monitor', () => {
  refuses([
    [
      'name: weekly\nendpoint: purchase',
      'name: weekly\nendpoint: purchas',
      'monitor weekly: endpoint',
      /Did you mean purchase\?/,
    ],
    ['\nwindow: 7d', '', 'monitor weekly: window', /is missing/],
    ['\nwindow: 7d', '\nwindow: 0d', 'monitor weekly: window', /not longer than nothing/],
    [/first_window_start: .*\n/, '', 'monitor weekly: first_window_start', /is missing/],
    [
      'to: 2026-02-01T00:00:00Z }\nalerts',
      'to: 2025-02-01T00:00:00Z }\nalerts',
      'monitor weekly: reference.to',
      /is not after from/,
    ],
    [/reference: .*\n/, '', 'monitor weekly: reference', /is missing/],
    [
      'to: 2026-02-01T00:00:00Z }\nalerts',
      'to: 2026-02-01T00:00:00Z, by: 1 }\nalerts',
      'monitor weekly: reference.by',
      /is not known here/,
    ],
    ['statistic: auc, ', '', 'monitor weekly: alerts[0].statistic', /is missing/],
    ['direction: below', 'direction: under', 'monitor weekly: alerts[0].direction', /under is not known/],
    ['direction: below, ', '', 'monitor weekly: alerts[0].direction', /is missing/],
    ['threshold: 0.7', 'threshold: low', 'monitor weekly: alerts[0].threshold', /is no number/],
    ['consecutive: 2', 'consecutive: 1.5', 'monitor weekly: alerts[0].consecutive', /is no whole number/],
    ['consecutive: 2', 'consecutive: 0', 'monitor weekly: alerts[0].consecutive', /is no number from 1/],
    ['consecutive: 2', 'times: 2', 'monitor weekly: alerts[0].times', /is not known here/],
    ['maturity: 2d', 'maturity: soon', 'monitor weekly: maturity', /is no duration/],
  ]);
});

describe('policies', () => {
  refuses([
    [
      'name: again\nendpoint: purchase',
      'name: again\nendpoint: sale',
      'retraining_policy again: endpoint',
      /there is no endpoint sale/,
    ],
    ['trainer: lightgbm', 'trainer: lightgmb', 'retraining_policy again: trainer', /Did you mean lightgbm\?/],
    ['history: 90d\n', '', 'retraining_policy again: history', /is missing/],
    [
      'train_to: 2026-02-01T00:00:00Z }',
      'train_to: 2025-02-01T00:00:00Z }',
      'retraining_policy again: initial.train_to',
      /is not after train_from/,
    ],
    [
      'train_to: 2026-02-01T00:00:00Z }',
      'train_to: 2026-02-01T00:00:00Z, x: 1 }',
      'retraining_policy again: initial.x',
      /is not known here/,
    ],
    [
      'name: careful\nendpoint: purchase',
      'name: careful\nendpoint: sale',
      'rollout_policy careful: endpoint',
      /there is no endpoint sale/,
    ],
    [', at_least: 0.6', '', 'rollout_policy careful: gates[0]', /has no bound/],
    ['at_least: 0.6', 'atleast: 0.6', 'rollout_policy careful: gates[0]', /has no bound/],
    ['at_least: 0.6', 'at_least: high', 'rollout_policy careful: gates[0].at_least', /is no number/],
    ['at_least: 0.6', 'at_least: 0.6, most: 1', 'rollout_policy careful: gates[0].most', /is not known here/],
    ['min_rows: 500', 'min_rows: 0', 'rollout_policy careful: min_rows', /is no number from 1/],
    ['metric: log_loss', 'metric: brier', 'rollout_policy careful: metric', /brier is not known/],
    ['tolerance: 0.01', 'tolerance: 2', 'rollout_policy careful: tolerance', /from 0 to 1/],
    ['canary_share: 0.2', 'canary_share: 20%', 'rollout_policy careful: canary_share', /from 0 to 1/],
    ['auto_approve: true', 'auto_approve: maybe', 'rollout_policy careful: auto_approve', /neither true nor false/],
  ]);
});
