// The closed list of failures. Facts that a caller needs for its decision stand on the error.

/** What was sent is at fault: sent again as it is, it fails again. */
const HOPELESS_CODES = [
  'undecodable_record',
  'missing_field',
  'invalid_field',
  'unknown_field',
  'unknown_name',
  'already_exists',
  'invalid_definition',
  'invalid_model',
  'invalid_request',
  'too_late',
  'too_large',
  'unknown_prediction',
] as const;

export const FAILURE_CODES = [
  ...HOPELESS_CODES,
  'not_ready',
  'overloaded',
  'disk_full',
  'damaged_state',
  'port_in_use',
  'missing_tool',
  'unreachable',
  'unauthorized',
  'fenced',
  'conflict',
  'internal',
] as const;

export type FailureCode = (typeof FAILURE_CODES)[number];

const HOPELESS: ReadonlySet<FailureCode> = new Set(HOPELESS_CODES);

/** An expected failure: what is wrong, in which field, and what mends it. */
export class Failure extends Error {
  readonly code: FailureCode;
  /** path of the field at fault, '' where there is none */
  readonly field: string;
  /** what to do about it, a sentence */
  readonly fix: string;

  constructor(code: FailureCode, message: string, detail: { field?: string; fix?: string; cause?: unknown } = {}) {
    super(message, detail.cause === undefined ? undefined : { cause: detail.cause });
    this.name = 'Failure';
    this.code = code;
    this.field = detail.field ?? '';
    this.fix = detail.fix ?? '';
  }

  /** Whether trying the same again cannot go better. */
  get isHopeless(): boolean {
    return HOPELESS.has(this.code);
  }

  /** One line for people: message, then the fix. */
  get advice(): string {
    return this.fix === '' ? this.message : `${this.message} ${this.fix}`;
  }
}
