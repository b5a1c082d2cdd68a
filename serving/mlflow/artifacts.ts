// Routes of artifacts: files of runs and model versions, streamed both ways.
import { createReadStream } from 'node:fs';
import { type Readable } from 'node:stream';
import { type FastifyInstance, type FastifyRequest } from 'fastify';
import { bodyOf, text } from './body.ts';
import { missing } from './mlflow-error.ts';
import { type MlflowDeps } from './ports.ts';

export function artifactRoutes(app: FastifyInstance, { artifacts }: MlflowDeps): void {
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
