// What a join keeps, as who reads it from outside is told: values as the formats of their sides decode them.
import { type Format } from './format.ts';

/** Any part of a join's state; every Buffer in it is an encoded value. */
export function shownRows(kept: unknown, format: Format<unknown>): unknown {
  if (Buffer.isBuffer(kept)) {
    const value = format.decode(kept);
    return Buffer.isBuffer(value) ? value.toString('base64') : value;
  }
  if (Array.isArray(kept)) return kept.map((one) => shownRows(one, format));
  if (typeof kept !== 'object' || kept === null) return kept;
  return Object.fromEntries(Object.entries(kept).map(([name, part]) => [name, shownRows(part, format)]));
}

/** @param sides by field of the state: the format of the values in it; fields that are not named hold none */
export function shownSides(kept: unknown, sides: Readonly<Record<string, Format<unknown>>>): unknown {
  return Object.fromEntries(
    Object.entries(kept as object).map(([name, part]) => {
      const format = sides[name];
      return [name, format === undefined ? part : shownRows(part, format)];
    }),
  );
}
