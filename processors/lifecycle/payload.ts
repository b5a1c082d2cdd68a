// Reading a command's payload, with refusals that name the field.
import { Failure } from '../../schemas/failure.ts';

export class Payload {
  readonly #values: Readonly<Record<string, unknown>>;

  /** @throws Failure `invalid_request` */
  constructor(json: string) {
    let parsed: unknown;
    try {
      parsed = JSON.parse(json);
    } catch {
      parsed = null;
    }
    if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed))
      throw new Failure('invalid_request', 'The payload is no JSON object.', {
        field: 'payload',
        fix: 'Send an object.',
      });
    this.#values = parsed as Readonly<Record<string, unknown>>;
  }

  raw(name: string): unknown {
    return this.#values[name];
  }

  text(name: string): string {
    const value = this.#values[name];
    if (typeof value !== 'string' || value === '') throw this.#wrong(name, 'text');
    return value;
  }

  textOr(name: string, otherwise: string): string {
    const value = this.#values[name] ?? otherwise;
    if (typeof value !== 'string') throw this.#wrong(name, 'text');
    return value;
  }

  number(name: string): number {
    const value = this.#values[name];
    if (typeof value !== 'number' || !Number.isFinite(value)) throw this.#wrong(name, 'a number');
    return value;
  }

  numberOrNull(name: string): number | null {
    return this.#values[name] === null || this.#values[name] === undefined ? null : this.number(name);
  }

  texts(name: string): Readonly<Record<string, string>> {
    const value = this.#values[name] ?? {};
    if (typeof value !== 'object' || value === null) throw this.#wrong(name, 'a mapping');
    return Object.fromEntries(Object.entries(value).map(([key, text]) => [key, String(text)]));
  }

  numbers(name: string): Readonly<Record<string, number>> {
    return Object.fromEntries(Object.entries(this.texts(name)).map(([key, text]) => [key, Number(text)]));
  }

  #wrong(name: string, expected: string): Failure {
    return new Failure(
      this.#values[name] === undefined ? 'missing_field' : 'invalid_field',
      `${name} should be ${expected}, and is ${JSON.stringify(this.#values[name])}.`,
      {
        field: name,
        fix: `Give ${expected}.`,
      },
    );
  }
}
