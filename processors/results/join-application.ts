// The delayed-label join as an application: predictions and outcomes of one request meet in `joinStep`, within the horizon.
import { type EventCodec } from '../../schemas/codec.ts';
import { type EndpointDefinition } from '../../schemas/definitions.ts';
import { type Prediction, type Result } from '../../schemas/events.generated.ts';
import { Failure } from '../../schemas/failure.ts';
import { type TopicNames } from '../../schemas/topics.ts';
import { headerMaker } from '../../streams/event-headers.ts';
import { type KeyedSteps, KeyedProcessor } from '../../streams/keyed-processor.ts';
import { type Input } from '../../streams/lane.ts';
import { type LogRecord } from '../../streams/log.ts';
import { type Instant } from '../../streams/merge.ts';
import { type ApplicationSpec, type Decoded, type SubTopology, type TaskContext } from '../../streams/processor.ts';
import { applicationIds } from '../../streams/topology.ts';
import { decodeValue } from '../features/decode-value.ts';
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
  readOutcome,
} from './join-outcomes.ts';
import { decodeKept, encodeKept } from './kept-record.ts';

export interface JoinOptions {
  readonly endpoint: EndpointDefinition;
  readonly names: TopicNames;
  readonly codec: EventCodec;
  /** inputs are taken as they arrive: a prediction may come a little after its outcome */
  readonly live: boolean;
  nowMs(): number;
}

/** Lanes of the predictions topic: the live path writes one, the shadow the other. */
const LANE = { live: 0, shadow: 1 } as const;

/**
 * In live mode an outcome without a prediction is reported after this long: longer than a scorer that restarts is behind, short
 * enough for somebody who looks for a wrong key. It is joined all the same should the prediction come within the horizon.
 * By event time a prediction never comes after its outcome's instant.
 */
const UNKNOWN_AFTER_LIVE_MS = 600_000;

function rulesOf({ endpoint, live }: JoinOptions): JoinRules {
  return {
    keyField: endpoint.outcome.key_field,
    horizonMs: endpoint.outcome.horizon_ms,
    serveFromMs: endpoint.serve_from,
    unknownAfterMs: live ? UNKNOWN_AFTER_LIVE_MS : 0,
  };
}

export function joinApplication(options: JoinOptions): ApplicationSpec {
  const { endpoint, names } = options;
  const rules = rulesOf(options);
  const topology: SubTopology<JoinState> = {
    name: 'join',
    topics: [names.predictions(endpoint.name), names.outcomes(endpoint.name)],
    lanesOf: (topic) => (topic === names.predictions(endpoint.name) ? 2 : 1),
    single: false,
    globalTopics: [],
    store: { name: 'pending', serde: { encode: encodeJoinState, decode: decodeJoinState } },
    onDemand: { timerOf: (row) => nextTimerMs(rules, decodeJoinState(row)), isPinned: () => false },
    outputLanes: ([own = 0]) => [{ topic: names.results(endpoint.name), partition: own, lane: 0 }],
    create: async (context) => ({
      processor: new KeyedProcessor(new JoinSteps(options, rules, context), context.state),
      globalPositions: new Map(),
    }),
  };
  const untyped: unknown = topology;
  return { id: applicationIds.join(endpoint.name), subTopologies: [untyped as SubTopology<never>] };
}

class JoinSteps implements KeyedSteps {
  readonly #options: JoinOptions;
  readonly #rules: JoinRules;
  readonly #context: TaskContext<JoinState>;
  readonly #predictionsTopic: string;
  readonly #headers = headerMaker('millrace.Result', 'millrace/monitoring');

  constructor(options: JoinOptions, rules: JoinRules, context: TaskContext<JoinState>) {
    this.#options = options;
    this.#rules = rules;
    this.#context = context;
    this.#predictionsTopic = options.names.predictions(options.endpoint.name);
  }

  decode(record: LogRecord): Decoded {
    const { endpoint, codec } = this.#options;
    try {
      if (record.topic === this.#predictionsTopic) {
        const prediction = this.#readPrediction(record);
        return {
          kind: 'input',
          lane: prediction.purpose === 'shadow' ? LANE.shadow : LANE.live,
          eventTimeMs: prediction.event_time,
          value: prediction,
        };
      }
      const outcome = readOutcome(endpoint, decodeValue(codec.reader, record.value));
      return { kind: 'input', lane: 0, eventTimeMs: outcome.knownAtMs, value: outcome };
    } catch (failure) {
      if (failure instanceof Failure) return { kind: 'refused', failure };
      throw failure;
    }
  }

  #readPrediction(record: LogRecord): Prediction {
    const { name, value } = this.#options.codec.reader.decode(record.value ?? Buffer.alloc(0));
    if (name === 'Prediction') return value as Prediction;
    throw new Failure('undecodable_record', `The record is a ${name}, not a Prediction.`, {
      fix: 'Only the platform writes this topic: produce to one of your own.',
    });
  }

  keyOf({ record, value }: Input): string {
    return record.topic === this.#predictionsTopic ? (value as Prediction).request_id : (value as Outcome).requestId;
  }

  step({ timeMs, inputs, timers }: Instant): void {
    for (const input of inputs) {
      const { record, value } = input;
      const key = this.keyOf(input);
      if (record.topic === this.#predictionsTopic)
        this.#apply(key, { kind: 'prediction', prediction: seenOf(value as Prediction) });
      else this.#apply(key, { kind: 'outcome', outcome: value as Outcome, evidence: encodeKept(record) });
    }
    for (const key of timers) this.#apply(key, { kind: 'timer', timeMs });
  }

  #apply(requestId: string, input: JoinInput): void {
    const { state: states, setTimer, deadLetter } = this.#context;
    const before = states.get(requestId) ?? null;
    if (before === null && input.kind === 'timer') return;
    const { results, state, unknown } = joinStep(this.#rules, before, input);
    for (const result of results) this.#emit(result);
    if (unknown !== null) deadLetter(decodeKept(unknown.evidence), unknown.failure);
    if (state === null) {
      states.delete(requestId);
      setTimer(requestId, null);
    } else {
      // what a repetition leaves as it was need not be written again
      if (state !== before) states.put(requestId, state);
      setTimer(requestId, nextTimerMs(this.#rules, state));
    }
  }

  #emit(result: Result): void {
    const { names, endpoint, codec } = this.#options;
    this.#context.emit({
      topic: names.results(endpoint.name),
      partition: this.#context.partition,
      timestampMs: result.event_time,
      key: Buffer.from(result.request_id),
      value: codec.encode('Result', result),
      headers: this.#headers(result.prediction_id, this.#options.nowMs()),
    });
  }
}

/** Without the features, which would fill the memory. */
function seenOf(prediction: Prediction): SeenPrediction {
  const { prediction_id, request_id, endpoint, event_time, score, purpose, arm, model, version } = prediction;
  return { prediction_id, request_id, endpoint, event_time, score, purpose, arm, model, version };
}
