// Scoring over a topic: the requests of this instance's partitions, merged by event time with every feature row; features looked
// up at the request's instant, models run in batches, predictions written in the transaction that takes the requests' offsets.
import { type EventCodec } from '../../schemas/codec.ts';
import { type EndpointDefinition } from '../../schemas/definitions.ts';
import { isEventTime } from '../../schemas/event-time.ts';
import { Failure } from '../../schemas/failure.ts';
import { type TopicNames } from '../../schemas/topics.ts';
import { decodeValue } from '../../processors/features/decode-value.ts';
import { headerMaker } from '../../streams/event-headers.ts';
import { FOREVER_MS } from '../../streams/lane.ts';
import { type Header, type LogRecord } from '../../streams/log.ts';
import { type Instant } from '../../streams/merge.ts';
import {
  type ApplicationSpec,
  type Decoded,
  type Processor,
  type SubTopology,
  type TaskContext,
} from '../../streams/processor.ts';
import { applicationIds } from '../../streams/topology.ts';
import { type OnlineStore } from '../online-store.ts';
import { type GatheredRequest, gather, viewsOf } from './feature-vector.ts';
import { type Models, versionId } from './models.ts';
import { type Routing } from './routing.ts';
import { type ScoreTask, scoreTasks } from './scorer.ts';

export interface ScoringOptions {
  readonly endpoint: EndpointDefinition;
  readonly entityOf: ReadonlyMap<string, string>;
  readonly names: TopicNames;
  readonly codec: EventCodec;
  readonly purpose: 'live' | 'shadow';
  readonly live: boolean;
  readonly routing: Routing;
  /** resolves once the routing knows all that the log has now */
  caughtUp(): Promise<void>;
  readonly models: Models;
  /** Opens the online store; emptied when it stands later than `startMs` (it may not know the future). */
  openStore(startMs: number): Promise<OnlineStore>;
  nowMs(): number;
  /** told how long each request waited from its record's arrival here to its prediction, ms */
  observed(latencyMs: number): void;
  /** told of rows that a version (`model/number`) could not score */
  refused?(version: string, failure: Failure, rows: number): void;
}

export function scoringApplication(options: ScoringOptions): ApplicationSpec {
  const { endpoint, names, purpose } = options;
  const lane = purpose === 'live' ? 0 : 1;
  const views = viewsOf(endpoint);
  const topology: SubTopology = {
    name: 'score',
    topics: [names.requests(endpoint.name)],
    lanesOf: () => 1,
    single: true,
    globalTopics: views.map((view) => names.features(view)),
    store: null,
    folds: [endpoint.name],
    outputLanes: (partitions) =>
      partitions.map((partition) => ({ topic: names.predictions(endpoint.name), partition, lane })),
    create: async (context) => {
      const store = await options.openStore(context.startMs);
      return { processor: new ScoringProcessor(options, context, store), globalPositions: store.positions };
    },
  };
  const untyped: unknown = topology;
  return {
    id: purpose === 'live' ? applicationIds.scoring(endpoint.name) : applicationIds.shadow(endpoint.name),
    subTopologies: [untyped as SubTopology<never>],
  };
}

interface Pending extends ScoreTask {
  readonly record: LogRecord;
  readonly arrivedMs: number;
}

/** A request that no version answers, as far as the routing knows: it may be a moment behind the log. */
interface Unrouted {
  readonly request: GatheredRequest;
  readonly record: LogRecord;
  readonly timeMs: number;
  readonly arrivedMs: number;
}

class ScoringProcessor implements Processor {
  readonly #options: ScoringOptions;
  readonly #context: TaskContext<unknown>;
  readonly #store: OnlineStore;
  readonly #viewOfTopic: ReadonlyMap<string, string>;
  readonly #requestsTopic: string;
  readonly #headers = headerMaker('millrace.Prediction', 'millrace/scoring');
  #pending: Pending[] = [];
  #unrouted: Unrouted[] = [];

  constructor(options: ScoringOptions, context: TaskContext<unknown>, store: OnlineStore) {
    this.#options = options;
    this.#context = context;
    this.#store = store;
    this.#requestsTopic = options.names.requests(options.endpoint.name);
    this.#viewOfTopic = new Map(viewsOf(options.endpoint).map((view) => [options.names.features(view), view]));
  }

  decode(record: LogRecord): Decoded {
    // a feature row's timestamp is its event time; its value is decoded when somebody asks for the row
    if (record.topic !== this.#requestsTopic)
      return record.value === null
        ? { kind: 'skip' }
        : { kind: 'input', lane: 0, eventTimeMs: record.timestampMs, value: null };
    try {
      const value = decodeValue(this.#options.codec.reader, record.value);
      return { kind: 'input', lane: 0, eventTimeMs: this.#eventTimeOf(value, record), value };
    } catch (failure) {
      if (failure instanceof Failure) return { kind: 'refused', failure };
      throw failure;
    }
  }

  #eventTimeOf(value: unknown, record: LogRecord): number {
    const field = this.#options.endpoint.request.event_time_field;
    const time =
      typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>)[field] : undefined;
    // without one the request is still decoded, and refused where the field is read
    return isEventTime(time) ? time : record.timestampMs;
  }

  boundMs(): number {
    return this.#options.live ? FOREVER_MS : this.#options.routing.controlUntilMs;
  }

  step({ timeMs, inputs }: Instant): void {
    for (const { record } of inputs) {
      const view = this.#viewOfTopic.get(record.topic);
      if (view !== undefined && record.value !== null)
        this.#store.apply(view, record.key?.toString() ?? '', record.value, record.partition, record.offset);
    }
    for (const { record, value, eventTimeMs } of inputs)
      if (record.topic === this.#requestsTopic) this.#take(record, value, eventTimeMs, timeMs);
  }

  #take(record: LogRecord, value: unknown, eventTimeMs: number, timeMs: number): void {
    const { endpoint, purpose } = this.#options;
    if (endpoint.serve_from !== null && eventTimeMs < endpoint.serve_from) return;
    try {
      const request = gather(endpoint, this.#options.entityOf, value, this.#store);
      const arrivedMs = this.#options.nowMs();
      const arms = this.#arms(request, timeMs);
      for (const arm of arms) this.#pending.push({ request, arm, purpose, record, arrivedMs });
      if (purpose === 'live' && arms.length === 0) this.#unrouted.push({ request, record, timeMs, arrivedMs });
    } catch (failure) {
      if (!(failure instanceof Failure)) throw failure;
      // the shadow sees the same requests: one letter is enough
      if (purpose === 'live') this.#context.deadLetter(record, failure);
    }
  }

  #arms(request: GatheredRequest, timeMs: number) {
    const { routing, purpose } = this.#options;
    if (purpose === 'shadow') return routing.shadow(timeMs, request.requestId);
    const arm = routing.live(timeMs, request.requestId);
    return arm === null ? [] : [arm];
  }

  /** Who has promoted a version, and then asks it, is answered: nothing is refused on what the routing did not know yet. */
  async #routeLate(): Promise<Pending[]> {
    const unrouted = this.#unrouted;
    if (unrouted.length === 0) return [];
    this.#unrouted = [];
    const { routing, endpoint, live, purpose, caughtUp } = this.#options;
    // in event time the bound holds back what the routing does not know
    if (live) await caughtUp();
    return unrouted.flatMap(({ timeMs, ...asked }) => {
      const arm = routing.live(timeMs, asked.request.requestId);
      if (arm !== null) return [{ ...asked, arm, purpose }];
      const failure = new Failure('not_ready', `No version of ${endpoint.model} serves yet.`, {
        fix: 'Promote one, then put the request back.',
      });
      this.#context.deadLetter(asked.record, failure);
      return [];
    });
  }

  async flush(): Promise<void> {
    // the first version was promoted after those that it does not answer: they come first
    const pending = [...(await this.#routeLate()), ...this.#pending];
    if (pending.length === 0) return;
    this.#pending = [];
    const { endpoint, routing, models, codec, names } = this.#options;
    const outcomes = await scoreTasks(endpoint.name, pending, routing, models);
    const nowMs = this.#options.nowMs();
    const refused = new Map<string, { readonly failure: Failure; rows: number }>();
    for (const [index, prediction] of outcomes.entries()) {
      const task = pending[index];
      if (task === undefined) continue;
      if (prediction instanceof Failure) {
        this.#refuse(task, prediction, refused);
        continue;
      }
      this.#context.emit({
        topic: names.predictions(endpoint.name),
        partition: task.record.partition,
        timestampMs: prediction.event_time,
        key: Buffer.from(prediction.request_id),
        value: codec.encode('Prediction', prediction),
        headers: this.#headers(prediction.prediction_id, nowMs, receiptHeaders(task, nowMs)),
      });
      this.#options.observed(nowMs - task.arrivedMs);
    }
    for (const [version, { failure, rows }] of refused) this.#options.refused?.(version, failure, rows);
  }

  /** A version that cannot score loses nothing: its requests are in the dead letters, whole; a shadow's were answered by the live path. */
  #refuse(
    { record, arm }: Pending,
    failure: Failure,
    counts: Map<string, { readonly failure: Failure; rows: number }>,
  ): void {
    if (this.#options.purpose === 'live') this.#context.deadLetter(record, failure);
    const version = versionId(arm.model, arm.version);
    const count = counts.get(version) ?? { failure, rows: 0 };
    count.rows += 1;
    counts.set(version, count);
  }

  committed(positions: ReadonlyMap<string, number>, timeMs: number): Promise<void> {
    return this.#store.flush(positions, timeMs);
  }

  close(): Promise<void> {
    return this.#store.close();
  }
}

/** What differs from run to run: places in the log and wall-clock times. */
function receiptHeaders({ record, request, arrivedMs }: Pending, nowMs: number): Header[] {
  const offsets = request.rows.map(({ found }) => (found === undefined ? null : [found.partition, found.offset]));
  const place = `${record.topic}/${record.partition}/${record.offset}`;
  const traceparent = record.headers.find((header) => header.key === 'traceparent');
  return [
    { key: 'causation', value: Buffer.from(place) },
    { key: 'correlation', value: Buffer.from(request.requestId) },
    { key: 'millrace-row-offsets', value: Buffer.from(JSON.stringify(offsets)) },
    { key: 'millrace-timing', value: Buffer.from(JSON.stringify({ arrived_ms: arrivedMs, scored_ms: nowMs })) },
    ...(traceparent === undefined ? [] : [traceparent]),
  ];
}
