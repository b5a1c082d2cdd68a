// The part of MLflow's REST API that a training run, a registry look-up and a download need (PROTOCOLS.md §1).
import { type FastifyInstance } from 'fastify';
import { artifactRoutes } from './artifacts.ts';
import { readJson } from './body.ts';
import { experimentRoutes } from './experiments.ts';
import { sendError } from './mlflow-error.ts';
import { modelVersionRoutes } from './model-versions.ts';
import { type MlflowDeps } from './ports.ts';
import { aliasRoutes, registeredModelRoutes } from './registered-models.ts';
import { runLoggingRoutes } from './run-logging.ts';
import { runRoutes } from './runs.ts';

export { type RunEntry } from './ports.ts';

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
      runLoggingRoutes(app, prefix, deps);
      registeredModelRoutes(app, prefix, deps);
      aliasRoutes(app, prefix, deps);
      modelVersionRoutes(app, prefix, deps);
    }
    artifactRoutes(app, deps);
  };
}
