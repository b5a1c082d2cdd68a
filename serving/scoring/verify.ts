// Is a prediction what its receipt says? Each check explains itself.
import { type EndpointDefinition } from '../../schemas/definitions.ts';
import { type Prediction } from '../../schemas/events.generated.ts';
import { encodeInputs } from './feature-vector.ts';
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
  return prediction.rows.map(({ view, entity_key, event_time }) => {
    const name = `rows of ${view}`;
    const row = rows.get(view) ?? null;
    if (event_time !== null && row === null)
      return { name, ok: false, detail: `the row of ${entity_key} is not in the warehouse` };
    const inputs = endpoint.inputs.map((input, index) => ({ input, index })).filter(({ input }) => input.from === view);
    const encoded = encodeInputs(
      endpoint.inputs.map((input) => (row === null || input.from !== view ? null : valueOf(row[input.name]))),
      version.inputs,
    );
    const wrong = inputs.find(({ index }) => encoded[index] !== prediction.features[index]);
    if (wrong !== undefined)
      return {
        name,
        ok: false,
        detail: `${wrong.input.name} is ${String(prediction.features[wrong.index])} in the prediction and ${String(encoded[wrong.index])} in the row`,
      };
    return {
      name,
      ok: true,
      detail:
        event_time === null
          ? `there was none for ${entity_key === '' ? 'an unknown entity' : entity_key}`
          : `${inputs.length} values of ${entity_key} are equal`,
    };
  });
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
