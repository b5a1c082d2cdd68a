// Reading user-written values with errors that name the field and the fix.
import { Failure } from './failure.ts';

export function invalid(path: string, problem: string, fix: string): Failure {
  return new Failure('invalid_definition', `${path}: ${problem}`, { field: path, fix });
}

/** The known name that is nearest to `given`, or null when none is near. */
export function nearest(given: string, known: readonly string[]): string | null {
  let best: string | null = null;
  let bestDistance = Math.max(2, Math.floor(given.length / 3)) + 1;
  for (const name of known) {
    const distance = editDistance(given, name);
    if (distance < bestDistance) {
      best = name;
      bestDistance = distance;
    }
  }
  return best;
}

export function didYouMean(given: string, known: readonly string[]): string {
  const near = nearest(given, known);
  return near === null ? `Use one of: ${known.join(', ')}.` : `Did you mean ${near}?`;
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const swap = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next[j] = Math.min(swap, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1);
    }
    row = next;
  }
  return row[b.length] ?? 0;
}

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

const ISO_INSTANT = /^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d{1,3})?)?(Z|[+-]\d{2}:\d{2}))?$/;

/** One object of a definition: each field is read once; what was not read is unknown. */
export class Fields {
  readonly #path: string;
  readonly #values: Readonly<Record<string, unknown>>;
  readonly #read = new Set<string>();

  constructor(path: string, value: unknown) {
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      throw invalid(path.replace(/:$/, ''), 'should be a mapping of names to values.', 'Write `name: value` lines.');
    this.#path = path;
    this.#values = value as Readonly<Record<string, unknown>>;
  }

  /** A path that ends in a colon names the whole definition: `feature_view clicks: source.topic`. */
  at(name: string): string {
    if (this.#path === '') return name;
    return this.#path.endsWith(':') ? `${this.#path} ${name}` : `${this.#path}.${name}`;
  }

  raw(name: string): unknown {
    this.#read.add(name);
    return this.#values[name];
  }

  has(name: string): boolean {
    return this.raw(name) !== undefined && this.raw(name) !== null;
  }

  required(name: string, example: string): unknown {
    const value = this.raw(name);
    if (value === undefined || value === null)
      throw invalid(this.at(name), 'is missing.', `Add it, for example \`${name}: ${example}\`.`);
    return value;
  }

  text(name: string, example: string): string {
    const value = this.required(name, example);
    if (typeof value !== 'string' || value === '')
      throw invalid(this.at(name), 'should be text.', `For example \`${name}: ${example}\`.`);
    return value;
  }

  textOr(name: string, otherwise: string): string {
    return this.has(name) ? this.text(name, otherwise) : otherwise;
  }

  /** Names become parts of topics, tables and metrics. */
  name(name: string, example: string): string {
    const value = this.text(name, example);
    if (!/^[a-z][a-z0-9_-]{0,99}$/.test(value))
      throw invalid(
        this.at(name),
        `${value} is no name.`,
        'Use lower-case letters, digits, - and _, starting with a letter.',
      );
    return value;
  }

  /** A name that is also an Avro field, a column and a model input. */
  fieldName(name: string, example: string): string {
    const value = this.text(name, example);
    if (!/^[a-z][a-z0-9_]{0,99}$/.test(value))
      throw invalid(
        this.at(name),
        `${value} is no field name.`,
        'Use lower-case letters, digits and _, starting with a letter.',
      );
    return value;
  }

  topic(name: string, example: string): string {
    const value = this.text(name, example);
    if (!/^[A-Za-z0-9._-]{1,249}$/.test(value) || value === '.' || value === '..') {
      throw invalid(
        this.at(name),
        `${value} is no topic.`,
        'Use letters, digits, dots, - and _, at most 249 characters, as Kafka does.',
      );
    }
    return value;
  }

  /** Part of the names of topics, which have at most 249 characters: of what Kafka takes there. */
  topicPart(name: string, example: string): string {
    const value = this.text(name, example);
    if (!/^[A-Za-z0-9._-]{1,100}$/.test(value) || value === '.' || value === '..')
      throw invalid(
        this.at(name),
        `${value} is no name.`,
        'Use letters, digits, dots, - and _, at most 100 characters.',
      );
    return value;
  }

  choice<T extends string>(name: string, choices: readonly T[], otherwise?: T): T {
    if (!this.has(name) && otherwise !== undefined) return otherwise;
    const value = this.text(name, choices[0] ?? '');
    const chosen = choices.find((choice) => choice === value);
    if (chosen === undefined) throw invalid(this.at(name), `${value} is not known.`, didYouMean(value, choices));
    return chosen;
  }

  number(name: string, bounds: { min: number; max: number }, otherwise?: number): number {
    if (!this.has(name) && otherwise !== undefined) return otherwise;
    const value = this.required(name, String(bounds.min));
    if (typeof value !== 'number' || !(value >= bounds.min && value <= bounds.max)) {
      throw invalid(
        this.at(name),
        `${JSON.stringify(value)} is no number from ${bounds.min} to ${bounds.max}.`,
        'Correct the number.',
      );
    }
    return value;
  }

  wholeNumber(name: string, bounds: { min: number; max: number }, otherwise?: number): number {
    const value = this.number(name, bounds, otherwise);
    if (!Number.isInteger(value))
      throw invalid(
        this.at(name),
        `${value} is no whole number.`,
        `Write ${Math.max(bounds.min, Math.round(value))}, for example.`,
      );
    return value;
  }

  boolean(name: string, otherwise: boolean): boolean {
    const value = this.raw(name) ?? otherwise;
    if (typeof value !== 'boolean')
      throw invalid(this.at(name), `${JSON.stringify(value)} is neither true nor false.`, 'Write true or false.');
    return value;
  }

  /** `90s`, `1.5h`, `7d` → whole ms */
  durationMs(name: string, otherwise?: number): number {
    if (!this.has(name) && otherwise !== undefined) return otherwise;
    const value = this.required(name, '1h');
    const match = typeof value === 'string' ? /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(value) : null;
    const unitMs = UNIT_MS[match?.[2] ?? ''];
    if (match === null || unitMs === undefined) {
      throw invalid(
        this.at(name),
        `${JSON.stringify(value)} is no duration.`,
        'Write a number with its unit, for example 30s, 5m, 1h or 7d.',
      );
    }
    return Math.round(Number(match[1]) * unitMs);
  }

  /** ISO 8601 → epoch ms; without a zone it would mean another instant on another machine */
  instantMs(name: string): number {
    const value = this.required(name, '2013-04-01T00:00:00Z');
    const text = value instanceof Date ? value.toISOString() : value;
    const ms = typeof text === 'string' && ISO_INSTANT.test(text) ? Date.parse(text) : Number.NaN;
    if (Number.isNaN(ms)) {
      const lacksZone = typeof text === 'string' && ISO_INSTANT.test(`${text}Z`);
      throw invalid(
        this.at(name),
        `${JSON.stringify(value)} is no instant.`,
        lacksZone ? `Add the zone: ${text}Z for UTC.` : 'Write ISO 8601, for example 2013-04-01T00:00:00Z.',
      );
    }
    return ms;
  }

  list(name: string): { readonly path: string; readonly value: unknown }[] {
    const value = this.raw(name) ?? [];
    if (!Array.isArray(value)) throw invalid(this.at(name), 'should be a list.', 'Write one `- …` line per entry.');
    return value.map((entry: unknown, index) => ({ path: `${this.at(name)}[${index}]`, value: entry }));
  }

  fields(name: string): Fields {
    return new Fields(this.at(name), this.required(name, '{…}'));
  }

  entries(): [string, unknown][] {
    for (const name of Object.keys(this.#values)) this.#read.add(name);
    return Object.entries(this.#values);
  }

  /** @throws Failure for the first field that nothing has read */
  end(): void {
    for (const name of Object.keys(this.#values)) {
      if (!this.#read.has(name)) throw invalid(this.at(name), 'is not known here.', didYouMean(name, [...this.#read]));
    }
  }
}
