// Routes of runs: begin, read, end, search.
import { type FastifyInstance } from 'fastify';
import { type Body, bodyOf, tagList, tagsOf, text } from './body.ts';
import { missing } from './mlflow-error.ts';
import { type MlflowDeps } from './ports.ts';
import { type RegistryView, type RunView, shownMetric } from './run-view.ts';

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

/** @throws MlflowError when there is no such run */
export function runNamed(view: RegistryView, body: Body): RunView {
  const id = text(body, 'run_id', typeof body['run_uuid'] === 'string' ? body['run_uuid'] : undefined);
  const run = view.runs.get(id);
  if (run === undefined || run.experimentId === '') throw missing(`Run with id=${id}`);
  return run;
}

export function runRoutes(app: FastifyInstance, prefix: string, deps: MlflowDeps): void {
  const { view, command, newId, nowMs } = deps;
  const runOf = (body: Body): RunView => runNamed(view, body);
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
}
