// JSON objects typed from their schema: it is written once, checks what comes in, and gives the type.
//
//   const payment = record({ card: 'text', amount: 'number', paid_at: 'integer', note: 'text?' });
//   type Payment = ValueOf<typeof payment>; // { readonly card: string; …; readonly note?: string | null }
//   stream('payments', payment, { timeOf: ({ paid_at }) => paid_at })
import { Failure } from '../../schemas/failure.ts';
import { type Format, json } from './format.ts';

interface Kinds {
  readonly text: string;
  readonly number: number;
  /** exact: between −2^53 and 2^53 */
  readonly integer: number;
  readonly boolean: boolean;
  /** looked into by nobody */
  readonly any: unknown;
}

/** With `?` it may be absent or null. */
export type FieldType = keyof Kinds | `${keyof Kinds}?`;
type Shape = Readonly<Record<string, FieldType>>;
type KindOf<F extends FieldType> = F extends `${infer K extends keyof Kinds}?`
  ? Kinds[K]
  : F extends keyof Kinds
    ? Kinds[F]
    : never;
type OptionalOf<F extends Shape> = { [N in keyof F]: F[N] extends `${string}?` ? N : never }[keyof F];

export type RecordOf<F extends Shape> = { readonly [N in Exclude<keyof F, OptionalOf<F>>]: KindOf<F[N]> } & {
  readonly [N in OptionalOf<F>]?: KindOf<F[N]> | null;
};

/** What a format is of. */
export type ValueOf<F> = F extends Format<infer T> ? T : never;

const CHECKS: Readonly<Record<keyof Kinds, (value: unknown) => boolean>> = {
  text: (value) => typeof value === 'string',
  number: (value) => typeof value === 'number',
  integer: (value) => Number.isSafeInteger(value),
  boolean: (value) => typeof value === 'boolean',
  any: () => true,
};

interface Field {
  readonly name: string;
  readonly kind: keyof Kinds;
  readonly isOptional: boolean;
}

/** Fields that the schema does not name go along unchecked. `decode` throws Failure `missing_field` or `invalid_field`. */
export function record<const F extends Shape>(shape: F): Format<RecordOf<F>> {
  const fields = Object.entries(shape).map(([name, type]): Field => {
    const isOptional = type.endsWith('?');
    return { name, kind: (isOptional ? type.slice(0, -1) : type) as keyof Kinds, isOptional };
  });
  return json((value) => {
    check(fields, value);
    return value as RecordOf<F>;
  });
}

function check(fields: readonly Field[], value: unknown): void {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new Failure('undecodable_record', 'The value is no JSON object.', { fix: 'Produce an object.' });
  const given = value as Readonly<Record<string, unknown>>;
  for (const { name, kind, isOptional } of fields) {
    const field = Object.hasOwn(given, name) ? given[name] : undefined;
    const isAbsent = field === undefined || (field === null && kind !== 'any');
    if (isAbsent && !isOptional)
      throw new Failure('missing_field', `The value has no ${name}.`, { field: name, fix: `Give ${name} (${kind}).` });
    if (!isAbsent && !CHECKS[kind](field))
      throw new Failure('invalid_field', `${name} is ${JSON.stringify(field)}.`, {
        field: name,
        fix: `Give a ${kind}.`,
      });
  }
}
