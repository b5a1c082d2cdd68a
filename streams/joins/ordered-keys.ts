// Keys of a store as bytes that sort as their parts do: by the store's tag, then by each text.
//
//   tag    one byte, one for each kind of row; never NUL, which is how the engine's own rows begin
//   text   its UTF-8 with 00 as 00 FF, then 00 01: no text's bytes begin another's, and a shorter text sorts first
import { Failure } from '../../schemas/failure.ts';

export const ORDERED_TAGS = { subscriptions: 3 } as const;

export type OrderedTag = (typeof ORDERED_TAGS)[keyof typeof ORDERED_TAGS];

export interface KeyRange {
  /** included */
  readonly from: Buffer;
  /** excluded */
  readonly to: Buffer;
}

const ESCAPED_NUL = 0xff;
const TEXT_END = Buffer.from([0, 1]);

export function orderedKey(tag: OrderedTag, ...texts: readonly string[]): Buffer {
  return Buffer.concat([Buffer.from([tag]), ...texts.map(orderedText)]);
}

/** Everything that begins with `prefix`, which ends with a whole text or is a tag alone. */
export function orderedRange(prefix: Buffer): KeyRange {
  const to = Buffer.from(prefix);
  // neither a tag nor the last byte of a text's end is FF
  to.writeUInt8(prefix.readUInt8(prefix.length - 1) + 1, prefix.length - 1);
  return { from: prefix, to };
}

function orderedText(text: string): Buffer {
  const bytes = Buffer.from(text);
  if (!bytes.includes(0)) return Buffer.concat([bytes, TEXT_END]);
  const escaped: number[] = [];
  for (const byte of bytes) {
    escaped.push(byte);
    if (byte === 0) escaped.push(ESCAPED_NUL);
  }
  return Buffer.concat([Buffer.from(escaped), TEXT_END]);
}

/** The text that begins at `at`, and where what follows it begins. @throws Failure `undecodable_record` */
export function readOrderedText(key: Buffer, at: number): { readonly text: string; readonly nextAt: number } {
  let isEscaped = false;
  for (let nul = key.indexOf(0, at); nul !== -1; nul = key.indexOf(0, nul + 2)) {
    if (key[nul + 1] === ESCAPED_NUL) {
      isEscaped = true;
      continue;
    }
    if (key[nul + 1] !== TEXT_END[1]) break;
    const bytes = key.subarray(at, nul);
    return { text: (isEscaped ? unescaped(bytes) : bytes).toString(), nextAt: nul + TEXT_END.length };
  }
  throw new Failure('undecodable_record', `The store's key ${key.toString('hex')} has no text at ${at}.`, {
    fix: 'Delete the local state: it comes back from the changelog.',
  });
}

function unescaped(bytes: Buffer): Buffer {
  return Buffer.from(bytes.filter((byte, at) => !(byte === ESCAPED_NUL && at > 0 && bytes[at - 1] === 0)));
}
