import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Failure } from '../../../schemas/failure.ts';
import {
  type JoinRules,
  type SeenPrediction,
  joinStep,
  nextTimerMs,
  readOutcome,
} from '../../../processors/results/join-outcomes.ts';

const HOUR_MS = 3_600_000;
const RULES: JoinRules = {
  keyField: 'id',
  horizonMs: 48 * HOUR_MS,
  serveFromMs: 1000 * HOUR_MS,
  unknownAfterMs: HOUR_MS,
};
const EVIDENCE = Buffer.from('whole record');
const prediction: SeenPrediction = {
  ...{ prediction_id: 'r:m:1:live', request_id: 'r', endpoint: 'e', event_time: 2000 * HOUR_MS, score: 0.25 },
  ...{ purpose: 'live', arm: 'champion', model: 'm', version: 1 },
};
const outcomeAt = (knownAtMs: number, label = 1) =>
  ({ kind: 'outcome', outcome: { requestId: 'r', knownAtMs, label }, evidence: EVIDENCE }) as const;

test('a result carries the prediction, the label and when it was known', () => {
  const seen = joinStep(RULES, null, { kind: 'prediction', prediction }).state;
  const { results } = joinStep(RULES, seen, outcomeAt(2001 * HOUR_MS));
  assert.deepEqual(results, [
    {
      ...{
        prediction_id: 'r:m:1:live',
        request_id: 'r',
        endpoint: 'e',
        event_time: 2001 * HOUR_MS,
        prediction_time: 2000 * HOUR_MS,
      },
      ...{ label: 1, score: 0.25, purpose: 'live', arm: 'champion', model: 'm', version: 1 },
    },
  ]);
});

test('a shadow prediction that comes after the outcome is joined too, and a correction gives both anew', () => {
  let state = joinStep(RULES, null, { kind: 'prediction', prediction }).state;
  state = joinStep(RULES, state, outcomeAt(2001 * HOUR_MS)).state;
  const shadow = joinStep(RULES, state, {
    kind: 'prediction',
    prediction: { ...prediction, prediction_id: 'r:m:2:shadow', purpose: 'shadow', version: 2 },
  });
  assert.deepEqual(
    shadow.results.map(({ version, label }) => [version, label]),
    [[2, 1]],
  );
  const corrected = joinStep(RULES, shadow.state, outcomeAt(2002 * HOUR_MS, 0));
  assert.deepEqual(
    corrected.results.map(({ version, label }) => [version, label]),
    [
      [1, 0],
      [2, 0],
    ],
  );
});

test('an outcome without a prediction is reported an hour later, once, with the whole record', () => {
  const knownAtMs = 2001 * HOUR_MS;
  const waiting = joinStep(RULES, null, outcomeAt(knownAtMs)).state;
  assert.ok(waiting !== null);
  assert.equal(nextTimerMs(RULES, waiting), knownAtMs + HOUR_MS);
  const reported = joinStep(RULES, waiting, { kind: 'timer', timeMs: knownAtMs + HOUR_MS });
  assert.equal(reported.unknown?.failure.code, 'unknown_prediction');
  assert.deepEqual(reported.unknown?.evidence, EVIDENCE);
  assert.ok(reported.state !== null);
  const dropped = joinStep(RULES, reported.state, { kind: 'timer', timeMs: nextTimerMs(RULES, reported.state) });
  assert.deepEqual(dropped, { results: [], state: null, unknown: null });
});

test('an outcome of a request before serve_from is no mistake: it is never reported', () => {
  const knownAtMs = 1040 * HOUR_MS;
  const waiting = joinStep(RULES, null, outcomeAt(knownAtMs)).state;
  const waited = joinStep(RULES, waiting, { kind: 'timer', timeMs: knownAtMs + HOUR_MS });
  assert.equal(waited.unknown, null);
  assert.ok(waited.state !== null);
  const over = joinStep(RULES, waited.state, { kind: 'timer', timeMs: nextTimerMs(RULES, waited.state) });
  assert.deepEqual(over, { results: [], state: null, unknown: null });
});

test('an outcome so long before serve_from that no scored request is near it is not kept', () => {
  const gone = { results: [], state: null, unknown: null };
  assert.deepEqual(joinStep(RULES, null, outcomeAt(952 * HOUR_MS - 1)), gone);
  assert.ok(joinStep(RULES, null, outcomeAt(952 * HOUR_MS)).state !== null);
});

test('an outcome beyond the horizon gives no result', () => {
  const seen = joinStep(RULES, null, { kind: 'prediction', prediction }).state;
  assert.deepEqual(joinStep(RULES, seen, outcomeAt(2048 * HOUR_MS + 1)).results, []);
  assert.equal(joinStep(RULES, seen, outcomeAt(2048 * HOUR_MS)).results.length, 1);
});

test('outcomes are read by the declared names, and refused with the field', () => {
  const endpoint = {
    name: 'e',
    outcome: { key_field: 'id', event_time_field: 'at', label_field: 'late', horizon_ms: 1 },
  };
  assert.deepEqual(readOutcome(endpoint, { id: 7, at: 5, late: true }), { requestId: '7', knownAtMs: 5, label: 1 });
  const refused = (value: unknown, code: string, field: string): void => {
    assert.throws(
      () => readOutcome(endpoint, value),
      (error) => error instanceof Failure && error.code === code && error.field === field,
    );
  };
  refused({ at: 5, late: 1 }, 'missing_field', 'id');
  refused({ id: 'x', at: 'soon', late: 1 }, 'invalid_field', 'at');
  refused({ id: 'x', at: 5, late: 2 }, 'invalid_field', 'late');
  refused({ id: 'x', at: 5, late: null }, 'missing_field', 'late');
  refused('text', 'missing_field', 'id');
});
