// Routes of registered models and their aliases.
import { type FastifyInstance } from 'fastify';
import { type Body, bodyOf, tagsOf, text } from './body.ts';
import { invalid } from './mlflow-error.ts';
import { modelJson, modelNamed, versionJson } from './model-json.ts';
import { type MlflowDeps } from './ports.ts';
import { type ModelView } from './run-view.ts';

export function registeredModelRoutes(app: FastifyInstance, prefix: string, { view, command }: MlflowDeps): void {
  const modelOf = (body: Body): ModelView => modelNamed(view, body);
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
}

export function aliasRoutes(app: FastifyInstance, prefix: string, { view, command }: MlflowDeps): void {
  const modelOf = (body: Body): ModelView => modelNamed(view, body);
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
}
