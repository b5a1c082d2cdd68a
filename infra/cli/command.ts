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
  /** what follows the name */
  readonly usage: string;
  readonly help: readonly string[];
  /** arguments beside the options; one too many is refused, for it was meant to say something */
  readonly argumentsMax: number;
  readonly options: ParseArgsOptionsConfig;
  run(input: CommandInput): Promise<void>;
}

/** A command line that says nothing: told apart by its exit status, 2, as shells' own commands do. */
export class WrongUsage extends Failure {}

/** What was read elsewhere from the command line. @throws WrongUsage instead of another Failure */
export function fromCommandLine<T>(read: () => T): T {
  try {
    return read();
  } catch (cause) {
    if (!(cause instanceof Failure)) throw cause;
    throw new WrongUsage(cause.code, cause.message, { field: cause.field, fix: cause.fix, cause });
  }
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

/** @throws WrongUsage `missing_field` */
export function requiredOption(input: CommandInput, name: string, fix: string): string {
  const value = textOption(input, name);
  if (value === null) throw new WrongUsage('missing_field', `--${name} is missing.`, { field: `--${name}`, fix });
  return value;
}

/** An instant such as 2013-04-01 or 2013-04-01T12:00:00Z, as epoch ms. @throws WrongUsage `invalid_field` */
export function instantOption(input: CommandInput, name: string): number | null {
  const text = textOption(input, name);
  if (text === null) return null;
  const instantMs = Date.parse(text);
  if (Number.isNaN(instantMs))
    throw new WrongUsage('invalid_field', `--${name} is ${text}, no instant.`, {
      field: `--${name}`,
      fix: 'Give a date such as 2013-04-01 or 2013-04-01T12:00:00Z.',
    });
  return instantMs;
}

/** @throws WrongUsage `invalid_field` */
export function positiveOption(input: CommandInput, name: string): number | null {
  return numberOption(input, name, (value) => value > 0 && Number.isFinite(value), 'Give a number above 0.');
}

/** From 1 on. @throws WrongUsage `invalid_field` */
export function countOption(input: CommandInput, name: string): number | null {
  const isCount = (value: number): boolean => Number.isSafeInteger(value) && value >= 1;
  return numberOption(input, name, isCount, 'Give a whole number from 1 on.');
}

function numberOption(
  input: CommandInput,
  name: string,
  isRight: (value: number) => boolean,
  fix: string,
): number | null {
  const text = textOption(input, name);
  if (text === null) return null;
  const value = Number(text);
  if (!isRight(value)) throw new WrongUsage('invalid_field', `--${name} is ${text}.`, { field: `--${name}`, fix });
  return value;
}
