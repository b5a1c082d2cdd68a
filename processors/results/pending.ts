// The state of the join: what is known of one request, until its horizon is over.
import { type Result } from '../../schemas/events.generated.ts';

export interface SeenPrediction {
  readonly predictionId: string;
  readonly timeMs: number;
  readonly purpose: string;
  readonly arm: string;
  readonly model: string;
  readonly version: number;
  readonly score: number;
}

export interface KnownOutcome {
  readonly timeMs: number;
  readonly label: number;
}

export interface Pending {
  readonly endpoint: string;
  readonly requestId: string;
  readonly predictions: SeenPrediction[];
  outcome: KnownOutcome | null;
  /** event time at which this is forgotten */
  readonly forgetMs: number;
}

export function newPending(endpoint: string, requestId: string, timeMs: number, horizonMs: number): Pending {
  return { endpoint, requestId, predictions: [], outcome: null, forgetMs: timeMs + horizonMs };
}

/** A prediction arrives: its result when the outcome is known already. A prediction that was seen before changes nothing. */
export function addPrediction(pending: Pending, prediction: SeenPrediction): Result[] {
  if (pending.predictions.some((seen) => seen.predictionId === prediction.predictionId)) return [];
  pending.predictions.push(prediction);
  return pending.outcome === null ? [] : [resultOf(pending, prediction, pending.outcome)];
}

/** An outcome arrives: the results of all predictions so far. The same label again changes nothing; another one corrects. */
export function addOutcome(pending: Pending, outcome: KnownOutcome): Result[] {
  if (pending.outcome?.label === outcome.label) return [];
  pending.outcome = outcome;
  return pending.predictions.map((prediction) => resultOf(pending, prediction, outcome));
}

function resultOf({ endpoint, requestId }: Pending, prediction: SeenPrediction, outcome: KnownOutcome): Result {
  return {
    prediction_id: prediction.predictionId,
    request_id: requestId,
    endpoint,
    event_time: Math.max(prediction.timeMs, outcome.timeMs),
    prediction_time: prediction.timeMs,
    label: outcome.label,
    score: prediction.score,
    purpose: prediction.purpose,
    arm: prediction.arm,
    model: prediction.model,
    version: prediction.version,
  };
}

/** Law: decode(encode(p)) equals p. */
export const pendingSerde = {
  encode: (pending: Pending): Buffer => Buffer.from(JSON.stringify(pending)),
  decode: (bytes: Buffer): Pending => JSON.parse(bytes.toString()) as Pending,
};
