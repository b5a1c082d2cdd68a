// Routes of model versions.
import { type FastifyInstance } from 'fastify';
import { type Body, bodyOf, tagsOf, text } from './body.ts';
import { modelNamed, versionJson } from './model-json.ts';
import { type MlflowDeps } from './ports.ts';
import { type ModelView } from './run-view.ts';

export function modelVersionRoutes(app: FastifyInstance, prefix: string, { view, command, weights }: MlflowDeps): void {
  const modelOf = (body: Body): ModelView => modelNamed(view, body);
  app.post(`${prefix}/model-versions/create`, async (request) => {
    const body = bodyOf(request);
    const [model, source] = [modelOf(body).name, text(body, 'source')];
    const found = (await weights?.(model, source)) ?? null;
    const result = (await command('CreateModelVersion', {
      model,
      source,
      ...(found === null ? {} : { weights_uri: found.uri, weights_sha256: found.sha256 }),
      ...(found === null || found.inputs === null ? {} : { inputs: JSON.stringify(found.inputs) }),
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
