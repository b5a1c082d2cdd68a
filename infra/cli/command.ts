// What a command of the CLI is, and how it speaks: people read standard error, scripts read JSON on standard output.
import type { ParseArgsOptionsConfig } from 'node:util';
import { Failure } from '../../schemas/failure.ts';
import type { Settings } from '../settings.ts';

export type OptionValues = Readonly<Record<string, string | boolean | undefined>>;

export interface CommandInput {
  readonly settings: Settings;
  readonly positionals: readonly string[];
  readonly options: OptionValues;
  readonly json: boolean;
  /** aborted by Ctrl-C */
  readonly signal: AbortSignal;
}

export interface CliCommand {
  readonly summary: string;
  /** what follows the name */
  readonly usage: string;
  readonly help: readonly string[];
  readonly options: ParseArgsOptionsConfig;
  run(input: CommandInput): Promise<void>;
}

export function say(text: string): void {
  process.stderr.write(`${text}\n`);
}

/** Parts by name, on one line, as they become ready. */
export class StartLine {
  #begun = false;

  add(name: string): void {
    process.stderr.write(this.#begun ? ` ${name}` : `  ready: ${name}`);
    this.#begun = true;
  }

  end(): void {
    if (this.#begun) process.stderr.write('\n');
    this.#begun = false;
  }
}

/** The answer: JSON for scripts, text for people. */
export function answer({ json }: CommandInput, value: unknown, text: string): void {
  process.stdout.write(json ? `${JSON.stringify(value, null, 2)}\n` : `${text}\n`);
}

export function textOption({ options }: CommandInput, name: string): string | null {
  const value = options[name];
  return typeof value === 'string' && value !== '' ? value : null;
}

/** @throws Failure `missing_field` */
export function requiredOption(input: CommandInput, name: string, fix: string): string {
  const value = textOption(input, name);
  if (value === null) throw new Failure('missing_field', `--${name} is missing.`, { field: `--${name}`, fix });
  return value;
}

/** An instant such as 2013-04-01 or 2013-04-01T12:00:00Z, as epoch ms. @throws Failure `invalid_field` */
export function instantOption(input: CommandInput, name: string): number | null {
  const text = textOption(input, name);
  if (text === null) return null;
  const instantMs = Date.parse(text);
  if (Number.isNaN(instantMs))
    throw new Failure('invalid_field', `--${name} is ${text}, no instant.`, {
      field: `--${name}`,
      fix: 'Give a date such as 2013-04-01 or 2013-04-01T12:00:00Z.',
    });
  return instantMs;
}

/** @throws Failure `invalid_field` */
export function positiveOption(input: CommandInput, name: string): number | null {
  const text = textOption(input, name);
  if (text === null) return null;
  const value = Number(text);
  if (!(value > 0))
    throw new Failure('invalid_field', `--${name} is ${text}.`, { field: `--${name}`, fix: 'Give a number above 0.' });
  return value;
}
