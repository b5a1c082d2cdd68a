// Open Inference Protocol v2 over REST with JSON tensors (PROTOCOLS.md §2). A model is an endpoint's name. It can be asked
//  - by raw features: one FP32 tensor `input` [n, inputs], or one tensor per model input, and
//  - by entity keys: one tensor per request field; features are then looked up, as the scoring consumers do.
import { type FastifyInstance } from 'fastify';
import { type EndpointDefinition } from '../../schemas/definitions.ts';
import { type Prediction } from '../../schemas/events.generated.ts';
import { Failure } from '../../schemas/failure.ts';
import { type ServableVersion } from '../scoring/models.ts';

export type Row = Readonly<Record<string, unknown>>;

export interface V2Deps {
  endpoints(): readonly EndpointDefinition[];
  /** the version that answers now; null while there is none */
  championOf(endpoint: string): ServableVersion | null;
  /** whether its weights are there and can be run */
  loads?(version: ServableVersion): Promise<boolean>;
  /** Rows of request fields; `eventTimeMs`: features as they were then, null: as they are. Recorded as predictions. */
  scoreRequests(
    endpoint: string,
    version: number | null,
    rows: readonly Row[],
    eventTimeMs: number | null,
  ): Promise<readonly Prediction[]>;
  /** Rows of model inputs, in the model's order. */
  scoreFeatures(
    endpoint: string,
    version: number | null,
    rows: readonly (readonly (number | string | null)[])[],
  ): Promise<{ readonly scores: readonly number[]; readonly version: ServableVersion }>;
  ready(): boolean;
}

interface Tensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly datatype: string;
  readonly data: readonly unknown[];
}

interface InferRequest {
  readonly id?: string;
  readonly parameters?: Readonly<Record<string, unknown>>;
  readonly inputs?: readonly Tensor[];
}

export function v2Routes(deps: V2Deps): (app: FastifyInstance) => Promise<void> {
  return async (app) => {
    app.get('/v2', async () => ({ name: 'millrace', version: '0.1.0', extensions: [] }));
    app.get('/v2/health/live', async (_request, reply) => reply.send());
    app.get('/v2/health/ready', async (_request, reply) => reply.code(deps.ready() ? 200 : 503).send());
    app.post('/v2/repository/index', async () =>
      deps.endpoints().map(({ name }) => indexEntry(name, deps.championOf(name))),
    );
    for (const suffix of ['', '/versions/:version']) {
      const path = `/v2/models/:model${suffix}`;
      app.get<{ Params: { model: string } }>(path, async ({ params }) =>
        metadata(endpointOf(deps, params.model), deps.championOf(params.model)),
      );
      app.get<{ Params: { model: string } }>(`${path}/ready`, async ({ params }, reply) => {
        endpointOf(deps, params.model);
        const champion = deps.championOf(params.model);
        const isReady = champion !== null && (deps.loads === undefined || (await deps.loads(champion)));
        return reply.code(isReady ? 200 : 503).send();
      });
      app.post<{ Params: { model: string; version?: string } }>(`${path}/infer`, async ({ params, body, headers }) => {
        if (headers['inference-header-content-length'] !== undefined) {
          throw new Failure('invalid_request', 'The binary tensor extension is not read yet.', {
            field: 'Inference-Header-Content-Length',
            fix: 'Send JSON tensors (tritonclient: set_data_from_numpy(..., binary_data=False)).',
          });
        }
        return infer(
          deps,
          endpointOf(deps, params.model),
          params.version === undefined ? null : Number(params.version),
          body as InferRequest,
        );
      });
    }
  };
}

function endpointOf(deps: V2Deps, name: string): EndpointDefinition {
  const found = deps.endpoints().find((endpoint) => endpoint.name === name);
  if (found === undefined)
    throw new Failure('unknown_name', `There is no model ${name}.`, {
      field: 'model',
      fix: `Known: ${
        deps
          .endpoints()
          .map((endpoint) => endpoint.name)
          .join(', ') || 'none yet'
      }.`,
    });
  return found;
}

function indexEntry(name: string, champion: ServableVersion | null) {
  return champion === null
    ? { name, version: '', state: 'UNAVAILABLE', reason: 'no version serves yet' }
    : { name, version: String(champion.version), state: 'READY', reason: '' };
}

function metadata(endpoint: EndpointDefinition, champion: ServableVersion | null) {
  return {
    name: endpoint.name,
    versions: champion === null ? [] : [String(champion.version)],
    platform: 'onnxruntime_onnx',
    inputs: [{ name: 'input', datatype: 'FP32', shape: [-1, endpoint.inputs.length] }],
    outputs: [{ name: 'probability', datatype: 'FP64', shape: [-1] }],
  };
}

async function infer(deps: V2Deps, endpoint: EndpointDefinition, version: number | null, request: InferRequest) {
  const tensors = request.inputs ?? [];
  if (tensors.length === 0)
    throw new Failure('missing_field', 'The request has no inputs.', {
      field: 'inputs',
      fix: 'Send at least one tensor.',
    });
  for (const tensor of tensors) checkTensor(tensor);
  const given = new Set(tensors.map(({ name }) => name));
  const byFeatures = given.has('input') || endpoint.inputs.every(({ name }) => given.has(name));
  const eventTime = request.parameters?.['event_time'];
  if (eventTime !== undefined && typeof eventTime !== 'number')
    throw new Failure('invalid_field', 'event_time is no number.', {
      field: 'parameters.event_time',
      fix: 'Give epoch milliseconds.',
    });
  if (byFeatures) {
    const { scores, version: used } = await deps.scoreFeatures(endpoint.name, version, featureRows(endpoint, tensors));
    return answer(endpoint.name, String(used.version), request.id, scores, { weights_sha256: used.weightsSha256 });
  }
  const predictions = await deps.scoreRequests(endpoint.name, version, requestRows(tensors), eventTime ?? null);
  const first = predictions[0];
  return answer(
    endpoint.name,
    String(first?.version ?? ''),
    request.id,
    predictions.map(({ score }) => score),
    { arm: first?.arm ?? '', weights_sha256: first?.weights_sha256 ?? '' },
  );
}

function answer(
  model_name: string,
  model_version: string,
  id: string | undefined,
  scores: readonly number[],
  parameters: Readonly<Record<string, string>>,
) {
  return {
    model_name,
    model_version,
    ...(id === undefined ? {} : { id }),
    parameters,
    outputs: [{ name: 'probability', datatype: 'FP64', shape: [scores.length], data: scores }],
  };
}

/** @throws Failure `invalid_field` naming the tensor */
function checkTensor({ name, shape, data }: Tensor): void {
  const at = `inputs.${name}`;
  if (!Array.isArray(shape) || !Array.isArray(data))
    throw new Failure('invalid_field', `${name} needs a shape and data.`, {
      field: at,
      fix: 'Send {name, shape, datatype, data}.',
    });
  const count = (shape as readonly number[]).reduce((product, size) => product * size, 1);
  const flat = (data as readonly unknown[]).flat(Number.POSITIVE_INFINITY);
  if (flat.length !== count)
    throw new Failure(
      'invalid_field',
      `${name} has ${flat.length} values, its shape ${JSON.stringify(shape)} asks for ${count}.`,
      { field: `${at}.shape`, fix: 'Make the two agree.' },
    );
}

function valuesOf(tensor: Tensor): readonly unknown[] {
  return tensor.data.flat(Number.POSITIVE_INFINITY);
}

function rowCount(tensors: readonly Tensor[]): number {
  const rows = tensors[0]?.shape[0] ?? 0;
  const other = tensors.find(({ shape }) => shape[0] !== rows);
  if (other !== undefined)
    throw new Failure('invalid_field', `${other.name} has ${other.shape[0]} rows, ${tensors[0]?.name} has ${rows}.`, {
      field: `inputs.${other.name}.shape`,
      fix: 'Give all tensors the same number of rows.',
    });
  return rows;
}

function featureRows(endpoint: EndpointDefinition, tensors: readonly Tensor[]): (number | string | null)[][] {
  const rows = rowCount(tensors);
  const whole = tensors.find(({ name }) => name === 'input');
  const width = endpoint.inputs.length;
  if (whole !== undefined) {
    if (whole.shape[1] !== width)
      throw new Failure('invalid_field', `input has ${whole.shape[1] ?? 0} columns; the model takes ${width}.`, {
        field: 'inputs.input.shape',
        fix: `Give [rows, ${width}], in the order of the model's inputs.`,
      });
    const values = valuesOf(whole);
    return Array.from({ length: rows }, (_, row) =>
      Array.from({ length: width }, (_unused, column) => asNumber('input', values[row * width + column])),
    );
  }
  const byName = new Map(tensors.map((tensor) => [tensor.name, valuesOf(tensor)]));
  return Array.from({ length: rows }, (_, row) =>
    endpoint.inputs.map(({ name, kind }) => {
      const value = byName.get(name)?.[row] ?? null;
      return kind === 'category' && (typeof value === 'string' || typeof value === 'number')
        ? String(value)
        : asNumber(name, value);
    }),
  );
}

function asNumber(name: string, value: unknown): number | null {
  if (value === null || value === undefined || value === 'NaN') return null;
  if (typeof value === 'number') return value;
  throw new Failure('invalid_field', `${name} holds ${JSON.stringify(value)}.`, {
    field: `inputs.${name}.data`,
    fix: 'Give numbers, or null.',
  });
}

function requestRows(tensors: readonly Tensor[]): Row[] {
  const rows = rowCount(tensors);
  const columns = tensors.map((tensor) => [tensor.name, valuesOf(tensor)] as const);
  return Array.from({ length: rows }, (_, row) =>
    Object.fromEntries(columns.map(([name, values]) => [name, values[row] ?? null])),
  );
}
