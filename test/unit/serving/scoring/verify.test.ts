// A receipt passes its checks, and with any one thing in it altered it does not.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type EndpointDefinition } from '../../../../schemas/definitions.ts';
import { type Prediction } from '../../../../schemas/events.generated.ts';
import { type ServableVersion } from '../../../../serving/scoring/models.ts';
import { checkRequest, checkRows, checkScore, checkWeights } from '../../../../serving/scoring/verify.ts';

const endpoint: EndpointDefinition = {
  ...{ kind: 'endpoint', name: 'e', model: 'm', description: '', delivery: 'exactly-once', serve_from: null },
  entities: { user: 'user_id' },
  inputs: [
    { name: 'colour', from: 'request', kind: 'category' },
    { name: 'spent', from: 'users', kind: 'number' },
    { name: 'visits', from: 'users', kind: 'number' },
  ],
  request: { key_field: 'id', event_time_field: 'asked_at' },
  outcome: { key_field: 'id', event_time_field: 'known_at', label_field: 'label', horizon_ms: 1 },
};
const version: ServableVersion = {
  ...{ model: 'm', version: 1, weightsSha256: 'abc', weightsUri: 'u' },
  inputs: [
    { name: 'colour', kind: 'category', categories: ['blue', 'red'] },
    { name: 'spent', kind: 'number' },
    { name: 'visits', kind: 'number' },
  ],
};
const receipt: Prediction = {
  ...{ prediction_id: 'r:m:1:live', request_id: 'r', endpoint: 'e', event_time: 50, purpose: 'live', arm: 'champion' },
  ...{ model: 'm', version: 1, weights_sha256: 'abc', score: 0.25, features: [1, 2.5, null] },
  rows: [
    {
      ...{ view: 'users', entity_key: 'ann', event_time: 40, definition_hash: 'h' },
      ...{ source_partition: 2, source_offset: 7 },
    },
  ],
};
const request = { id: 'r', event_time_ms: 50, colour: 'red', user_id: 'ann' };
const row = { entity_key: 'ann', spent: 2.5, visits: null, source_partition: 2, source_offset: 7 };

/** Names of the checks that fail. */
function failing(prediction: Prediction, found: typeof row | null = row): string[] {
  return [
    checkRequest(endpoint, version, prediction, request),
    ...checkRows(endpoint, version, prediction, new Map([['users', found]])),
    checkWeights(prediction, version, 'abc'),
    checkScore(prediction, 0.25),
  ].flatMap(({ name, ok }) => (ok ? [] : [name]));
}

test('what was written passes', () => {
  assert.deepEqual(failing(receipt), []);
});

test('what was altered fails, each at its place', () => {
  const [place] = receipt.rows;
  assert.ok(place !== undefined);
  assert.deepEqual(failing({ ...receipt, features: [0, 2.5, null] }), ['request']);
  assert.deepEqual(failing({ ...receipt, event_time: 51 }), ['request']);
  assert.deepEqual(failing({ ...receipt, features: [1, 2.75, null] }), ['rows of users']);
  assert.deepEqual(failing({ ...receipt, features: [1, 2.5, 0] }), ['rows of users']);
  assert.deepEqual(failing({ ...receipt, rows: [{ ...place, source_offset: 8 }] }), ['rows of users']);
  assert.deepEqual(failing({ ...receipt, rows: [{ ...place, source_partition: 1 }] }), ['rows of users']);
  assert.deepEqual(failing({ ...receipt, rows: [{ ...place, event_time: null }] }, null), ['rows of users']);
  assert.deepEqual(failing({ ...receipt, rows: [] }), ['rows of users']);
  assert.deepEqual(failing({ ...receipt, weights_sha256: 'abd' }), ['weights']);
  assert.deepEqual(failing({ ...receipt, score: 0.25000000000000006 }), ['score']);
  assert.deepEqual(failing(receipt, null), ['rows of users'], 'the row that it names is not there');
});

test('a request that no topic holds cannot be compared, and says so', () => {
  const { ok, detail } = checkRequest(endpoint, version, receipt, null);
  assert.ok(ok);
  assert.match(detail, /HTTP/);
});
