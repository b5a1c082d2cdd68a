// What one key keeps for windows that are closed by event time: sessions or panes, oldest first, with their partial results.
//
//   version u8 (1) | layout u32 LE | closed to f64 LE | per entry: first f64 LE | last f64 LE | length u32 LE | partial results
import { Failure } from '../../schemas/failure.ts';
import { type BoxedPartials, type Partials } from './boxed-partials.ts';
import { type Session } from './sessions.ts';

/** A session, or a pane from its first to its last ms. */
export interface BoxedEntry extends Session {
  readonly partials: Partials;
}

export interface BoxedRow {
  /** windows that end at or before this were closed */
  readonly closedToMs: number;
  readonly entries: readonly BoxedEntry[];
}

export interface ClosedWindow {
  readonly startMs: number;
  readonly endMs: number;
  readonly partials: Partials;
}

/** A kind of windows as pure steps on the row of one key. */
export interface BoxedWindows {
  readonly latenessMs: number;
  /** The row with one event more; null, and nothing has changed: it is too late. */
  add(row: BoxedRow, event: unknown, timeMs: number, watermarkMs: number): BoxedRow | null;
  /** What is final as of the watermark, oldest first, and the row without it. */
  close(row: BoxedRow, watermarkMs: number): { readonly row: BoxedRow; readonly closed: readonly ClosedWindow[] };
  /** The first watermark at which something is final; null: the row is empty. */
  nextCloseMs(row: BoxedRow): number | null;
}

export const EMPTY_ROW: BoxedRow = { closedToMs: -Infinity, entries: [] };

const VERSION = 1;
const HEAD_BYTES = 13;
const ENTRY_BYTES = 20;

/** Law: decode(encode(row)) behaves as row. */
export function boxedRowFormat(partials: BoxedPartials): {
  encode(row: BoxedRow): Buffer;
  decode(bytes: Buffer): BoxedRow;
} {
  return {
    encode: ({ closedToMs, entries }) => {
      const head = Buffer.allocUnsafe(HEAD_BYTES);
      head[0] = VERSION;
      head.writeUInt32LE(partials.layout, 1);
      head.writeDoubleLE(closedToMs, 5);
      return Buffer.concat([head, ...entries.flatMap((entry) => entryBytes(partials, entry))]);
    },
    decode: (bytes) => {
      if (bytes[0] !== VERSION || bytes.length < HEAD_BYTES || bytes.readUInt32LE(1) !== partials.layout)
        throw new Failure(
          'undecodable_record',
          'A row of windows was kept for other features, or by another version.',
          {
            fix: 'Give the step a new name, which begins with an empty state, or restore its features.',
          },
        );
      const entries: BoxedEntry[] = [];
      for (let at = HEAD_BYTES; at < bytes.length;) {
        const from = at + ENTRY_BYTES;
        const end = from + bytes.readUInt32LE(at + 16);
        entries.push({
          firstMs: bytes.readDoubleLE(at),
          lastMs: bytes.readDoubleLE(at + 8),
          partials: partials.decode(bytes.subarray(from, end)),
        });
        at = end;
      }
      return { closedToMs: bytes.readDoubleLE(5), entries };
    },
  };
}

function entryBytes(partials: BoxedPartials, { firstMs, lastMs, partials: kept }: BoxedEntry): Buffer[] {
  const body = partials.encode(kept);
  const head = Buffer.allocUnsafe(ENTRY_BYTES);
  head.writeDoubleLE(firstMs, 0);
  head.writeDoubleLE(lastMs, 8);
  head.writeUInt32LE(body.length, 16);
  return [head, body];
}
