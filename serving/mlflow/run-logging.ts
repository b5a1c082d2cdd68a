// Routes that write metrics, parameters and tags of a run.
import { type FastifyInstance } from 'fastify';
import { type Body, bodyOf, text } from './body.ts';
import { invalid } from './mlflow-error.ts';
import { type MlflowDeps, type RunEntry } from './ports.ts';
import { type RunView } from './run-view.ts';
import { runNamed } from './runs.ts';

const BATCH_METRICS_MAX = 1000;
const PARAM_LENGTH_MAX = 6000;

export function runLoggingRoutes(app: FastifyInstance, prefix: string, { view, log, nowMs }: MlflowDeps): void {
  const runOf = (body: Body): RunView => runNamed(view, body);
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
