// Predictions meet their outcomes, per request, in whatever order they come.
//
//   prediction (live, shadow, …) ─┐
//                                 ├─► one Result per prediction; a later outcome corrects: new Results
//   outcome ──────────────────────┘
//
// Law: fed in any order, the last Result of each prediction carries the outcome that was known last, as a naive join gives it,
// for every prediction whose event time is within the horizon of that outcome.
import { type EndpointDefinition } from '../../schemas/definitions.ts';
import { type Prediction, type Result } from '../../schemas/events.generated.ts';
import { Failure } from '../../schemas/failure.ts';

export interface JoinRules {
  /** of an outcome: the field with the key of its request */
  readonly keyField: string;
  /** prediction and outcome that lie further apart in event time are not joined; the state of a request is dropped then */
  readonly horizonMs: number;
  /** requests before it are never scored; null: all are */
  readonly serveFromMs: number | null;
  /** how long after an outcome was known its prediction may still come, before the outcome is reported as one of an unknown request */
  readonly unknownAfterMs: number;
}

export interface Outcome {
  readonly requestId: string;
  readonly knownAtMs: number;
  /** 1 or 0 */
  readonly label: number;
}

/** What a Result needs of a prediction. */
export type SeenPrediction = Pick<
  Prediction,
  'prediction_id' | 'request_id' | 'endpoint' | 'event_time' | 'score' | 'purpose' | 'arm' | 'model' | 'version'
>;

export interface JoinState {
  readonly predictions: readonly SeenPrediction[];
  readonly outcome: Outcome | null;
  /** bytes for the dead letters, while it is open whether the outcome has a prediction; otherwise null */
  readonly evidence: Buffer | null;
}

export type JoinInput =
  | { readonly kind: 'prediction'; readonly prediction: SeenPrediction }
  /** evidence: whatever the caller needs to report the outcome whole */
  | { readonly kind: 'outcome'; readonly outcome: Outcome; readonly evidence: Buffer }
  /** the watermark has come to timeMs and nextTimerMs was at or before it; inputs of that very instant come first */
  | { readonly kind: 'timer'; readonly timeMs: number };

export interface JoinStep {
  readonly results: readonly Result[];
  /** null: delete */
  readonly state: JoinState | null;
  /** an outcome for a request that was never scored: count it and report it with this failure and the evidence */
  readonly unknown: { readonly failure: Failure; readonly evidence: Buffer } | null;
}

const EMPTY: JoinState = { predictions: [], outcome: null, evidence: null };

export function joinStep(rules: JoinRules, state: JoinState | null, input: JoinInput): JoinStep {
  const before = state ?? EMPTY;
  switch (input.kind) {
    case 'prediction':
      return takePrediction(rules, before, input.prediction);
    case 'outcome':
      return takeOutcome(rules, before, input.outcome, input.evidence);
    case 'timer':
      return takeTimer(rules, before, input.timeMs);
  }
}

// A prediction id that was seen before is a repetition (at-least-once delivery): it is the same answer, and gives nothing new.
function takePrediction(rules: JoinRules, state: JoinState, prediction: SeenPrediction): JoinStep {
  if (state.predictions.some(({ prediction_id }) => prediction_id === prediction.prediction_id))
    return { results: [], state, unknown: null };
  return {
    results: state.outcome === null ? [] : join(rules, [prediction], state.outcome),
    state: { predictions: [...state.predictions, prediction], outcome: state.outcome, evidence: null },
    unknown: null,
  };
}

// Known later wins; of two known at the same time the one that came last. A repetition gives nothing new.
function takeOutcome(rules: JoinRules, state: JoinState, outcome: Outcome, evidence: Buffer): JoinStep {
  const held = state.outcome;
  const isStale =
    held !== null &&
    (outcome.knownAtMs < held.knownAtMs || (outcome.knownAtMs === held.knownAtMs && outcome.label === held.label));
  if (isStale) return { results: [], state, unknown: null };
  if (state.predictions.length === 0 && isBeforeServing(rules, outcome))
    return { results: [], state: null, unknown: null };
  return {
    results: join(rules, state.predictions, outcome),
    state: { predictions: state.predictions, outcome, evidence: state.predictions.length === 0 ? evidence : null },
    unknown: null,
  };
}

function takeTimer(rules: JoinRules, state: JoinState, timeMs: number): JoinStep {
  const { outcome, evidence } = state;
  const isOver = timeMs >= dropAtMs(rules, state);
  const isUnknown = outcome !== null && evidence !== null && timeMs >= outcome.knownAtMs + rules.unknownAfterMs;
  const kept = isUnknown ? { ...state, evidence: null } : state;
  const isMeant = isUnknown && isToBeScored(rules, outcome);
  return {
    results: [],
    state: isOver ? null : kept,
    unknown: isMeant ? { failure: unknownPrediction(rules, outcome), evidence } : null,
  };
}

/** No request that is scored lies within the horizon: nothing is worth keeping. */
function isBeforeServing({ serveFromMs, horizonMs }: JoinRules, outcome: Outcome): boolean {
  return serveFromMs !== null && outcome.knownAtMs < serveFromMs - horizonMs;
}

/** Outcomes around serve_from may belong to requests before it: those are no mistake. */
function isToBeScored({ serveFromMs, horizonMs }: JoinRules, outcome: Outcome): boolean {
  return serveFromMs === null || outcome.knownAtMs >= serveFromMs + horizonMs;
}

function unknownPrediction({ keyField }: JoinRules, outcome: Outcome): Failure {
  return new Failure(
    'unknown_prediction',
    `No prediction was made for the request ${outcome.requestId}, or it is further away than the horizon.`,
    {
      field: keyField,
      fix: "Check the outcome's request key, and that the endpoint's outcome horizon is long enough.",
    },
  );
}

function dropAtMs({ horizonMs }: JoinRules, { predictions, outcome }: JoinState): number {
  const times = predictions.map((prediction) => prediction.event_time);
  return Math.max(...times, outcome?.knownAtMs ?? -Infinity) + horizonMs + 1;
}

/** When `joinStep` wants a timer for this state, epoch ms. */
export function nextTimerMs(rules: JoinRules, state: JoinState): number {
  const dropMs = dropAtMs(rules, state);
  if (state.outcome === null || state.evidence === null) return dropMs;
  return Math.min(dropMs, state.outcome.knownAtMs + rules.unknownAfterMs);
}

function join({ horizonMs }: JoinRules, predictions: readonly SeenPrediction[], outcome: Outcome): Result[] {
  return predictions
    .filter((prediction) => Math.abs(outcome.knownAtMs - prediction.event_time) <= horizonMs)
    .map((prediction) => ({
      prediction_id: prediction.prediction_id,
      request_id: prediction.request_id,
      endpoint: prediction.endpoint,
      event_time: Math.max(prediction.event_time, outcome.knownAtMs),
      prediction_time: prediction.event_time,
      label: outcome.label,
      score: prediction.score,
      purpose: prediction.purpose,
      arm: prediction.arm,
      model: prediction.model,
      version: prediction.version,
    }));
}

/** Reads an upstream outcome by the endpoint's field names. @throws Failure `missing_field`, `invalid_field` */
export function readOutcome(
  { outcome, name }: Pick<EndpointDefinition, 'outcome' | 'name'>,
  decoded: unknown,
): Outcome {
  const fields = typeof decoded === 'object' && decoded !== null ? (decoded as Readonly<Record<string, unknown>>) : {};
  const field = (path: string): unknown => {
    const value = fields[path];
    if (value === undefined || value === null) {
      throw new Failure('missing_field', `The outcome has no ${path}.`, {
        field: path,
        fix: `Produce it with the fields that the endpoint ${name} declares under outcome.`,
      });
    }
    return value;
  };
  const requestId = field(outcome.key_field);
  if (typeof requestId !== 'string' && typeof requestId !== 'number')
    throw invalid(outcome.key_field, 'a text or an integer');
  const knownAtMs = field(outcome.event_time_field);
  if (typeof knownAtMs !== 'number' || !Number.isSafeInteger(knownAtMs))
    throw invalid(outcome.event_time_field, 'a timestamp in milliseconds');
  const label = Number(field(outcome.label_field));
  if (label !== 0 && label !== 1) throw invalid(outcome.label_field, '1 or 0');
  return { requestId: String(requestId), knownAtMs, label };
}

function invalid(path: string, wanted: string): Failure {
  return new Failure('invalid_field', `The outcome's ${path} is not ${wanted}.`, {
    field: path,
    fix: `Give ${path} as ${wanted}.`,
  });
}

type PackedPrediction = readonly [string, string, string, number, number, string, string, string, number];
type PackedOutcome = readonly [string, number, number];

/** Law: decodeJoinState(encodeJoinState(s)) equals s. */
export function encodeJoinState({ predictions, outcome, evidence }: JoinState): Buffer {
  const packed: readonly PackedPrediction[] = predictions.map((p) => [
    p.prediction_id,
    p.request_id,
    p.endpoint,
    p.event_time,
    p.score,
    p.purpose,
    p.arm,
    p.model,
    p.version,
  ]);
  const known: PackedOutcome | null = outcome === null ? null : [outcome.requestId, outcome.knownAtMs, outcome.label];
  return Buffer.from(JSON.stringify([packed, known, evidence?.toString('base64') ?? null]));
}

export function decodeJoinState(bytes: Buffer): JoinState {
  const [packed, known, evidence] = JSON.parse(bytes.toString()) as [
    readonly PackedPrediction[],
    PackedOutcome | null,
    string | null,
  ];
  return {
    predictions: packed.map(
      ([prediction_id, request_id, endpoint, event_time, score, purpose, arm, model, version]) => ({
        prediction_id,
        request_id,
        endpoint,
        event_time,
        score,
        purpose,
        arm,
        model,
        version,
      }),
    ),
    outcome: known === null ? null : { requestId: known[0], knownAtMs: known[1], label: known[2] },
    evidence: evidence === null ? null : Buffer.from(evidence, 'base64'),
  };
}
