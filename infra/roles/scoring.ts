// The scoring role: the live path of every endpoint. The shadow role runs the same with its own consumer group.
import { join } from 'node:path';
import { Counter, Histogram } from 'prom-client';
import { type EndpointDefinition } from '../../schemas/definitions.ts';
import { definitionHash } from '../../schemas/parse-definitions.ts';
import { type Failure } from '../../schemas/failure.ts';
import { type Application } from '../../streams/application.ts';
import { openOrEmpty } from '../../streams/local-store.ts';
import { OnlineStore } from '../../serving/online-store.ts';
import { type ServableVersion, versionId } from '../../serving/scoring/models.ts';
import { Routing } from '../../serving/scoring/routing.ts';
import { scoringApplication } from '../../serving/scoring/scoring-application.ts';
import { AppliedDefinitions } from '../definition-follower.ts';
import { EventFollower } from '../event-follower.ts';
import { OnnxModels } from '../onnx/onnx-models.ts';
import { VersionModels } from '../onnx/version-models.ts';
import { rocksStores } from '../rocksdb/rocksdb-stores.ts';
import { type RoleContext, type RunningRole } from './context.ts';
import { makeApplication } from './engine-options.ts';
import { engineParts, measureApplications, stopApplications } from './engine-parts.ts';

export function run(context: RoleContext): Promise<RunningRole> {
  return runScoring(context, 'live');
}

export async function runScoring(context: RoleContext, purpose: 'live' | 'shadow'): Promise<RunningRole> {
  const role = new ScoringRole(context, purpose);
  await role.start();
  return role;
}

/** A version that cannot score is told of in every batch of requests: one line in so long is enough. */
const TELL_AGAIN_MS = 10_000;

class ScoringRole implements RunningRole {
  readonly #context: RoleContext;
  readonly #purpose: 'live' | 'shadow';
  readonly #definitions = new AppliedDefinitions();
  readonly #routings = new Map<string, Routing>();
  readonly #applications = new Map<string, Application>();
  readonly #hashes = new Map<string, string>();
  readonly #onnx: OnnxModels;
  readonly #models: VersionModels;
  readonly #latency: Histogram;
  readonly #batchRows: Histogram;
  readonly #refusedRows: Counter;
  readonly #follower: EventFollower;
  readonly #toldOfMs = new Map<string, number>();
  #turn: Promise<void> = Promise.resolve();
  #stopped = false;

  constructor(context: RoleContext, purpose: 'live' | 'shadow') {
    this.#context = context;
    this.#purpose = purpose;
    this.#onnx = new OnnxModels(context.settings.device);
    this.#models = new VersionModels({
      onnx: this.#onnx,
      dataDir: context.settings.dataDir,
      clock: context.clock,
      find: (id) => this.#versionOf(id),
    });
    this.#refusedRows = new Counter({
      name: 'millrace_scoring_refused_rows',
      help: 'Rows that a version could not score: in the dead letters for the live path',
      labelNames: ['endpoint', 'version'],
      registers: [context.metrics],
    });
    this.#latency = new Histogram({
      name: 'millrace_scoring_latency_seconds',
      help: 'From the arrival of a request here to its prediction, without the commit',
      registers: [context.metrics],
      buckets: [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5],
    });
    this.#batchRows = new Histogram({
      name: 'millrace_scoring_batch_rows',
      help: 'Rows in one run of a model',
      registers: [context.metrics],
      buckets: [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 4096, 16384],
    });
    const events: Parameters<Routing['apply']>[0][] = [];
    this.#follower = new EventFollower(context.kafka, context.codec, (event) => {
      this.#definitions.apply(event);
      events.push(event);
      for (const routing of this.#routings.values()) routing.apply(event);
      if (
        event.name === 'DefinitionApplied' &&
        event.value.kind === 'endpoint' &&
        !this.#routings.has(event.value.name)
      ) {
        const routing = new Routing(event.value.name);
        for (const earlier of events) routing.apply(earlier);
        this.#routings.set(event.value.name, routing);
      }
      if (event.name === 'RoutingChanged') this.#loadAhead(event.value.endpoint);
      if (event.name === 'DefinitionApplied')
        this.#turn = this.#turn.then(() => this.#startMissing()).catch((error: unknown) => context.failed(error));
    });
  }

  async start(): Promise<void> {
    measureApplications(this.#context, this.#applications);
    await this.#follower.start([this.#context.topics.lifecycle], (error) => this.#context.failed(error));
    await this.#turn;
  }

  #versionOf(id: string): ServableVersion | undefined {
    const at = id.lastIndexOf('/');
    for (const routing of this.#routings.values()) {
      const version = routing.version(id.slice(0, at), Number(id.slice(at + 1)));
      if (version !== undefined) return version;
    }
    return undefined;
  }

  #loadAhead(endpoint: string): void {
    const routing = this.#routings.get(endpoint);
    if (routing === undefined) return;
    for (const arm of routing.newest()) {
      // a version that does not load is an error when it is asked to score
      this.#models
        .load(versionId(arm.model, arm.version))
        .catch((error: unknown) => this.#context.logger.error({ err: error }, 'a version does not load'));
    }
  }

  async #startMissing(): Promise<void> {
    const views = new Set(this.#definitions.views.map(({ name }) => name));
    for (const endpoint of this.#definitions.endpoints) {
      if (this.#stopped) return;
      // an endpoint may stand before its views in the log
      const ready = endpoint.inputs.every(({ from }) => from === 'request' || views.has(from));
      const hash = definitionHash(endpoint);
      if (!ready || this.#hashes.get(endpoint.name) === hash) continue;
      this.#hashes.set(endpoint.name, hash);
      await this.#startEndpoint(endpoint);
    }
  }

  /** A changed endpoint takes effect between two batches. */
  async #startEndpoint(endpoint: EndpointDefinition): Promise<void> {
    const { codec, topics, clock, settings } = this.#context;
    await this.#applications.get(endpoint.name)?.stop();
    const routing = this.#routings.get(endpoint.name) ?? new Routing(endpoint.name);
    await codec.prepare(topics.predictions(endpoint.name), ['Prediction']);
    this.#loadAhead(endpoint.name);
    const parts = engineParts(this.#context, endpoint.name);
    const spec = scoringApplication({
      endpoint,
      entityOf: this.#definitions.entityOf,
      names: topics,
      codec,
      purpose: this.#purpose,
      live: settings.time === 'live',
      routing,
      caughtUp: () => this.#follower.caughtUp(topics.lifecycle),
      models: {
        run: (id, rows, count) => {
          this.#batchRows.observe(count);
          return this.#models.run(id, rows, count);
        },
      },
      openStore: (startMs) =>
        openOnlineStore(
          join(parts.stateDir, 'online'),
          endpoint.name,
          codec,
          settings.time === 'live' ? Number.POSITIVE_INFINITY : startMs,
        ),
      nowMs: () => clock.nowMs(),
      observed: (latencyMs) => this.#latency.observe(latencyMs / 1000),
      refused: (version, failure, rows) => this.#noteRefused(endpoint.name, version, failure, rows),
    });
    const application = await makeApplication(parts, spec);
    this.#applications.set(endpoint.name, application);
    await application.start();
    application.finished.catch((error: unknown) => this.#context.failed(error));
    this.#context.logger.info({ endpoint: endpoint.name, purpose: this.#purpose }, 'endpoint scores');
  }

  #noteRefused(endpoint: string, version: string, failure: Failure, rows: number): void {
    this.#refusedRows.inc({ endpoint, version }, rows);
    const nowMs = this.#context.clock.monotonicMs();
    if (nowMs - (this.#toldOfMs.get(version) ?? Number.NEGATIVE_INFINITY) < TELL_AGAIN_MS) return;
    this.#toldOfMs.set(version, nowMs);
    this.#context.logger.error({ endpoint, version, rows, code: failure.code }, failure.advice);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#turn;
    // before the fold, which their last requests may wait for
    await stopApplications(this.#context, this.#applications);
    await this.#follower.stop();
    await this.#onnx.close();
  }
}

/** The online store of an endpoint; one that is damaged, or stands later than `startMs` is emptied, since it would know the future. */
export async function openOnlineStore(
  folder: string,
  name: string,
  codec: RoleContext['codec'],
  startMs: number,
): Promise<OnlineStore> {
  const stores = rocksStores(folder);
  const rowCodec = {
    prepare: (values: Iterable<Buffer>) => codec.reader.prepare(values),
    decode: (value: Buffer) => codec.reader.decode(value).value as Readonly<Record<string, unknown>>,
  };
  return openOrEmpty(stores, name, async (kept) => {
    const store = new OnlineStore(kept, rowCodec);
    await store.open();
    return store.timeMs <= startMs ? store : null;
  });
}
