// From a request and the feature rows of its entities to a model's input.
import { type EndpointDefinition } from '../../schemas/definitions.ts';
import { EVENT_TIME_FIX, isEventTime, noEventTime } from '../../schemas/event-time.ts';
import { Failure } from '../../schemas/failure.ts';
import { type VersionInput } from './models.ts';

/** A feature row as it was read, and where it stands in the log. */
export interface FoundRow {
  readonly row: Readonly<Record<string, unknown>>;
  readonly partition: number;
  readonly offset: number;
}

export interface FeatureLookup {
  /** The newest row of an entity; undefined where there is none. */
  row(view: string, entityKey: string): FoundRow | undefined;
}

/** The values of one request, gathered at its time. */
export interface GatheredRequest {
  readonly requestId: string;
  readonly eventTimeMs: number;
  /** in the order of the endpoint's inputs; text for categories */
  readonly values: readonly (string | number | null)[];
  /** in the order of `viewsOf(endpoint)` */
  readonly rows: readonly { readonly view: string; readonly entityKey: string; readonly found: FoundRow | undefined }[];
}

export function viewsOf(endpoint: EndpointDefinition): string[] {
  return [...new Set(endpoint.inputs.map((input) => input.from).filter((from) => from !== 'request'))];
}

/**
 * @param entityOf entity of each view
 * @throws Failure `missing_field` or `invalid_field`, naming the request's field
 */
export function gather(
  endpoint: EndpointDefinition,
  entityOf: ReadonlyMap<string, string>,
  request: unknown,
  lookup: FeatureLookup,
): GatheredRequest {
  const fields = asFields(request);
  const requestId = fields[endpoint.request.key_field];
  if (requestId === undefined || requestId === null || requestId === '')
    throw missing(endpoint.request.key_field, 'It identifies the request.');
  if (typeof requestId !== 'string' && typeof requestId !== 'number')
    throw invalidField(endpoint.request.key_field, requestId, 'text or an integer');
  const eventTimeMs = fields[endpoint.request.event_time_field];
  if (eventTimeMs === undefined || eventTimeMs === null)
    throw missing(endpoint.request.event_time_field, EVENT_TIME_FIX);
  if (!isEventTime(eventTimeMs)) throw noEventTime(eventTimeMs, endpoint.request.event_time_field);
  const rows = viewsOf(endpoint).map((view) => {
    const field = endpoint.entities[entityOf.get(view) ?? ''] ?? '';
    const key = fields[field];
    if (key === undefined)
      throw missing(field, `It holds the key for the features of ${view}; give null where it is unknown.`);
    if (key !== null && typeof key !== 'string' && typeof key !== 'number')
      throw invalidField(field, key, 'a string, an integer or null');
    return key === null
      ? { view, entityKey: '', found: undefined }
      : { view, entityKey: String(key), found: lookup.row(view, String(key)) };
  });
  const rowOf = new Map(rows.map(({ view, found }) => [view, found?.row]));
  const values = endpoint.inputs.map((input) => {
    const value = input.from === 'request' ? fields[input.name] : (rowOf.get(input.from)?.[input.name] ?? null);
    if (value === undefined) throw missing(input.name, 'The model needs it; give null where it is unknown.');
    return checked(input.name, value, input.kind);
  });
  return { requestId: String(requestId), eventTimeMs, values, rows };
}

function asFields(request: unknown): Readonly<Record<string, unknown>> {
  if (typeof request === 'object' && request !== null && !Array.isArray(request))
    return request as Readonly<Record<string, unknown>>;
  throw new Failure('invalid_request', 'The request is no record with named fields.', { fix: 'Send an object.' });
}

function missing(field: string, fix: string): Failure {
  return new Failure('missing_field', `The request has no ${field}.`, { field, fix });
}

function invalidField(field: string, value: unknown, expected: string): Failure {
  return new Failure('invalid_field', `${field} is ${JSON.stringify(value)}.`, { field, fix: `Give ${expected}.` });
}

function checked(name: string, value: unknown, kind: 'number' | 'category'): string | number | null {
  if (value === null) return null;
  if (kind === 'category') {
    if (typeof value === 'string' || typeof value === 'number') return String(value);
    throw invalidField(name, value, 'text or null');
  }
  if (typeof value === 'number' && Number.isFinite(value)) return value;
  throw invalidField(name, value, 'a finite number or null');
}

/** Categories become their index (−1: unknown), missing numbers stay null. */
export function encodeInputs(
  values: readonly (string | number | null)[],
  inputs: readonly VersionInput[],
): (number | null)[] {
  return values.map((value, index) => {
    const input = inputs[index];
    if (input?.kind !== 'category') return typeof value === 'string' ? Number(value) : value;
    return value === null ? -1 : (input.categories ?? []).indexOf(String(value));
  });
}
