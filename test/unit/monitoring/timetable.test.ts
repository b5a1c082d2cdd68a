import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LIVE_GRACE_MS, type Progress, nextStep } from '../../../processors/monitoring/timetable.ts';

const AT = 1000;
const progress = (more: Partial<Progress>): Progress => ({
  completeToMs: null,
  sourcesOverAtMs: null,
  isDrained: false,
  nowMs: 0,
  ...more,
});

test('event mode decides when the warehouse is complete, whatever the wall clock says', () => {
  assert.equal(nextStep('event', AT, progress({ nowMs: 1e15 })), 'wait');
  assert.equal(nextStep('event', AT, progress({ completeToMs: AT - 1, nowMs: 1e15 })), 'wait');
  assert.equal(nextStep('event', AT, progress({ completeToMs: AT })), 'decide');
  assert.equal(nextStep('event', AT, progress({ completeToMs: AT, sourcesOverAtMs: AT })), 'decide');
});

test('when the replay ends before the decision, the endpoint is let go; when after, its last rows are waited for', () => {
  assert.equal(nextStep('event', AT, progress({ completeToMs: 900, sourcesOverAtMs: AT - 1 })), 'release');
  // the scorer has nothing left to do before the decision that it waits for
  assert.equal(nextStep('event', AT, progress({ completeToMs: AT, sourcesOverAtMs: AT - 1 })), 'release');
  assert.equal(nextStep('event', AT, progress({ completeToMs: 900, sourcesOverAtMs: AT })), 'wait');
  assert.equal(nextStep('event', AT, progress({ completeToMs: 900, sourcesOverAtMs: AT, isDrained: true })), 'decide');
});

test('live mode decides by the wall clock, with a grace', () => {
  assert.equal(nextStep('live', AT, progress({ nowMs: AT, completeToMs: AT, sourcesOverAtMs: 0 })), 'wait');
  assert.equal(nextStep('live', AT, progress({ nowMs: AT + LIVE_GRACE_MS })), 'decide');
});
