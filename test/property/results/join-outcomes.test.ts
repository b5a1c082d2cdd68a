import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Result } from '../../../schemas/events.generated.ts';
import {
  type JoinInput,
  type JoinRules,
  type JoinState,
  type Outcome,
  type SeenPrediction,
  decodeJoinState,
  encodeJoinState,
  joinStep,
  nextTimerMs,
} from '../../../processors/results/join-outcomes.ts';

const HOUR_MS = 3_600_000;
const RULES: JoinRules = { keyField: 'id', horizonMs: 48 * HOUR_MS, serveFromMs: null, unknownAfterMs: HOUR_MS };
const EVIDENCE = Buffer.from('evidence');

const REQUESTS = ['r0', 'r1', 'r2'];
const times = fc.integer({ min: 0, max: 100 * 4 }).map((quarter) => (quarter * HOUR_MS) / 4);
const predictions = fc
  .uniqueArray(
    fc.record({
      request: fc.constantFrom(...REQUESTS),
      version: fc.integer({ min: 1, max: 3 }),
      isShadow: fc.boolean(),
    }),
    {
      selector: ({ request, version, isShadow }) => `${request}:${String(version)}:${String(isShadow)}`,
      maxLength: 12,
    },
  )
  .chain((ids) =>
    fc.tuple(
      fc.constant(ids),
      fc.array(times, { minLength: 12, maxLength: 12 }),
      fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 12, maxLength: 12 }),
    ),
  )
  .map(([ids, at, scores]) =>
    ids.map(({ request, version, isShadow }, index): SeenPrediction => {
      const purpose = isShadow ? 'shadow' : 'live';
      return {
        prediction_id: `${request}:m:${String(version)}:${purpose}`,
        request_id: request,
        endpoint: 'e',
        event_time: at[index] ?? 0,
        score: Math.abs(scores[index] ?? 0),
        purpose,
        arm: 'champion',
        model: 'm',
        version,
      };
    }),
  );
// outcomes of one request are known at different times, so that which one is the newest does not depend on the order of arrival
const outcomes = fc.uniqueArray(
  fc.record(
    { requestId: fc.constantFrom(...REQUESTS, 'never-scored'), knownAtMs: times, label: fc.constantFrom(0, 1) },
    { noNullPrototype: true },
  ),
  {
    selector: ({ requestId, knownAtMs }) => `${requestId}:${String(knownAtMs)}`,
    maxLength: 8,
  },
);

function naive(seen: readonly SeenPrediction[], known: readonly Outcome[]): Map<string, Result> {
  const joined = new Map<string, Result>();
  for (const { prediction_id, request_id, endpoint, event_time, score, purpose, arm, model, version } of seen) {
    const newest = known.filter((one) => one.requestId === request_id).sort((a, b) => b.knownAtMs - a.knownAtMs)[0];
    if (newest === undefined || Math.abs(newest.knownAtMs - event_time) > RULES.horizonMs) continue;
    joined.set(prediction_id, {
      ...{ prediction_id, request_id, endpoint, score, purpose, arm, model, version },
      event_time: Math.max(event_time, newest.knownAtMs),
      prediction_time: event_time,
      label: newest.label,
    });
  }
  return joined;
}

/** Every result that is written when all comes in event-time order (predictions before outcomes of the same instant): the newest outcome before, then each one after. */
function history(seen: readonly SeenPrediction[], known: readonly Outcome[]): string[] {
  return seen.flatMap(({ prediction_id, request_id, event_time }) => {
    const own = known.filter((one) => one.requestId === request_id).sort((a, b) => a.knownAtMs - b.knownAtMs);
    const before = own.filter((one) => one.knownAtMs < event_time).slice(-1);
    const joined = [...before, ...own.filter((one) => one.knownAtMs >= event_time)];
    return joined
      .filter((one) => Math.abs(one.knownAtMs - event_time) <= RULES.horizonMs)
      .map((one) => `${prediction_id} ${String(Math.max(event_time, one.knownAtMs))} ${String(one.label)}`);
  });
}

const keyOf = (input: JoinInput): string =>
  input.kind === 'prediction' ? input.prediction.request_id : input.kind === 'outcome' ? input.outcome.requestId : '';
const timeOf = (input: JoinInput): number =>
  input.kind === 'prediction'
    ? input.prediction.event_time
    : input.kind === 'outcome'
      ? input.outcome.knownAtMs
      : input.timeMs;

/** Feeds inputs; between them the state goes through its codec. With timers, they fire before a later input. */
function run(inputs: readonly JoinInput[], withTimers: boolean, rules = RULES) {
  const states = new Map<string, JoinState>();
  const results: Result[] = [];
  const unknown: string[] = [];
  const step = (key: string, input: JoinInput): void => {
    const made = joinStep(rules, states.get(key) ?? null, input);
    results.push(...made.results);
    if (made.unknown !== null) unknown.push(key);
    if (made.state === null) states.delete(key);
    else {
      const copy = decodeJoinState(encodeJoinState(made.state));
      assert.deepEqual(copy, made.state);
      states.set(key, copy);
    }
  };
  const fire = (untilMs: number): void => {
    for (;;) {
      const due = [...states]
        .map(([key, state]) => ({ key, atMs: nextTimerMs(rules, state) }))
        .sort((a, b) => a.atMs - b.atMs)[0];
      if (due === undefined || due.atMs >= untilMs) return;
      step(due.key, { kind: 'timer', timeMs: due.atMs });
    }
  };
  for (const input of inputs) {
    if (withTimers) fire(timeOf(input));
    step(keyOf(input), input);
  }
  if (withTimers) fire(Infinity);
  return { results, unknown, states };
}

function lastOf(results: readonly Result[]): Map<string, Result> {
  return new Map(results.map((result) => [result.prediction_id, result]));
}

const inputsOf = (seen: readonly SeenPrediction[], known: readonly Outcome[]): JoinInput[] => [
  ...seen.map((prediction): JoinInput => ({ kind: 'prediction', prediction })),
  ...known.map((outcome): JoinInput => ({ kind: 'outcome', outcome, evidence: EVIDENCE })),
];

test('any interleaving, with repetitions, ends as the naive join', () => {
  fc.assert(
    fc.property(
      fc.tuple(predictions, outcomes).chain(([seen, known]) => {
        const once = inputsOf(seen, known);
        return fc.tuple(
          fc.constant({ seen, known }),
          fc.shuffledSubarray([...once, ...once], { minLength: once.length * 2 }),
        );
      }),
      ([{ seen, known }, order]) => {
        const found = lastOf(run(order, false).results);
        // an outcome within the horizon may be corrected by one beyond it: the earlier result then stays the last word
        for (const [id, expected] of naive(seen, known)) assert.deepEqual(found.get(id), expected);
        for (const { request_id, prediction_time, label, prediction_id } of found.values()) {
          assert.ok(seen.some((prediction) => prediction.prediction_id === prediction_id));
          const near = known.filter(
            (one) => one.requestId === request_id && Math.abs(one.knownAtMs - prediction_time) <= RULES.horizonMs,
          );
          assert.ok(near.some((one) => one.label === label));
        }
      },
    ),
    { numRuns: 300 },
  );
});

test('in event-time order, with timers: the naive join, every correction written once, and no state left', () => {
  fc.assert(
    fc.property(predictions, outcomes, fc.constantFrom(0, HOUR_MS), (seen, known, unknownAfterMs) => {
      const order = inputsOf(seen, known).sort((a, b) => timeOf(a) - timeOf(b));
      const { results, states, unknown } = run(order, true, { ...RULES, unknownAfterMs });
      const found = lastOf(results);
      for (const [id, expected] of naive(seen, known)) assert.deepEqual(found.get(id), expected);
      const written = results.map(
        ({ prediction_id, event_time, label }) => `${prediction_id} ${String(event_time)} ${String(label)}`,
      );
      assert.deepEqual(written.sort(), history(seen, known).sort());
      assert.equal(states.size, 0);
      const isNeverScored = known.some(({ requestId }) => requestId === 'never-scored');
      assert.equal(unknown.includes('never-scored'), isNeverScored);
    }),
    { numRuns: 300 },
  );
});

test('a start of serving takes nothing from the requests after it, and keeps nothing for those long before', () => {
  fc.assert(
    fc.property(predictions, outcomes, times, (seen, known, serveFromMs) => {
      const rules: JoinRules = { ...RULES, serveFromMs, unknownAfterMs: 0 };
      const served = seen.filter(({ event_time }) => event_time >= serveFromMs);
      const order = inputsOf(served, known).sort((a, b) => timeOf(a) - timeOf(b));
      const found = lastOf(run(order, true, rules).results);
      for (const [id, expected] of naive(served, known)) assert.deepEqual(found.get(id), expected);
      for (const outcome of known) {
        if (outcome.knownAtMs >= serveFromMs - RULES.horizonMs) continue;
        assert.equal(joinStep(rules, null, { kind: 'outcome', outcome, evidence: EVIDENCE }).state, null);
      }
    }),
    { numRuns: 300 },
  );
});
