// The scoring role: the live path of every endpoint. The shadow role runs the same with its own consumer group.
import { join } from 'node:path';
import { Histogram } from 'prom-client';
import { type EndpointDefinition } from '../../schemas/definitions.ts';
import { Failure } from '../../schemas/failure.ts';
import { type Application } from '../../streams/application.ts';
import { OnlineStore } from '../../serving/online-store.ts';
import { type Models, type ServableVersion, versionId } from '../../serving/scoring/models.ts';
import { Routing } from '../../serving/scoring/routing.ts';
import { scoringApplication } from '../../serving/scoring/scoring-application.ts';
import { artifactPath } from '../artifacts.ts';
import { AppliedDefinitions } from '../definition-follower.ts';
import { EventFollower } from '../event-follower.ts';
import { OnnxModels } from '../onnx/onnx-models.ts';
import { rocksStores } from '../rocksdb/rocksdb-stores.ts';
import { type RoleContext, type RunningRole } from './context.ts';
import { makeApplication } from './engine-options.ts';
import { engineParts, measureApplications } from './engine-parts.ts';

export function run(context: RoleContext): Promise<RunningRole> {
  return runScoring(context, 'live');
}

export async function runScoring(context: RoleContext, purpose: 'live' | 'shadow'): Promise<RunningRole> {
  const role = new ScoringRole(context, purpose);
  await role.start();
  return role;
}

/** Loads a version's weights when it is first asked for, or ahead when a routing names it. */
export class VersionModels implements Models {
  readonly #onnx: OnnxModels;
  readonly #dataDir: string;
  readonly #loading = new Map<string, Promise<void>>();
  readonly #find: (id: string) => ServableVersion | undefined;

  constructor(onnx: OnnxModels, dataDir: string, find: (id: string) => ServableVersion | undefined) {
    this.#onnx = onnx;
    this.#dataDir = dataDir;
    this.#find = find;
  }

  load(id: string): Promise<void> {
    const known = this.#loading.get(id);
    if (known !== undefined) return known;
    const version = this.#find(id);
    if (version === undefined)
      return Promise.reject(new Failure('unknown_name', `The version ${id} is not registered.`));
    const made = this.#onnx
      .load(id, artifactPath(this.#dataDir, version.weightsUri), version.inputs.length)
      .then(() => undefined);
    this.#loading.set(id, made);
    made.catch(() => this.#loading.delete(id));
    return made;
  }

  async run(id: string, rows: Float32Array, count: number): Promise<Float64Array> {
    await this.load(id);
    return this.#onnx.run(id, rows, count);
  }
}

class ScoringRole implements RunningRole {
  readonly #context: RoleContext;
  readonly #purpose: 'live' | 'shadow';
  readonly #definitions = new AppliedDefinitions();
  readonly #routings = new Map<string, Routing>();
  readonly #applications = new Map<string, Application>();
  readonly #onnx: OnnxModels;
  readonly #models: VersionModels;
  readonly #latency: Histogram;
  readonly #batchRows: Histogram;
  readonly #follower: EventFollower;
  #turn: Promise<void> = Promise.resolve();

  constructor(context: RoleContext, purpose: 'live' | 'shadow') {
    this.#context = context;
    this.#purpose = purpose;
    this.#onnx = new OnnxModels(context.settings.device);
    this.#models = new VersionModels(this.#onnx, context.settings.dataDir, (id) => this.#versionOf(id));
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
      // an endpoint may stand before its views in the log
      const ready = endpoint.inputs.every(({ from }) => from === 'request' || views.has(from));
      if (ready && !this.#applications.has(endpoint.name)) await this.#startEndpoint(endpoint);
    }
  }

  async #startEndpoint(endpoint: EndpointDefinition): Promise<void> {
    const { codec, topics, clock, settings } = this.#context;
    const routing = this.#routings.get(endpoint.name) ?? new Routing(endpoint.name);
    await codec.prepare(topics.predictions(endpoint.name), ['Prediction']);
    this.#loadAhead(endpoint.name);
    const parts = engineParts(this.#context);
    const spec = scoringApplication({
      endpoint,
      entityOf: this.#definitions.entityOf,
      names: topics,
      codec,
      purpose: this.#purpose,
      live: settings.time === 'live',
      routing,
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
    });
    const application = await makeApplication(parts, spec);
    this.#applications.set(endpoint.name, application);
    await application.start();
    application.finished.catch((error: unknown) => this.#context.failed(error));
    this.#context.logger.info({ endpoint: endpoint.name, purpose: this.#purpose }, 'endpoint scores');
  }

  async stop(): Promise<void> {
    await this.#follower.stop();
    await this.#turn;
    await Promise.all([...this.#applications.values()].map((application) => application.stop()));
    await this.#onnx.close();
  }
}

/** The online store of an endpoint; one that stands later than `startMs` is emptied, since it would know the future. */
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
  const store = new OnlineStore(await stores.open(name), rowCodec);
  await store.open();
  if (store.timeMs <= startMs) return store;
  await store.close();
  await stores.destroy(name);
  const fresh = new OnlineStore(await stores.open(name), rowCodec);
  await fresh.open();
  return fresh;
}
