// How values stand in records and in states.
import { Failure } from '../../schemas/failure.ts';

/** Law: decode(encode(v)) equals v. `decode` throws Failure `undecodable_record` for bytes that are none of its own. */
export interface Format<T> {
  encode(value: T): Buffer;
  decode(bytes: Buffer): T;
}

/** @param check turns what JSON.parse gives into a T, or throws Failure naming the field; without it the type is taken on trust */
export function json<T>(check: (value: unknown) => T = (value) => value as T): Format<T> {
  return {
    encode: (value) => Buffer.from(JSON.stringify(value)),
    decode: (bytes) => check(parsed(bytes)),
  };
}

function parsed(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString());
  } catch (cause) {
    throw new Failure('undecodable_record', `The value is no JSON: ${String(cause)}.`, {
      fix: 'Produce valid JSON.',
      cause,
    });
  }
}

export const text: Format<string> = { encode: (value) => Buffer.from(value), decode: (bytes) => bytes.toString() };

export const bytes: Format<Buffer> = { encode: (value) => value, decode: (value) => Buffer.from(value) };
