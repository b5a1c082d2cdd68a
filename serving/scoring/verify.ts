// Is a prediction what its receipt says? Each check explains itself.
import { type EndpointDefinition } from '../../schemas/definitions.ts';
import { type Prediction } from '../../schemas/events.generated.ts';
import { encodeInputs, viewsOf } from './feature-vector.ts';
import { type ServableVersion } from './models.ts';

export interface Check {
  readonly name: string;
  readonly ok: boolean;
  readonly detail: string;
}

type Row = Readonly<Record<string, unknown>>;

/** Each value that came from a feature view equals the row that the receipt names. */
export function checkRows(
  endpoint: EndpointDefinition,
  version: ServableVersion,
  prediction: Prediction,
  rows: ReadonlyMap<string, Row | null>,
): Check[] {
  return viewsOf(endpoint).map((view) => {
    const name = `rows of ${view}`;
    const reference = prediction.rows.find((one) => one.view === view);
    if (reference === undefined) return { name, ok: false, detail: 'the receipt names none' };
    const { entity_key, event_time, source_partition, source_offset } = reference;
    const row = rows.get(view) ?? null;
    if (event_time !== null && row === null)
      return { name, ok: false, detail: `the row of ${entity_key} is not in the warehouse` };
    if (row !== null && (row['source_partition'] !== source_partition || row['source_offset'] !== source_offset))
      return {
        name,
        ok: false,
        detail: `it was made by offset ${String(row['source_offset'])} of partition ${String(row['source_partition'])}, the receipt says ${String(source_offset)} of ${String(source_partition)}`,
      };
    const { count, wrong } = compared(endpoint, version, prediction, view, row);
    if (wrong !== null) return { name, ok: false, detail: `${wrong} in the row` };
    return {
      name,
      ok: true,
      detail:
        event_time === null
          ? `there was none for ${entity_key === '' ? 'an unknown entity' : entity_key}`
          : `${count} values of ${entity_key} are equal`,
    };
  });
}

/** How many of the prediction's values come from here, and the first that is not what stands there, in words. */
function compared(
  endpoint: EndpointDefinition,
  version: ServableVersion,
  prediction: Prediction,
  from: string,
  row: Row | null,
): { readonly count: number; readonly wrong: string | null } {
  const encoded = encodeInputs(
    endpoint.inputs.map((input) => (row === null || input.from !== from ? null : valueOf(row[input.name]))),
    version.inputs,
  );
  const inputs = endpoint.inputs.map((input, index) => ({ input, index })).filter(({ input }) => input.from === from);
  const wrong = inputs.find(({ index }) => encoded[index] !== prediction.features[index]);
  return {
    count: inputs.length,
    wrong:
      wrong === undefined
        ? null
        : `${wrong.input.name} is ${String(prediction.features[wrong.index])} in the prediction and ${String(encoded[wrong.index])}`,
  };
}

/**
 * The values that the request itself brought, and its time.
 * @param request as it is in the log; null for one that was asked over HTTP
 */
export function checkRequest(
  endpoint: EndpointDefinition,
  version: ServableVersion,
  prediction: Prediction,
  request: Row | null,
): Check {
  const name = 'request';
  if (request === null) return { name, ok: true, detail: 'it is in no topic: it was asked over HTTP' };
  const timeMs = request['event_time_ms'];
  if (timeMs !== prediction.event_time)
    return { name, ok: false, detail: `its time is ${String(timeMs)}, the receipt says ${prediction.event_time}` };
  const { count, wrong } = compared(endpoint, version, prediction, 'request', request);
  return wrong === null
    ? { name, ok: true, detail: `${count} values are equal` }
    : { name, ok: false, detail: `${wrong} in the request` };
}

function valueOf(value: unknown): string | number | null {
  return typeof value === 'string' || typeof value === 'number' ? value : null;
}

export function checkWeights(
  { weights_sha256 }: Prediction,
  { weightsSha256 }: ServableVersion,
  fileSha256: string,
): Check {
  const ok = weights_sha256 === weightsSha256 && weights_sha256 === fileSha256;
  return {
    name: 'weights',
    ok,
    detail: ok ? `SHA-256 ${fileSha256}` : `receipt ${weights_sha256}, registry ${weightsSha256}, file ${fileSha256}`,
  };
}

export function checkScore({ score }: Prediction, again: number): Check {
  return {
    name: 'score',
    ok: Object.is(score, again),
    detail: `${score} in the receipt, ${again} when the model is run again`,
  };
}
