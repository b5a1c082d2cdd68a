// Experiments and runs.
import { Failure } from '../../schemas/failure.ts';
import { type Rule } from './rule.ts';

export const createExperiment: Rule = (state, payload, context) => {
  const name = payload.text('name');
  for (const experiment of state.experiments.values()) {
    if (experiment.name === name)
      throw new Failure('already_exists', `Experiment '${name}' already exists.`, {
        field: 'name',
        fix: 'Use it, or choose another name.',
      });
  }
  const experiment_id = payload.textOr('experiment_id', String(state.experiments.size + 1));
  const artifact_location = payload.textOr('artifact_location', '') || `mlflow-artifacts:/${experiment_id}`;
  return {
    events: [
      {
        name: 'ExperimentCreated',
        value: { experiment_id, name, artifact_location, created_at: context.issuedAtMs, tags: payload.texts('tags') },
      },
    ],
    result: { experiment_id },
  };
};

export const startRun: Rule = (state, payload) => {
  const run_id = payload.text('run_id');
  const experiment_id = payload.text('experiment_id');
  if (experiment_id !== '0' && !state.experiments.has(experiment_id))
    throw new Failure('unknown_name', `There is no experiment ${experiment_id}.`, {
      field: 'experiment_id',
      fix: 'Create it first.',
    });
  if (state.runs.has(run_id))
    throw new Failure('already_exists', `Run ${run_id} already exists.`, {
      field: 'run_id',
      fix: 'Choose another id.',
    });
  const value = {
    run_id,
    experiment_id,
    run_name: payload.text('run_name'),
    user_id: payload.textOr('user_id', ''),
    started_at: payload.number('started_at'),
    artifact_uri: payload.text('artifact_uri'),
    tags: payload.texts('tags'),
  };
  return { events: [{ name: 'RunStarted', value }], result: { run_id } };
};

const ENDED = ['FINISHED', 'FAILED', 'KILLED'];

export const endRun: Rule = (state, payload) => {
  const run_id = payload.text('run_id');
  const run = state.runs.get(run_id);
  if (run === undefined)
    throw new Failure('unknown_name', `There is no run ${run_id}.`, { field: 'run_id', fix: 'Check the id.' });
  const status = payload.text('status');
  if (!ENDED.includes(status))
    throw new Failure('invalid_field', `${status} ends no run.`, {
      field: 'status',
      fix: `Use one of ${ENDED.join(', ')}.`,
    });
  if (run.status === status) return { events: [], result: { run_id } };
  return {
    events: [{ name: 'RunEnded', value: { run_id, status, ended_at: payload.number('ended_at') } }],
    result: { run_id },
  };
};
