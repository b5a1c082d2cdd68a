// Scoring for the HTTP gateway: its own fold of the feature topics, the same code from request to prediction as the consumers.
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { type Event } from '../schemas/codec.ts';
import { type EndpointDefinition } from '../schemas/definitions.ts';
import { type Prediction, type RoutingArm } from '../schemas/events.generated.ts';
import { Failure } from '../schemas/failure.ts';
import { asOfSql } from '../serving/analytics/training-set.ts';
import { type OnlineStore } from '../serving/online-store.ts';
import { type Row, type V2Deps } from '../serving/protocols/v2.ts';
import {
  type FeatureLookup,
  type FoundRow,
  type GatheredRequest,
  gather,
  viewsOf,
} from '../serving/scoring/feature-vector.ts';
import { type ServableVersion, type VersionInput, versionId } from '../serving/scoring/models.ts';
import { Routing } from '../serving/scoring/routing.ts';
import { ScoredLanes } from '../serving/scoring/scored-lanes.ts';
import { scoreTasks } from '../serving/scoring/scorer.ts';
import { headerMaker } from '../streams/event-headers.ts';
import { FOREVER_MS } from '../streams/lane.ts';
import { type LogAdmin, type LogReader, type LogWriter, partitionId } from '../streams/log.ts';
import { ClickHouseSql } from './clickhouse/client.ts';
import { AppliedDefinitions } from './definition-follower.ts';
import { EventFollower } from './event-follower.ts';
import { OnnxModels } from './onnx/onnx-models.ts';
import { type RoleContext } from './roles/context.ts';
import { VersionModels } from './onnx/version-models.ts';
import { openOnlineStore } from './roles/scoring.ts';
import { clickhouseUrlOf } from './settings.ts';

/** Records end it; what stops has to wait for it. */
const POLL_MS = 100;
const FLUSH_EVERY_MS = 1000;

export class HttpScoring implements V2Deps {
  readonly #context: RoleContext;
  readonly #definitions = new AppliedDefinitions();
  readonly #routings = new Map<string, Routing>();
  readonly #events: Event[] = [];
  readonly #onnx: OnnxModels;
  readonly #models: VersionModels;
  readonly #reader: LogReader;
  readonly #writer: LogWriter;
  readonly #admin: LogAdmin;
  readonly #sql: ClickHouseSql;
  readonly #viewOfTopic = new Map<string, string>();
  readonly #positions = new Map<string, number>();
  readonly #headers = headerMaker('millrace.Prediction', 'millrace/gateway');
  readonly #scored = new ScoredLanes();
  readonly #marks: EventFollower;
  readonly #partitionsOf = new Map<string, number>();
  #store: OnlineStore | null = null;
  #stopped = false;
  #loop: Promise<void> = Promise.resolve();

  constructor(context: RoleContext) {
    this.#context = context;
    this.#onnx = new OnnxModels(context.settings.device);
    this.#models = new VersionModels({
      onnx: this.#onnx,
      dataDir: context.settings.dataDir,
      clock: context.clock,
      find: (id) => this.#versionOf(id),
    });
    this.#reader = context.kafka.reader();
    this.#writer = context.kafka.writer();
    this.#admin = context.kafka.admin();
    this.#sql = new ClickHouseSql(clickhouseUrlOf(context.settings), context.clock, 5000);
    this.#marks = new EventFollower(context.kafka, context.codec, (event) => {
      if (event.name === 'Watermarks') this.#scored.apply(event.value.marks);
    });
  }

  apply(event: Event): void {
    this.#definitions.apply(event);
    this.#events.push(event);
    for (const routing of this.#routings.values()) routing.apply(event);
    if (event.name !== 'DefinitionApplied' || event.value.kind !== 'endpoint' || this.#routings.has(event.value.name))
      return;
    const routing = new Routing(event.value.name);
    for (const earlier of this.#events) routing.apply(earlier);
    this.#routings.set(event.value.name, routing);
  }

  async start(): Promise<void> {
    const { settings, codec, topics } = this.#context;
    // live, nobody asks how far a replay is
    if (settings.time === 'event') await this.#marks.start([topics.watermarks], (error) => this.#context.failed(error));
    this.#store = await openOnlineStore(
      join(settings.dataDir, 'state', 'gateway'),
      'online',
      codec,
      Number.POSITIVE_INFINITY,
    );
    for (const [id, offset] of this.#store.positions) this.#positions.set(id, offset);
    this.#loop = this.#follow();
    this.#loop.catch((error: unknown) => this.#context.failed(error));
  }

  async #follow(): Promise<void> {
    const { clock, topics } = this.#context;
    let flushedMs = clock.monotonicMs();
    while (!this.#stopped) {
      for (const view of this.#definitions.views) {
        const topic = topics.features(view.name);
        if (this.#viewOfTopic.has(topic)) continue;
        const partitions = (await this.#admin.partitionsOf([topic])).get(topic) ?? 0;
        if (partitions === 0) continue;
        this.#viewOfTopic.set(topic, view.name);
        for (let partition = 0; partition < partitions; partition += 1)
          this.#reader.assign({ topic, partition }, this.#positions.get(`${topic}/${partition}`) ?? 0);
      }
      for (const fetched of await this.#reader.poll(POLL_MS)) {
        await this.#context.codec.reader.prepare(fetched.records.map((record) => record.value));
        const view = this.#viewOfTopic.get(fetched.topic) ?? '';
        for (const { key, value, partition, offset } of fetched.records)
          if (value !== null) this.#store?.apply(view, key?.toString() ?? '', value, partition, offset);
        this.#positions.set(partitionId(fetched), fetched.nextOffset);
      }
      if (clock.monotonicMs() - flushedMs > FLUSH_EVERY_MS) {
        await this.#store?.flush(this.#positions, 0);
        flushedMs = clock.monotonicMs();
      }
    }
  }

  #versionOf(id: string): ServableVersion | undefined {
    const at = id.lastIndexOf('/');
    for (const routing of this.#routings.values()) {
      const version = routing.version(id.slice(0, at), Number(id.slice(at + 1)));
      if (version !== undefined) return version;
    }
    return undefined;
  }

  endpoints(): readonly EndpointDefinition[] {
    return this.#definitions.endpoints;
  }

  ready(): boolean {
    return this.#store !== null;
  }

  championOf(endpoint: string): ServableVersion | null {
    const routing = this.#routings.get(endpoint);
    const champion = routing?.newest().find((arm) => arm.arm === 'champion');
    return champion === undefined ? null : (routing?.version(champion.model, champion.version) ?? null);
  }

  /** What an endpoint gives to its model; null where no endpoint has it, or a category's values are known to the trainer only. */
  inputsOf(model: string): readonly VersionInput[] | null {
    const inputs = this.#definitions.endpoints.find((endpoint) => endpoint.model === model)?.inputs ?? null;
    if (inputs === null || inputs.some(({ kind }) => kind === 'category')) return null;
    return inputs.map(({ name, kind }) => ({ name, kind }));
  }

  async loads({ model, version }: ServableVersion): Promise<boolean> {
    return this.#models.load(versionId(model, version)).then(
      () => true,
      () => false,
    );
  }

  #place(endpointName: string): { endpoint: EndpointDefinition; routing: Routing } {
    const endpoint = this.#definitions.endpoints.find(({ name }) => name === endpointName);
    const routing = this.#routings.get(endpointName);
    if (endpoint === undefined || routing === undefined)
      throw new Failure('unknown_name', `There is no model ${endpointName}.`);
    return { endpoint, routing };
  }

  /** The asked version, or the arm that answers this request. */
  #arm(
    endpoint: EndpointDefinition,
    routing: Routing,
    version: number | null,
    timeMs: number,
    requestId: string,
  ): RoutingArm {
    if (version === null) {
      const arm = routing.live(timeMs, requestId);
      if (arm !== null) return arm;
      throw new Failure('not_ready', `No version of ${endpoint.model} serves yet.`, {
        fix: 'Promote one (`millrace promote`), or wait for the first training.',
      });
    }
    if (routing.version(endpoint.model, version) === undefined)
      throw new Failure('unknown_name', `There is no version ${version} of ${endpoint.model}.`, { field: 'version' });
    return { arm: 'asked', model: endpoint.model, version, purpose: 'live', share: 1 };
  }

  async scoreRequests(
    name: string,
    version: number | null,
    rows: readonly Row[],
    eventTimeMs: number | null,
  ): Promise<readonly Prediction[]> {
    const { endpoint, routing } = this.#place(name);
    const timeMs = eventTimeMs ?? this.#context.clock.nowMs();
    const gathered: GatheredRequest[] = [];
    for (const row of rows) {
      const request = {
        [endpoint.request.key_field]: randomUUID(),
        [endpoint.request.event_time_field]: timeMs,
        ...row,
      };
      const lookup = eventTimeMs === null ? (this.#store ?? EMPTY) : await this.#lookupAsOf(endpoint, request, timeMs);
      gathered.push(gather(endpoint, this.#definitions.entityOf, request, lookup));
    }
    const routedAtMs = eventTimeMs ?? FOREVER_MS;
    const tasks = gathered.map((request) => ({
      request,
      arm: this.#arm(endpoint, routing, version, routedAtMs, request.requestId),
      purpose: 'live' as const,
    }));
    const predictions = allScored(endpoint.name, await scoreTasks(endpoint.name, tasks, routing, this.#models));
    // a question about the past is an answer, not an event
    if (eventTimeMs === null && (await this.#isNow(name))) await this.#record(endpoint, predictions);
    return predictions;
  }

  /**
   * While a replay runs, the wall clock's time is no time of it: a prediction of today among those of then would let the join's
   * time leap over all that is still to come. Once the last request of the replay is scored, requests are taken as they come.
   */
  async #isNow(endpoint: string): Promise<boolean> {
    if (this.#context.settings.time === 'live') return true;
    const topic = this.#context.topics.predictions(endpoint);
    // partitions are for good: Kafka is asked once, not at every request
    const partitions =
      this.#partitionsOf.get(topic) ?? (await this.#admin.partitionsOf([topic])).get(topic) ?? Infinity;
    if (Number.isFinite(partitions)) this.#partitionsOf.set(topic, partitions);
    return this.#scored.areLive(topic, partitions);
  }

  async #record(endpoint: EndpointDefinition, predictions: readonly Prediction[]): Promise<void> {
    const { codec, topics, clock } = this.#context;
    const topic = topics.predictions(endpoint.name);
    await codec.prepare(topic, ['Prediction']);
    const nowMs = clock.nowMs();
    await this.#writer.append(
      predictions.map((prediction) => ({
        topic,
        timestampMs: prediction.event_time,
        key: Buffer.from(prediction.request_id),
        value: codec.encode('Prediction', prediction),
        headers: this.#headers(prediction.prediction_id, nowMs),
      })),
    );
  }

  /** Rows as they were, from the warehouse: the same rows by construction. */
  async #lookupAsOf(endpoint: EndpointDefinition, request: Row, timeMs: number): Promise<FeatureLookup> {
    const { topics, settings } = this.#context;
    const found = new Map<string, FoundRow>();
    for (const view of viewsOf(endpoint)) {
      const key = request[endpoint.entities[this.#definitions.entityOf.get(view) ?? ''] ?? ''];
      if (typeof key !== 'string' && typeof key !== 'number') continue;
      const [row] = await this.#sql.query<Record<string, unknown>>(asOfSql(view, topics, settings.topicPrefix), {
        key: String(key),
        at: timeMs,
      });
      if (row !== undefined)
        found.set(`${view}\0${String(key)}`, {
          row: { ...row, event_time: row['event_time_ms'] },
          partition: Number(row['_partition']),
          offset: Number(row['_offset']),
        });
    }
    return { row: (view, entityKey) => found.get(`${view}\0${entityKey}`) };
  }

  async scoreFeatures(
    name: string,
    version: number | null,
    rows: readonly (readonly (number | string | null)[])[],
  ): Promise<{ scores: readonly number[]; version: ServableVersion }> {
    const { endpoint, routing } = this.#place(name);
    const arm = this.#arm(endpoint, routing, version, FOREVER_MS, '');
    const used = routing.version(arm.model, arm.version);
    if (used === undefined) throw new Failure('not_ready', `Version ${arm.version} is not known here yet.`);
    // categories may come as their text or as their index
    const inputs = used.inputs.map((input, index) =>
      input.kind === 'category' && rows.every((row) => typeof row[index] !== 'string')
        ? { ...input, kind: 'number' as const }
        : input,
    );
    const servable = { version: () => ({ ...used, inputs }) };
    const tasks = rows.map((values, index) => ({
      request: { requestId: String(index), eventTimeMs: 0, values, rows: [] },
      arm,
      purpose: 'live' as const,
    }));
    const predictions = allScored(endpoint.name, await scoreTasks(endpoint.name, tasks, servable, this.#models));
    return { scores: predictions.map(({ score }) => score), version: used };
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#loop.catch(() => undefined);
    await this.#marks.stop();
    await this.#store?.flush(this.#positions, 0);
    await this.#store?.close();
    await this.#onnx.close();
    await Promise.all([this.#reader.close(), this.#writer.close(), this.#admin.close()]);
  }
}

/** @throws Failure `not_ready`: the request was good, the version that should answer is not */
function allScored(endpoint: string, outcomes: readonly (Prediction | Failure)[]): Prediction[] {
  return outcomes.map((outcome) => {
    if (!(outcome instanceof Failure)) return outcome;
    throw new Failure('not_ready', outcome.message, {
      field: 'model',
      fix: `Roll back (\`millrace rollback ${endpoint}\`), or ask for another version (/v2/models/${endpoint}/versions/N/infer).`,
      cause: outcome,
    });
  });
}

const EMPTY: FeatureLookup = { row: () => undefined };
