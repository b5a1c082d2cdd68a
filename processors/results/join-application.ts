// The delayed-label join: predictions and outcomes of the same request, within the horizon.
import { type EventCodec } from '../../schemas/codec.ts';
import { type EndpointDefinition } from '../../schemas/definitions.ts';
import { type Prediction, type Result } from '../../schemas/events.generated.ts';
import { Failure } from '../../schemas/failure.ts';
import { type TopicNames } from '../../schemas/topics.ts';
import { headerMaker } from '../../streams/event-headers.ts';
import { type LogRecord } from '../../streams/log.ts';
import { type Instant } from '../../streams/merge.ts';
import {
  type ApplicationSpec,
  type Decoded,
  type Processor,
  type SubTopology,
  type TaskContext,
} from '../../streams/processor.ts';
import { applicationIds } from '../../streams/topology.ts';
import { decodeValue } from '../features/decode-value.ts';
import { type Pending, addOutcome, addPrediction, newPending, pendingSerde } from './pending.ts';

export interface JoinOptions {
  readonly endpoint: EndpointDefinition;
  readonly names: TopicNames;
  readonly codec: EventCodec;
  nowMs(): number;
}

/** Lanes of the predictions topic: the live path writes one, the shadow the other. */
const LANE = { live: 0, shadow: 1 } as const;

interface Outcome {
  readonly requestId: string;
  readonly timeMs: number;
  readonly label: number;
}

export function joinApplication(options: JoinOptions): ApplicationSpec {
  const { endpoint, names } = options;
  const topology: SubTopology<Pending> = {
    name: 'join',
    topics: [names.predictions(endpoint.name), names.outcomes(endpoint.name)],
    lanesOf: (topic) => (topic === names.predictions(endpoint.name) ? 2 : 1),
    single: false,
    globalTopics: [],
    store: { name: 'pending', serde: pendingSerde },
    timerOf: (_key, pending) => pending.forgetMs,
    outputLanes: ([own = 0]) => [{ topic: names.results(endpoint.name), partition: own, lane: 0 }],
    create: async (context) => ({ processor: new JoinProcessor(options, context), globalPositions: new Map() }),
  };
  const untyped: unknown = topology;
  return { id: applicationIds.join(endpoint.name), subTopologies: [untyped as SubTopology<never>] };
}

class JoinProcessor implements Processor {
  readonly #options: JoinOptions;
  readonly #context: TaskContext<Pending>;
  readonly #predictionsTopic: string;
  readonly #headers = headerMaker('millrace.Result', 'millrace/monitoring');

  constructor(options: JoinOptions, context: TaskContext<Pending>) {
    this.#options = options;
    this.#context = context;
    this.#predictionsTopic = options.names.predictions(options.endpoint.name);
  }

  decode(record: LogRecord): Decoded {
    try {
      if (record.topic === this.#predictionsTopic) {
        const prediction = this.#options.codec.reader.decode(record.value ?? Buffer.alloc(0)).value as Prediction;
        return {
          kind: 'input',
          lane: prediction.purpose === 'shadow' ? LANE.shadow : LANE.live,
          eventTimeMs: prediction.event_time,
          value: prediction,
        };
      }
      const outcome = this.#readOutcome(record);
      return { kind: 'input', lane: 0, eventTimeMs: outcome.timeMs, value: outcome };
    } catch (failure) {
      if (failure instanceof Failure) return { kind: 'refused', failure };
      throw failure;
    }
  }

  #readOutcome(record: LogRecord): Outcome {
    const { key_field, event_time_field, label_field } = this.#options.endpoint.outcome;
    const value = decodeValue(this.#options.codec.reader, record.value) as Readonly<Record<string, unknown>> | null;
    const field = (name: string): unknown => {
      const found = value?.[name];
      if (found === undefined || found === null)
        throw new Failure('missing_field', `The outcome has no ${name}.`, { field: name, fix: 'Produce it.' });
      return found;
    };
    const [timeMs, label] = [field(event_time_field), field(label_field)];
    if (typeof timeMs !== 'number')
      throw new Failure('invalid_field', `${event_time_field} is ${JSON.stringify(timeMs)}.`, {
        field: event_time_field,
        fix: 'Give epoch milliseconds.',
      });
    if (label !== 0 && label !== 1 && typeof label !== 'boolean')
      throw new Failure('invalid_field', `The label is ${JSON.stringify(label)}.`, {
        field: label_field,
        fix: 'Give 1 or 0.',
      });
    return { requestId: String(field(key_field)), timeMs, label: Number(label) };
  }

  step({ timeMs, inputs, timers }: Instant): void {
    for (const { record, value } of inputs) {
      if (record.topic === this.#predictionsTopic) this.#take(value as Prediction);
      else this.#settle(value as Outcome, record);
    }
    for (const key of timers) this.#forget(key, timeMs);
  }

  #take(prediction: Prediction): void {
    const pending = this.#pendingOf(prediction.request_id, prediction.event_time);
    const { prediction_id: predictionId, event_time, purpose, arm, model, version, score } = prediction;
    this.#emit(addPrediction(pending, { predictionId, timeMs: event_time, purpose, arm, model, version, score }));
    this.#keep(pending);
  }

  #settle(outcome: Outcome, record: LogRecord): void {
    const { endpoint } = this.#options;
    const known = this.#context.state.get(outcome.requestId);
    // by event time the prediction comes first: an outcome without one belongs to a request that was never asked, or passed over
    if (known === undefined) {
      if (endpoint.serve_from === null || outcome.timeMs >= endpoint.serve_from + endpoint.outcome.horizon_ms)
        this.#context.deadLetter(record, this.#unknown(outcome));
      return;
    }
    this.#emit(addOutcome(known, outcome));
    this.#keep(known);
  }

  #unknown({ requestId }: Outcome): Failure {
    return new Failure('unknown_prediction', `There is no prediction for ${requestId} within the horizon.`, {
      field: this.#options.endpoint.outcome.key_field,
      fix: 'Check the key; an outcome that came before its prediction can be put back once the prediction is there.',
    });
  }

  #pendingOf(requestId: string, timeMs: number): Pending {
    const { name, outcome } = this.#options.endpoint;
    return this.#context.state.get(requestId) ?? newPending(name, requestId, timeMs, outcome.horizon_ms);
  }

  #keep(pending: Pending): void {
    this.#context.state.put(pending.requestId, pending);
    this.#context.setTimer(pending.requestId, pending.forgetMs);
  }

  #forget(key: string, timeMs: number): void {
    const pending = this.#context.state.get(key);
    if (pending !== undefined && pending.forgetMs <= timeMs) this.#context.state.delete(key);
  }

  #emit(results: readonly Result[]): void {
    const { names, endpoint, codec } = this.#options;
    for (const result of results) {
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
}
