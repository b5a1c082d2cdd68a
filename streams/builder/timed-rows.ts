// Values of one key by time, as one row:
//
//   layout uint (1) | 1 and the time from which on it is kept, or 0 | count | per value: time int | its bytes, or null
import { Packer, Unpacker } from '../packing.ts';
import { type Format } from './format.ts';

export interface TimedRow<T> {
  /** whole ms */
  readonly timeMs: number;
  readonly value: T | null;
}

const LAYOUT = 1;

interface TimedRows<T> {
  /** −∞: since ever */
  readonly fromMs: number;
  readonly rows: readonly TimedRow<T>[];
}

export function encodeTimedRows<T>({ fromMs, rows, format }: TimedRows<T> & { readonly format: Format<T> }): Buffer {
  const packer = new Packer().uint(LAYOUT).uint(Number.isFinite(fromMs) ? 1 : 0);
  if (Number.isFinite(fromMs)) packer.int(fromMs);
  packer.uint(rows.length);
  for (const { timeMs, value } of rows) packer.int(timeMs).bytesOrNull(value === null ? null : format.encode(value));
  return packer.done();
}

/** @param what names the row in failures @throws Failure `undecodable_record` */
export function decodeTimedRows<T>(bytes: Buffer, what: string, format: Format<T>): TimedRows<T> {
  const packed = new Unpacker(bytes, what);
  packed.layout(LAYOUT);
  const fromMs = packed.uint() === 0 ? -Infinity : packed.int();
  const rows = packed.list((): TimedRow<T> => {
    const timeMs = packed.int();
    const value = packed.bytesOrNull();
    return { timeMs, value: value === null ? null : format.decode(value) };
  });
  packed.end();
  return { fromMs, rows };
}
