// Promotion by hand: only of what is approved, or approved in the same breath.
import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import { parseDefinitions } from '../../../schemas/parse-definitions.ts';
import { decide } from '../../../processors/lifecycle/decide.ts';
import { evolve } from '../../../processors/lifecycle/evolve.ts';
import { type LifecycleState, emptyState } from '../../../processors/lifecycle/state.ts';

const definitions = parseDefinitions([
  {
    name: 'test',
    text: `
kind: endpoint
name: card-fraud
model: card-fraud
request: { key_field: id, event_time_field: at }
inputs: [{ name: amount }]
outcome: { key_field: id, event_time_field: at, label_field: label, horizon: 72h }
`,
  },
]);

describe('promotion by hand', () => {
  let state: LifecycleState;

  function send(type: string, payload: unknown): string[] {
    const { events } = decide(state, type, JSON.stringify(payload), { issuedAtMs: 1000, issuedBy: 'ada' });
    for (const event of events) evolve(state, event);
    return events.map(({ name }) => name);
  }

  beforeEach(() => {
    state = emptyState();
    send('ApplyDefinitions', { definitions });
    send('CreateModelVersion', { model: 'card-fraud', weights_sha256: 'abc', weights_uri: 'model.onnx', inputs: '[]' });
  });

  it('is refused while nobody has approved the version, and says how', () => {
    assert.throws(() => send('Promote', { endpoint: 'card-fraud', version: 1 }), {
      code: 'conflict',
      fix: /--approve/,
    });
    assert.equal(state.endpoints.get('card-fraud')?.champion, 0);
  });

  it('approves and promotes when it is asked to, and the approval is an event of its own', () => {
    const events = send('Promote', { endpoint: 'card-fraud', version: 1, approve: true });
    assert.deepEqual(events, ['VersionApproved', 'AliasSet', 'Promoted', 'RoutingChanged']);
    assert.equal(state.endpoints.get('card-fraud')?.champion, 1);
  });

  it('approves nothing twice', () => {
    send('ApproveVersion', { model: 'card-fraud', version: 1 });
    assert.deepEqual(send('Promote', { endpoint: 'card-fraud', version: 1, approve: true }), [
      'AliasSet',
      'Promoted',
      'RoutingChanged',
    ]);
  });
});
