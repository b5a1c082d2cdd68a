// Registered models and their versions, found and shown as MLflow shows them.
import { type Body, tagList, text } from './body.ts';
import { missing } from './mlflow-error.ts';
import { type ModelView, type RegistryView } from './run-view.ts';

/** @throws MlflowError when there is no such model */
export function modelNamed(view: RegistryView, body: Body): ModelView {
  const name = text(body, 'name');
  const model = view.models.get(name);
  if (model === undefined) throw missing(`Registered Model with name=${name}`);
  return model;
}

/** @throws MlflowError when the model has no such version */
export function versionJson(model: ModelView, versionNumber: number) {
  const version = model.versions.get(versionNumber);
  if (version === undefined) throw missing(`Model Version (name=${model.name}, version=${versionNumber})`);
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
}

export function modelJson(model: ModelView) {
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
}
