// The HTTP gateway: routes are plugins; failures become problems with the field and the fix.
import Fastify, { type FastifyInstance } from 'fastify';
import { gunzipSync, inflateSync } from 'node:zlib';
import { Failure } from '../schemas/failure.ts';
import { problemOf } from './problem.ts';

export type RoutePlugin = (app: FastifyInstance) => Promise<void>;

export interface GatewayOptions {
  readonly routes: readonly RoutePlugin[];
  ready(): boolean;
}

const BODY_BYTES_MAX = 64 * 1024 * 1024;

export async function buildGateway({ routes, ready }: GatewayOptions): Promise<FastifyInstance> {
  const app = Fastify({
    bodyLimit: BODY_BYTES_MAX,
    forceCloseConnections: true,
    routerOptions: { maxParamLength: 2000 },
  });
  app.removeAllContentTypeParsers();
  // a missing or unusual content type means JSON (PROTOCOLS.md §2)
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (request, body, done) => {
    try {
      done(null, parseJson(inflated(body as Buffer, request.headers['content-encoding'])));
    } catch (error) {
      done(error instanceof Error ? error : new Error(String(error)));
    }
  });
  app.setErrorHandler((error, _request, reply) => {
    const { status, body } = problemOf(error);
    // what is no failure of ours may still be the client's: Fastify says which
    reply
      .code(error instanceof Failure ? status : ((error as { statusCode?: number }).statusCode ?? status))
      .send(body);
  });
  app.get('/health/live', async () => ({ live: true }));
  app.get('/health/ready', async (_request, reply) => reply.code(ready() ? 200 : 503).send({ ready: ready() }));
  for (const route of routes) await app.register(route);
  return app;
}

function inflated(body: Buffer, encoding: string | undefined): Buffer {
  if (encoding === undefined || encoding === 'identity') return body;
  if (encoding === 'gzip') return gunzipSync(body);
  if (encoding === 'deflate') return inflateSync(body);
  throw new Failure('invalid_request', `Bodies compressed with ${encoding} are not read.`, {
    field: 'Content-Encoding',
    fix: 'Use gzip, deflate or none.',
  });
}

function parseJson(body: Buffer): unknown {
  if (body.length === 0) return {};
  try {
    return JSON.parse(body.toString());
  } catch (cause) {
    throw new Failure('invalid_request', `The body is no JSON: ${String(cause)}.`, {
      fix: 'Send a JSON object.',
      cause,
    });
  }
}
