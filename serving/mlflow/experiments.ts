// Routes of experiments.
import { type FastifyInstance } from 'fastify';
import { bodyOf, tagList, tagsOf, text } from './body.ts';
import { missing } from './mlflow-error.ts';
import { type MlflowDeps } from './ports.ts';
import { type ExperimentView } from './run-view.ts';

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

export function experimentRoutes(app: FastifyInstance, prefix: string, { view, command }: MlflowDeps): void {
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
