// Fields of a request, wherever MLflow's client puts them.
import { type Readable } from 'node:stream';
import { type FastifyRequest } from 'fastify';
import { invalid } from './mlflow-error.ts';

export type Body = Readonly<Record<string, unknown>>;

export async function readJson(payload: Readable): Promise<unknown> {
  const chunks: Buffer[] = [];
  for await (const chunk of payload as AsyncIterable<Buffer>) chunks.push(chunk);
  try {
    return JSON.parse(Buffer.concat(chunks).toString() || '{}');
  } catch {
    return {};
  }
}

export function bodyOf(request: FastifyRequest): Body {
  return (request.method === 'GET' ? request.query : (request.body ?? {})) as Body;
}

export function text(body: Body, name: string, otherwise?: string): string {
  const value = body[name] ?? otherwise;
  if (value === undefined || value === null) throw invalid(`Missing value for required parameter '${name}'.`);
  if (typeof value !== 'string' && typeof value !== 'number' && typeof value !== 'boolean')
    throw invalid(`Invalid value for parameter '${name}': it is no text.`);
  return String(value);
}

export function tagList(
  tags: ReadonlyMap<string, string> | Readonly<Record<string, string>>,
): { key: string; value: string }[] {
  const entries =
    tags instanceof Map
      ? [...(tags as ReadonlyMap<string, string>)]
      : Object.entries(tags as Readonly<Record<string, string>>);
  return entries.map(([key, value]) => ({ key, value }));
}

export function tagsOf(body: Body): Record<string, string> {
  const tags = (body['tags'] ?? []) as readonly { readonly key: string; readonly value: string }[];
  return Object.fromEntries(tags.map(({ key, value }) => [key, String(value)]));
}
