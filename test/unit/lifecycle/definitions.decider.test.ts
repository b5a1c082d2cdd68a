// ApplyDefinitions: all or nothing, against what is applied already and against the schemas of the topics.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decide } from '../../../processors/lifecycle/decide.ts';
import { topicsToLookUp } from '../../../processors/lifecycle/definitions.decider.ts';
import { evolve } from '../../../processors/lifecycle/evolve.ts';
import { type LifecycleState, emptyState } from '../../../processors/lifecycle/state.ts';
import { type AvroSchema } from '../../../schemas/codec.ts';
import { type Definition } from '../../../schemas/definitions.ts';
import { Failure } from '../../../schemas/failure.ts';
import { parseDefinitions } from '../../../schemas/parse-definitions.ts';

const VIEW = `
kind: entity
name: user
---
kind: feature_view
name: clicks
entity: user
source: { topic: shop.clicks, key_field: user_id, event_time_field: at }
features: [{ name: clicks_1h, function: count, window: 1h }]
`;
const ENDPOINT = `
kind: endpoint
name: purchase
model: purchase
request: { key_field: id, event_time_field: at }
inputs: [{ name: basket }]
outcome: { key_field: id, event_time_field: at, label_field: bought, horizon: 2d }
---
kind: monitor
name: weekly
endpoint: purchase
window: 7d
first_window_start: 2026-01-01T00:00:00Z
reference: { from: 2026-01-01T00:00:00Z, to: 2026-02-01T00:00:00Z }
alerts: [{ statistic: psi, subject: basket, direction: above, threshold: 0.2 }]
`;

const definitionsOf = (text: string): readonly Definition[] => parseDefinitions([{ name: 'shop.yaml', text }]);

function apply(state: LifecycleState, definitions: unknown, schemas = new Map<string, AvroSchema>()) {
  const context = { issuedAtMs: 1, issuedBy: 'test', schemas };
  const decision = decide(state, 'ApplyDefinitions', JSON.stringify({ definitions }), context);
  for (const event of decision.events) evolve(state, event);
  return decision;
}

const refused =
  (field: string, words: RegExp) =>
  (error: unknown): boolean => {
    assert.ok(error instanceof Failure, String(error));
    assert.equal(error.field, field);
    assert.match(error.advice, words);
    return true;
  };

test('what changes becomes an event; the topics of all that was named must be there', () => {
  const state = emptyState();
  const definitions = definitionsOf(VIEW);
  const first = apply(state, definitions);
  assert.deepEqual(first.result, { applied: 2, unchanged: 0 });
  assert.deepEqual(first.topicsOf, definitions);
  const again = apply(state, definitions);
  assert.deepEqual([again.events, again.result], [[], { applied: 0, unchanged: 2 }]);
  assert.deepEqual(again.topicsOf, definitions, 'a topic that was deleted by hand comes back');
});

test('a field that the source topic has not is refused, and nothing of the command is applied', () => {
  const state = emptyState();
  const fields = [
    { name: 'user', type: 'string' },
    { name: 'at', type: 'long' },
  ];
  const schemas = new Map<string, AvroSchema>([['shop.clicks', { type: 'record', name: 'Click', fields }]]);
  assert.throws(
    () => apply(state, definitionsOf(VIEW), schemas),
    refused('feature_view clicks: source.key_field', /no field user_id/),
  );
  assert.equal(state.definitions.size, 0);
});

test('the topics whose schemas are wanted', () => {
  const payload = JSON.stringify({ definitions: [...definitionsOf(VIEW), ...definitionsOf(ENDPOINT)] });
  assert.deepEqual(topicsToLookUp(payload), ['shop.clicks', 'purchase.requests', 'purchase.outcomes']);
  assert.throws(() => topicsToLookUp('{}'), refused('definitions', /Send a list/));
});

test('an alert of an unknown statistic is refused; so is an endpoint that takes away what an alert speaks of', () => {
  const state = emptyState();
  assert.throws(
    () => apply(state, definitionsOf(ENDPOINT.replace('statistic: psi', 'statistic: pis'))),
    refused('monitor weekly: alerts[0].statistic', /Did you mean psi\?/),
  );
  apply(state, definitionsOf(ENDPOINT));
  const changed = definitionsOf(ENDPOINT.replace('name: basket', 'name: total').split('---')[0] ?? '');
  assert.throws(() => apply(state, changed), refused('monitor weekly: alerts[0].subject', /no subject basket/));
});

test('a definition that others refer to cannot become another thing', () => {
  const state = emptyState();
  apply(state, definitionsOf(VIEW));
  const [, view] = definitionsOf(VIEW);
  assert.throws(
    () => apply(state, [{ ...view, entity: 'shop' }]),
    refused('feature_view clicks: entity', /Did you mean|one of|no entity shop/),
  );
});

test('a part may refer to what is applied already, but nothing may be declared twice', () => {
  const state = emptyState();
  apply(state, definitionsOf(VIEW));
  const [, view] = definitionsOf(VIEW);
  assert.deepEqual(apply(state, [{ ...view, name: 'visits' }]).result, { applied: 1, unchanged: 0 });
  assert.throws(() => apply(state, [view, view]), refused('feature_view clicks', /declared twice/));
});
