// Only a version with weights and inputs comes to answer; --approve approves and promotes in one.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decide } from '../../../processors/lifecycle/decide.ts';
import { evolve } from '../../../processors/lifecycle/evolve.ts';
import { emptyState } from '../../../processors/lifecycle/state.ts';
import { Failure } from '../../../schemas/failure.ts';
import { parseDefinitions } from '../../../schemas/parse-definitions.ts';

const definitions = parseDefinitions([
  {
    name: 'shop.yaml',
    text: `
kind: endpoint
name: purchase
model: buyer
request: { key_field: id, event_time_field: at }
inputs: [{ name: basket }]
outcome: { key_field: id, event_time_field: at, label_field: bought, horizon: 2d }
`,
  },
]);
const WHOLE = {
  model: 'buyer',
  weights_uri: 'mlflow-artifacts:/m.onnx',
  weights_sha256: 'ab',
  inputs: '[{"name":"basket","kind":"number"}]',
};

function lifecycle() {
  const state = emptyState();
  const send = (type: string, payload: unknown): string[] => {
    const { events } = decide(state, type, JSON.stringify(payload), { issuedAtMs: 1, issuedBy: 'ada' });
    for (const event of events) evolve(state, event);
    return events.map(({ name }) => name);
  };
  send('ApplyDefinitions', { definitions });
  return { state, send };
}

const conflict =
  (words: RegExp) =>
  (error: unknown): boolean =>
    error instanceof Failure && error.code === 'conflict' && words.test(error.advice) && error.field === 'version';

test('a version without weights or inputs is neither approved nor promoted nor rolled back to', () => {
  for (const missing of ['weights_uri', 'inputs']) {
    const { state, send } = lifecycle();
    send('CreateModelVersion', { ...WHOLE, [missing]: '' });
    const place = { endpoint: 'purchase', version: 1 };
    assert.throws(() => send('ApproveVersion', { model: 'buyer', version: 1 }), conflict(/no weights to score with/));
    assert.throws(() => send('Promote', { ...place, approve: true }), conflict(/no weights to score with/));
    assert.throws(() => send('Rollback', place), conflict(/no weights to score with/));
    assert.deepEqual(send('RejectVersion', { model: 'buyer', version: 1 }), ['VersionRejected']);
    assert.equal(state.endpoints.get('purchase')?.champion, 0);
  }
});

test('a version that nobody approved is promoted only with approve', () => {
  const { state, send } = lifecycle();
  send('CreateModelVersion', WHOLE);
  const place = { endpoint: 'purchase', version: 1 };
  assert.throws(() => send('Promote', place), conflict(/not approved.*--approve/));
  assert.deepEqual(send('Promote', { ...place, approve: true }), [
    'VersionApproved',
    'AliasSet',
    'Promoted',
    'RoutingChanged',
  ]);
  assert.equal(state.endpoints.get('purchase')?.champion, 1);
  send('CreateModelVersion', WHOLE);
  send('ApproveVersion', { model: 'buyer', version: 2 });
  assert.deepEqual(send('Promote', { endpoint: 'purchase', version: 2, approve: true }), [
    'AliasSet',
    'Promoted',
    'RoutingChanged',
  ]);
});
