// Reading states over HTTP, on the loopback port of every process and at the gateway. Any process answers for all.
//
//   GET  /state                                        what can be asked for
//   GET  /state/APPLICATION/STORE/KEY                  one row
//   POST /state/APPLICATION/STORE  {"keys": […]}       many
//   GET  /state/APPLICATION/STORE?from=&to=&limit=     a range of keys
//   each with ?position={"TOPIC":{"PARTITION":OFFSET}}&wait_ms=, or headers of these names
import { type Position } from '../../streams/queries/question.ts';
import { Failure } from '../../schemas/failure.ts';
import { type Bound, type RangeWanted, type StateRouter } from './state-router.ts';

export interface StateRequest {
  readonly method: string;
  /** path and query */
  readonly url: string;
  header(name: string): string | undefined;
  /** JSON, parsed; undefined: none */
  readonly body: unknown;
}

/** Partitions that have just moved are back within this, mostly; a bound is reached within a commit. */
export const WAIT_MS = 2000;
const WAIT_MS_MAX = 60_000;
export const ROWS = 100;
const ROWS_MAX = 10_000;
const KEYS_MAX = 1000;

/** @throws Failure */
export async function answerState(router: StateRouter, request: StateRequest): Promise<unknown> {
  const { pathname, searchParams } = new URL(request.url, 'http://localhost');
  const [, application, store, key, ...more] = pathname.slice(1).split('/').map(decoded);
  if (application === undefined && request.method === 'GET') return { stores: await router.stores() };
  if (application === undefined || store === undefined || more.length > 0) throw unknownPath(pathname);
  const at = { application, store };
  const bound = boundOf((name) => searchParams.get(name) ?? request.header(name) ?? null);
  if (request.method === 'POST' && key === undefined)
    return { ...at, ...(await router.keys(at, keysOf(request.body), bound)) };
  if (request.method !== 'GET') throw unknownPath(`${request.method} ${pathname}`);
  if (key === undefined) return { ...at, ...(await router.range(at, rangeOf(searchParams), bound)) };
  const { rows, position } = await router.keys(at, [key], bound);
  return { ...at, ...rows[0], position };
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch (cause) {
    throw new Failure('invalid_request', `${part} is not percent-encoded.`, {
      ...{ field: 'key', fix: 'Encode it as encodeURIComponent does.', cause },
    });
  }
}

function unknownPath(path: string): Failure {
  return new Failure('unknown_name', `There is no ${path}.`, {
    field: 'path',
    fix: 'GET /state, GET or POST /state/APPLICATION/STORE, GET /state/APPLICATION/STORE/KEY.',
  });
}

function boundOf(text: (name: string) => string | null): Bound {
  const position = text('position');
  return {
    atLeast: position === null || position === '' ? {} : readPosition(position, 'position'),
    waitMs: numberOf('wait_ms', text('wait_ms'), WAIT_MS, WAIT_MS_MAX),
  };
}

/** @throws Failure `invalid_field` */
export function readPosition(text: string, field: string): Position {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    value = null;
  }
  const isPosition =
    isObject(value) &&
    Object.values(value).every(
      (partitions) =>
        isObject(partitions) &&
        Object.entries(partitions).every(
          ([partition, offset]) => /^\d+$/.test(partition) && Number.isSafeInteger(offset) && Number(offset) >= -1,
        ),
    );
  if (isPosition) return value as Position;
  throw new Failure('invalid_field', `${field} is ${text}.`, {
    field,
    fix: 'Give the offsets that the answer has to contain, such as {"payments":{"0":41}}.',
  });
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function rangeOf(query: URLSearchParams): RangeWanted {
  return {
    from: query.get('from'),
    to: query.get('to'),
    limit: numberOf('limit', query.get('limit'), ROWS, ROWS_MAX),
  };
}

/** @throws Failure `invalid_field` */
export function numberOf(field: string, text: string | null, otherwise: number, most = ROWS_MAX): number {
  if (text === null || text === '') return otherwise;
  const value = Number(text);
  if (Number.isInteger(value) && value >= 0 && value <= most) return value;
  throw new Failure('invalid_field', `${field} is ${text}.`, {
    field,
    fix: `Give a whole number from 0 to ${most}.`,
  });
}

function keysOf(body: unknown): readonly string[] {
  const keys = isObject(body) ? body['keys'] : undefined;
  if (Array.isArray(keys) && keys.length <= KEYS_MAX && keys.every((key) => typeof key === 'string')) return keys;
  throw new Failure('invalid_field', 'keys is no list of texts, or too long a one.', {
    field: 'keys',
    fix: `Send {"keys": ["a", "b"]} with at most ${KEYS_MAX}.`,
  });
}
