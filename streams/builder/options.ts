// Options as they come from a user: Node takes the types away, so what is misspelt, missing or no function is told when it is declared.
import { Fields, invalid } from '../../schemas/reading.ts';

/** @throws Failure `invalid_definition` for an option that is not known */
export function optionsOf<T extends object>(path: string, given: T, known: readonly (keyof T & string)[]): Fields {
  const fields = new Fields(path, given);
  for (const name of known) fields.raw(name);
  fields.end();
  return fields;
}

/** @throws Failure `invalid_definition` */
export function requireFunction(fields: Fields, name: string): void {
  if (typeof fields.required(name, '(value) => …') !== 'function')
    throw invalid(fields.at(name), 'is no function.', `Give one: \`${name}: (…) => …\`.`);
}

/** @throws Failure `invalid_definition` */
export function requireFormat(fields: Fields, name: string): void {
  const { encode, decode } = Object(fields.required(name, 'json()')) as Readonly<Record<string, unknown>>;
  if (typeof encode !== 'function' || typeof decode !== 'function')
    throw invalid(fields.at(name), 'is no format.', 'Give json(), record({ … }), text, bytes or `{ encode, decode }`.');
}
