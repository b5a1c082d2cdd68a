// Registered models, their versions, approvals and aliases.
import { type Event } from '../../schemas/codec.ts';
import { Failure } from '../../schemas/failure.ts';
import { type Rule } from './rule.ts';
import { introduce } from './introduce.ts';
import { type LifecycleState, type VersionState } from './state.ts';

export const registerModel: Rule = (state, payload, context) => {
  const model = payload.text('model');
  if (state.models.has(model))
    throw new Failure('already_exists', `Registered Model (name=${model}) already exists.`, {
      field: 'name',
      fix: 'Use it, or choose another name.',
    });
  return {
    events: [
      {
        name: 'ModelRegistered',
        value: {
          model,
          created_at: context.issuedAtMs,
          description: payload.textOr('description', ''),
          tags: payload.texts('tags'),
        },
      },
    ],
    result: { model },
  };
};

export const createModelVersion: Rule = (state, payload, context) => {
  const model = payload.text('model');
  const known = state.models.get(model);
  const events: Event[] = [];
  if (known === undefined)
    events.push({
      name: 'ModelRegistered',
      value: { model, created_at: context.issuedAtMs, description: '', tags: {} },
    });
  const trainingId = payload.textOr('training_id', '');
  // a trainer that is repeated after a crash gets the version that it made before
  for (const version of known?.versions.values() ?? [])
    if (trainingId !== '' && version.trainingId === trainingId)
      return { events: [], result: { version: version.version } };
  const version = (known?.versions.size ?? 0) + 1;
  const value = {
    model,
    version,
    source: payload.textOr('source', ''),
    run_id: payload.textOr('run_id', ''),
    created_at: context.issuedAtMs,
    description: payload.textOr('description', ''),
    weights_sha256: payload.textOr('weights_sha256', ''),
    weights_uri: payload.textOr('weights_uri', ''),
    inputs: payload.textOr('inputs', ''),
    metrics: payload.numbers('metrics'),
    training_set_id: payload.textOr('training_set_id', ''),
    training_id: trainingId,
    tags: payload.texts('tags'),
  };
  events.push({ name: 'ModelVersionCreated', value });
  return { events, result: { version } };
};

/** @throws Failure `unknown_name` */
export function requireVersion(state: LifecycleState, model: string, version: number): VersionState {
  const found = state.models.get(model)?.versions.get(version);
  if (found === undefined)
    throw new Failure('unknown_name', `There is no version ${version} of ${model}.`, {
      field: 'version',
      fix: 'Check the number; `millrace sql "SELECT model, version FROM millrace.model_versions"` lists versions.',
    });
  return found;
}

/** A version that may answer requests. @throws Failure `unknown_name`, `conflict` */
export function requireServable(state: LifecycleState, model: string, version: number): VersionState {
  const found = requireVersion(state, model, version);
  if (!found.servable)
    throw new Failure('conflict', `Version ${version} of ${model} has no weights to score with.`, {
      field: 'version',
      fix: 'Log its ONNX file, and signature.json with its inputs, as artifacts below the source, then register the version again.',
    });
  return found;
}

export function reviewVersion(outcome: 'approved' | 'rejected'): Rule {
  return (state, payload, context) => {
    const model = payload.text('model');
    const require = outcome === 'approved' ? requireServable : requireVersion;
    const version = require(state, model, payload.number('version'));
    if (version.approval === outcome) return { events: [], result: { outcome } };
    const value = {
      model,
      version: version.version,
      reason: payload.textOr('reason', `${outcome} by ${context.issuedBy}`),
    };
    if (outcome === 'rejected')
      return {
        events: [{ name: 'VersionRejected', value: { ...value, rejected_by: context.issuedBy } }],
        result: { outcome },
      };
    const approved: Event = { name: 'VersionApproved', value: { ...value, approved_by: context.issuedBy } };
    const training = state.trainings.get(version.trainingId);
    const next =
      training === undefined ? [] : introduce(state, training.endpoint, version.version, training.effectiveFromMs);
    return { events: [approved, ...next], result: { outcome } };
  };
}

export const setAlias: Rule = (state, payload) => {
  const model = payload.text('model');
  const alias = payload.text('alias');
  const version = payload.number('version');
  if (version !== 0) requireVersion(state, model, version);
  return { events: [{ name: 'AliasSet', value: { model, alias, version } }], result: {} };
};
