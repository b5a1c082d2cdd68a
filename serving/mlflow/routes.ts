// The part of MLflow's REST API that a training run, a registry look-up and a download need (PROTOCOLS.md §1).
import { createReadStream } from 'node:fs';
import { type Readable } from 'node:stream';
import { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { Failure } from '../../schemas/failure.ts';
import { type ExperimentView, type ModelView, type RegistryView, type RunView, shownMetric } from './run-view.ts';

export interface ArtifactStore {
  put(path: string, content: Readable): Promise<void>;
  file(path: string): string | null;
  list(path: string): readonly { readonly path: string; readonly is_dir: boolean; readonly file_size?: number }[];
  remove(path: string): void;
}

export interface MlflowDeps {
  readonly view: RegistryView;
  readonly artifacts: ArtifactStore;
  /** Sends a command and waits until the view has its events. */
  command(type: string, payload: unknown): Promise<unknown>;
  /** Writes metrics, parameters and tags of a run and waits until the view has them. */
  log(entries: readonly RunEntry[]): Promise<void>;
  newId(): string;
  nowMs(): number;
}

export type RunEntry =
  | {
      readonly name: 'RunMetric';
      readonly value: {
        readonly run_id: string;
        readonly key: string;
        readonly value: number;
        readonly timestamp: number;
        readonly step: number;
      };
    }
  | {
      readonly name: 'RunParameter' | 'RunTag';
      readonly value: { readonly run_id: string; readonly key: string; readonly value: string };
    };

type Body = Readonly<Record<string, unknown>>;

/** MLflow's own words for what went wrong. */
class MlflowError extends Error {
  readonly errorCode: string;
  readonly status: number;

  constructor(errorCode: string, message: string) {
    super(message);
    this.errorCode = errorCode;
    this.status = errorCode === 'RESOURCE_DOES_NOT_EXIST' ? 404 : errorCode === 'INTERNAL_ERROR' ? 500 : 400;
  }
}

const missing = (what: string): MlflowError => new MlflowError('RESOURCE_DOES_NOT_EXIST', `${what} not found`);
const invalid = (message: string): MlflowError => new MlflowError('INVALID_PARAMETER_VALUE', message);

const BATCH_METRICS_MAX = 1000;
const PARAM_LENGTH_MAX = 6000;

export function mlflowRoutes(deps: MlflowDeps): (app: FastifyInstance) => Promise<void> {
  return async (app) => {
    app.removeAllContentTypeParsers();
    app.addContentTypeParser('*', (request, payload, done) => {
      // artifacts are streamed; everything else is JSON, whatever its header says
      if (request.url.startsWith('/api/2.0/mlflow-artifacts/')) done(null, payload);
      else readJson(payload).then((body) => done(null, body), done);
    });
    app.setErrorHandler((error, _request, reply) => sendError(error, reply));
    app.get('/health', async () => 'OK');
    app.get('/version', async () => '3.17.2');
    for (const prefix of ['/api/2.0/mlflow', '/ajax-api/2.0/mlflow']) {
      experimentRoutes(app, prefix, deps);
      runRoutes(app, prefix, deps);
      modelRoutes(app, prefix, deps);
    }
    artifactRoutes(app, deps);
  };
}

async function readJson(payload: Readable): Promise<unknown> {
  const chunks: Buffer[] = [];
  for await (const chunk of payload as AsyncIterable<Buffer>) chunks.push(chunk);
  try {
    return JSON.parse(Buffer.concat(chunks).toString() || '{}');
  } catch {
    return {};
  }
}

function sendError(error: unknown, reply: FastifyReply): void {
  const known =
    error instanceof MlflowError
      ? error
      : error instanceof Failure
        ? fromFailure(error)
        : new MlflowError('INTERNAL_ERROR', error instanceof Error ? error.message : String(error));
  reply.code(known.status).type('application/json').send({ error_code: known.errorCode, message: known.message });
}

function fromFailure(failure: Failure): MlflowError {
  if (failure.code === 'unknown_name') return new MlflowError('RESOURCE_DOES_NOT_EXIST', failure.message);
  if (failure.code === 'already_exists') return new MlflowError('RESOURCE_ALREADY_EXISTS', failure.message);
  if (failure.code === 'unreachable' || failure.code === 'internal')
    return new MlflowError('INTERNAL_ERROR', failure.advice);
  return invalid(failure.advice);
}

function bodyOf(request: FastifyRequest): Body {
  return (request.method === 'GET' ? request.query : (request.body ?? {})) as Body;
}

function text(body: Body, name: string, otherwise?: string): string {
  const value = body[name] ?? otherwise;
  if (value === undefined || value === null) throw invalid(`Missing value for required parameter '${name}'.`);
  if (typeof value !== 'string' && typeof value !== 'number' && typeof value !== 'boolean')
    throw invalid(`Invalid value for parameter '${name}': it is no text.`);
  return String(value);
}

function tagList(
  tags: ReadonlyMap<string, string> | Readonly<Record<string, string>>,
): { key: string; value: string }[] {
  const entries =
    tags instanceof Map
      ? [...(tags as ReadonlyMap<string, string>)]
      : Object.entries(tags as Readonly<Record<string, string>>);
  return entries.map(([key, value]) => ({ key, value }));
}

function tagsOf(body: Body): Record<string, string> {
  const tags = (body['tags'] ?? []) as readonly { readonly key: string; readonly value: string }[];
  return Object.fromEntries(tags.map(({ key, value }) => [key, String(value)]));
}

function experimentJson(experiment: ExperimentView) {
  return {
    experiment_id: experiment.id,
    name: experiment.name,
    artifact_location: experiment.artifactLocation,
    lifecycle_stage: 'active',
    creation_time: experiment.createdMs,
    last_update_time: experiment.createdMs,
    tags: tagList(experiment.tags),
  };
}

function experimentRoutes(app: FastifyInstance, prefix: string, { view, command }: MlflowDeps): void {
  app.post(`${prefix}/experiments/create`, async (request) => {
    const body = bodyOf(request);
    const result = await command('CreateExperiment', {
      name: text(body, 'name'),
      artifact_location: text(body, 'artifact_location', ''),
      tags: tagsOf(body),
    });
    return result;
  });
  app.get(`${prefix}/experiments/get`, async (request) => {
    const experiment = view.experiments.get(text(bodyOf(request), 'experiment_id'));
    if (experiment === undefined) throw missing(`Experiment with id '${text(bodyOf(request), 'experiment_id')}'`);
    return { experiment: experimentJson(experiment) };
  });
  app.get(`${prefix}/experiments/get-by-name`, async (request) => {
    const name = text(bodyOf(request), 'experiment_name');
    const experiment = [...view.experiments.values()].find((one) => one.name === name);
    if (experiment === undefined) throw missing(`Experiment with name '${name}'`);
    return { experiment: experimentJson(experiment) };
  });
  app.post(`${prefix}/experiments/search`, async () => ({
    experiments: [...view.experiments.values()].map(experimentJson),
  }));
}

function runInfo(run: RunView) {
  return {
    run_id: run.runId,
    run_uuid: run.runId,
    experiment_id: run.experimentId,
    run_name: run.runName,
    user_id: run.userId,
    status: run.status,
    start_time: run.startedMs,
    ...(run.endedMs === null ? {} : { end_time: run.endedMs }),
    artifact_uri: run.artifactUri,
    lifecycle_stage: 'active',
  };
}

function number(value: number): number | string {
  return Number.isFinite(value) ? value : Number.isNaN(value) ? 'NaN' : value > 0 ? 'Infinity' : '-Infinity';
}

function runJson(run: RunView) {
  const metrics = [...run.metrics.values()]
    .flatMap((points) => shownMetric(points) ?? [])
    .map((point) => ({ ...point, value: number(point.value) }));
  return {
    info: runInfo(run),
    data: { metrics, params: tagList(run.params), tags: tagList(run.tags) },
    inputs: {},
    outputs: {},
  };
}

function runRoutes(app: FastifyInstance, prefix: string, deps: MlflowDeps): void {
  const { view, command, log, newId, nowMs } = deps;
  const runOf = (body: Body): RunView => {
    const id = text(body, 'run_id', typeof body['run_uuid'] === 'string' ? body['run_uuid'] : undefined);
    const run = view.runs.get(id);
    if (run === undefined || run.experimentId === '') throw missing(`Run with id=${id}`);
    return run;
  };
  app.post(`${prefix}/runs/create`, async (request) => {
    const body = bodyOf(request);
    const experiment = view.experiments.get(text(body, 'experiment_id', '0'));
    if (experiment === undefined) throw missing(`Experiment with id '${text(body, 'experiment_id')}'`);
    const tags = tagsOf(body);
    const run_id = newId();
    const run_name = text(body, 'run_name', tags['mlflow.runName'] ?? `run-${run_id.slice(0, 8)}`);
    const artifact_uri = `${experiment.artifactLocation}/${run_id}/artifacts`;
    const started_at = Number(body['start_time'] ?? nowMs());
    await command('StartRun', {
      run_id,
      experiment_id: experiment.id,
      run_name,
      user_id: text(body, 'user_id', ''),
      started_at,
      artifact_uri,
      tags: { ...tags, 'mlflow.runName': run_name },
    });
    return { run: runJson(runOf({ run_id })) };
  });
  app.get(`${prefix}/runs/get`, async (request) => ({ run: runJson(runOf(bodyOf(request))) }));
  app.post(`${prefix}/runs/update`, async (request) => {
    const body = bodyOf(request);
    const run = runOf(body);
    const status = body['status'];
    if (status !== undefined && status !== 'RUNNING')
      await command('EndRun', {
        run_id: run.runId,
        status: text(body, 'status'),
        ended_at: Number(body['end_time'] ?? nowMs()),
      });
    return { run_info: runInfo(runOf(body)) };
  });
  app.post(`${prefix}/runs/search`, async (request) => {
    const ids = (bodyOf(request)['experiment_ids'] ?? []) as readonly string[];
    const runs = [...view.runs.values()]
      .filter((run) => ids.includes(run.experimentId))
      .sort((a, b) => b.startedMs - a.startedMs);
    return { runs: runs.map(runJson) };
  });
  app.get(`${prefix}/metrics/get-history`, async (request) => {
    const body = bodyOf(request);
    return {
      metrics: (runOf(body).metrics.get(text(body, 'metric_key')) ?? []).map((point) => ({
        ...point,
        value: number(point.value),
      })),
    };
  });
  app.post(`${prefix}/runs/log-metric`, async (request) => {
    const body = bodyOf(request);
    await log([metricEntry(runOf(body).runId, body, nowMs())]);
    return {};
  });
  app.post(`${prefix}/runs/log-parameter`, async (request) => {
    const body = bodyOf(request);
    await log([paramEntry(runOf(body), body)]);
    return {};
  });
  app.post(`${prefix}/runs/set-tag`, async (request) => {
    const body = bodyOf(request);
    await log([
      { name: 'RunTag', value: { run_id: runOf(body).runId, key: text(body, 'key'), value: text(body, 'value') } },
    ]);
    return {};
  });
  app.post(`${prefix}/runs/log-batch`, async (request) => {
    const body = bodyOf(request);
    const run = runOf(body);
    const list = (name: string): readonly Body[] => (body[name] ?? []) as readonly Body[];
    if (list('metrics').length > BATCH_METRICS_MAX)
      throw invalid(`A batch may hold ${BATCH_METRICS_MAX} metrics; this one holds ${list('metrics').length}.`);
    const tags = list('tags').map((tag): RunEntry => ({
      name: 'RunTag',
      value: { run_id: run.runId, key: text(tag, 'key'), value: text(tag, 'value') },
    }));
    await log([
      ...list('metrics').map((metric) => metricEntry(run.runId, metric, nowMs())),
      ...list('params').map((param) => paramEntry(run, param)),
      ...tags,
    ]);
    return {};
  });
  for (const path of ['log-inputs', 'outputs', 'log-model']) app.post(`${prefix}/runs/${path}`, async () => ({}));
}

function metricEntry(run_id: string, body: Body, nowMs: number): RunEntry {
  const value = Number(body['value']);
  if (body['value'] === undefined || (Number.isNaN(value) && body['value'] !== 'NaN'))
    throw invalid(`Metric ${text(body, 'key')} has no number as its value.`);
  return {
    name: 'RunMetric',
    value: {
      run_id,
      key: text(body, 'key'),
      value,
      timestamp: Number(body['timestamp'] ?? nowMs),
      step: Number(body['step'] ?? 0),
    },
  };
}

function paramEntry(run: RunView, body: Body): RunEntry {
  const [key, value] = [text(body, 'key'), text(body, 'value')];
  const known = run.params.get(key);
  if (known !== undefined && known !== value)
    throw invalid(
      `Changing param values is not allowed. Param with key='${key}' was already logged with value='${known}' for run ID='${run.runId}'.`,
    );
  if (value.length > PARAM_LENGTH_MAX)
    throw invalid(`Param value of '${key}' is longer than ${PARAM_LENGTH_MAX} characters.`);
  return { name: 'RunParameter', value: { run_id: run.runId, key, value } };
}

function modelRoutes(app: FastifyInstance, prefix: string, { view, command }: MlflowDeps): void {
  const modelOf = (body: Body): ModelView => {
    const name = text(body, 'name');
    const model = view.models.get(name);
    if (model === undefined) throw missing(`Registered Model with name=${name}`);
    return model;
  };
  const versionJson = (model: ModelView, number_: number) => {
    const version = model.versions.get(number_);
    if (version === undefined) throw missing(`Model Version (name=${model.name}, version=${number_})`);
    return {
      name: model.name,
      version: String(version.version),
      creation_timestamp: version.created_at,
      last_updated_timestamp: version.created_at,
      current_stage: 'None',
      description: version.description,
      source: version.source,
      run_id: version.run_id,
      status: 'READY',
      tags: tagList(version.tags),
      aliases: [...model.aliases].filter(([, of]) => of === version.version).map(([alias]) => alias),
    };
  };
  const modelJson = (model: ModelView) => {
    const latest = Math.max(0, ...model.versions.keys());
    return {
      name: model.name,
      creation_timestamp: model.createdMs,
      last_updated_timestamp: model.createdMs,
      description: model.description,
      tags: tagList(model.tags),
      latest_versions: latest === 0 ? [] : [versionJson(model, latest)],
      aliases: [...model.aliases].map(([alias, version]) => ({ alias, version: String(version) })),
    };
  };
  app.post(`${prefix}/registered-models/create`, async (request) => {
    const body = bodyOf(request);
    await command('RegisterModel', {
      model: text(body, 'name'),
      description: text(body, 'description', ''),
      tags: tagsOf(body),
    });
    return { registered_model: modelJson(modelOf(body)) };
  });
  app.get(`${prefix}/registered-models/get`, async (request) => ({
    registered_model: modelJson(modelOf(bodyOf(request))),
  }));
  app.get(`${prefix}/registered-models/search`, async () => ({
    registered_models: [...view.models.values()].map(modelJson),
  }));
  app.post(`${prefix}/registered-models/get-latest-versions`, async (request) => ({
    model_versions: modelJson(modelOf(bodyOf(request))).latest_versions,
  }));
  app.get(`${prefix}/registered-models/alias`, async (request) => {
    const body = bodyOf(request);
    const model = modelOf(body);
    const version = model.aliases.get(text(body, 'alias'));
    // MLflow answers 400 here, not 404
    if (version === undefined) throw invalid(`Registered model alias ${text(body, 'alias')} not found.`);
    return { model_version: versionJson(model, version) };
  });
  app.post(`${prefix}/registered-models/alias`, async (request) => {
    const body = bodyOf(request);
    await command('SetAlias', {
      model: modelOf(body).name,
      alias: text(body, 'alias'),
      version: Number(text(body, 'version')),
    });
    return {};
  });
  app.delete(`${prefix}/registered-models/alias`, async (request) => {
    const body = bodyOf(request);
    await command('SetAlias', { model: modelOf(body).name, alias: text(body, 'alias'), version: 0 });
    return {};
  });
  app.post(`${prefix}/model-versions/create`, async (request) => {
    const body = bodyOf(request);
    const result = (await command('CreateModelVersion', {
      model: modelOf(body).name,
      source: text(body, 'source'),
      run_id: text(body, 'run_id', ''),
      description: text(body, 'description', ''),
      tags: tagsOf(body),
    })) as { version: number };
    return { model_version: versionJson(modelOf(body), result.version) };
  });
  app.get(`${prefix}/model-versions/get`, async (request) => ({
    model_version: versionJson(modelOf(bodyOf(request)), Number(text(bodyOf(request), 'version'))),
  }));
  app.get(`${prefix}/model-versions/get-download-uri`, async (request) => ({
    artifact_uri: versionJson(modelOf(bodyOf(request)), Number(text(bodyOf(request), 'version'))).source,
  }));
  app.get(`${prefix}/model-versions/search`, async () => ({
    model_versions: [...view.models.values()].flatMap((model) =>
      [...model.versions.keys()].map((version) => versionJson(model, version)),
    ),
  }));
}

function artifactRoutes(app: FastifyInstance, { artifacts }: MlflowDeps): void {
  const root = '/api/2.0/mlflow-artifacts/artifacts';
  const pathOf = (request: FastifyRequest): string => (request.params as Readonly<Record<string, string>>)['*'] ?? '';
  app.get(root, async (request) => {
    const files = artifacts.list(text(bodyOf(request), 'path', ''));
    return files.length === 0 ? {} : { files };
  });
  app.put(`${root}/*`, async (request, reply) => {
    await artifacts.put(pathOf(request), request.body as Readable);
    return reply.send();
  });
  app.get(`${root}/*`, async (request, reply) => {
    const file = artifacts.file(pathOf(request));
    if (file === null) throw missing(`Artifact ${pathOf(request)}`);
    return reply.type('application/octet-stream').send(createReadStream(file));
  });
  app.delete(`${root}/*`, async (request) => {
    artifacts.remove(pathOf(request));
    return {};
  });
}
