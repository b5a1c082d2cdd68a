// Rows of panes as bytes. Most partial results are small whole numbers, so a double is written short:
//
//   version u8 (2) | panes | event time of the newest event | per pane: its distance from the pane before (the first: from 0) | each slot
//   whole numbers below 2^44: zigzag, doubled, as a varint; everything else: the byte 1, then the double (little endian)
//
// Version 1 had no event time, and version 2 once had that of the event that was counted last, which may have been late: one that is
// not in the newest pane counts as not written. What depends on it (time since last, decayed sum) is null until the next event.
// Law: decode(encode(row)) behaves as row.
import { Failure } from '../../schemas/failure.ts';
import { invalid } from '../../schemas/reading.ts';
import { RECORD_BYTES_MAX } from '../record-limit.ts';
import { type Row } from '../state/row.ts';
import { type PaneRing } from './pane-ring.ts';

const VERSION = 2;
const WITHOUT_TIME = 1;
const WHOLE_MAX = 2 ** 44;
/** Bytes of a double at most. */
const DOUBLE_BYTES = 9;

/** Keys of declared windows may be so long; the rest of a changelog record is the row's. */
export const KEY_BYTES_MAX = 100_000;

/** Bytes that a row takes at most. */
export function rowBytesMax({ stride }: Pick<PaneRing, 'stride'>, { panes }: Pick<Row, 'panes'>): number {
  return 1 + 2 * DOUBLE_BYTES + panes * stride * DOUBLE_BYTES;
}

/**
 * A row is one record of the changelog: one that grows beyond what the log takes could not be committed any more.
 * @throws Failure `invalid_definition` when a row of as many panes as the largest window and the lateness have may be larger
 */
export function requireRowsFit(path: string, { stride, stepMs, latenessMs, panesMax }: PaneRing): void {
  const bytes = rowBytesMax({ stride }, { panes: panesMax });
  const bytesMax = RECORD_BYTES_MAX - KEY_BYTES_MAX;
  if (bytes <= bytesMax) return;
  const panes = Math.floor((bytesMax - rowBytesMax({ stride }, { panes: 0 })) / (stride * DOUBLE_BYTES));
  // of another step the lateness may need a part of a pane more
  const stepMinS = Math.ceil((stepMs * panesMax) / (latenessMs > 0 ? panes - 1 : panes) / 1000);
  throw invalid(
    `${path} step`,
    `the largest window ${latenessMs > 0 ? 'and the lateness have' : 'has'} ${panesMax} panes of ${stride} numbers: a key's row may come to ${Math.ceil(bytes / 1e6)} MB, and the log takes records of ${bytesMax / 1e6} MB.`,
    `Give a step of at least ${stepMinS}s of which each window is a multiple, or shorter windows or less lateness: ${panes} panes fit.`,
  );
}

/** @returns the position behind the row */
export function writeRow(ring: PaneRing, { data, start, panes, newestMs }: Row, into: Buffer, at: number): number {
  const { stride } = ring;
  into[at++] = VERSION;
  at = writeDouble(into, at, panes);
  at = writeDouble(into, at, newestMs);
  let before = 0;
  for (let index = 0; index < panes; index += 1) {
    const base = start + index * stride;
    const pane = data[base] ?? 0;
    at = writeDouble(into, at, pane - before);
    before = pane;
    for (let slot = 1; slot < stride; slot += 1) at = writeDouble(into, at, data[base + slot] ?? 0);
  }
  return at;
}

function writeDouble(into: Buffer, at: number, value: number): number {
  // the usual case first: small, whole, and not −0
  if (value === (value | 0) && value < 0x1000_0000 && value > -0x1000_0000 && (value !== 0 || 1 / value > 0)) {
    let left = value < 0 ? (-2 * value - 1) << 1 : value << 2;
    while (left >= 128) {
      into[at++] = (left & 127) | 128;
      left >>>= 7;
    }
    into[at++] = left;
    return at;
  }
  if (Number.isInteger(value) && value < WHOLE_MAX && value > -WHOLE_MAX && value !== 0) {
    let left = (value < 0 ? -2 * value - 1 : 2 * value) * 2;
    while (left >= 128) {
      into[at++] = (left % 128) | 128;
      left = Math.floor(left / 128);
    }
    into[at++] = left;
    return at;
  }
  into[at] = 1;
  return into.writeDoubleLE(value, at + 1);
}

/**
 * @param into empty; where it has not got the room, it gets room for one pane more too, for the next event often opens one
 * @throws Failure `undecodable_record`
 */
export function readRow({ stride, stepMs }: PaneRing, bytes: Buffer, into: Row): void {
  if (bytes[0] !== VERSION && bytes[0] !== WITHOUT_TIME)
    throw new Failure('undecodable_record', `A window row has the unknown version ${bytes[0]}.`, {
      fix: 'Delete the state folder, and the changelog where its rows were written by another program.',
    });
  const reader = new DoubleReader(bytes, 1);
  const panes = reader.next();
  if (panes * stride > into.end - into.base) into.move((panes + 1) * stride, 0);
  into.panes = panes;
  into.newestMs = bytes[0] === WITHOUT_TIME ? Number.NaN : reader.next();
  const { data, start } = into;
  let pane = 0;
  for (let at = start; at < start + panes * stride; at += stride) {
    pane += reader.next();
    data[at] = pane;
    for (let slot = 1; slot < stride; slot += 1) data[at + slot] = reader.next();
  }
  if (into.newestMs < pane * stepMs) into.newestMs = Number.NaN;
}

class DoubleReader {
  readonly #bytes: Buffer;
  #at: number;

  constructor(bytes: Buffer, at: number) {
    this.#bytes = bytes;
    this.#at = at;
  }

  next(): number {
    const bytes = this.#bytes;
    let byte = bytes[this.#at++] ?? 0;
    if (byte === 1) {
      this.#at += 8;
      return bytes.readDoubleLE(this.#at - 8);
    }
    let value = byte & 127;
    for (let scale = 128; byte >= 128; scale *= 128) {
      byte = bytes[this.#at++] ?? 0;
      value += (byte & 127) * scale;
    }
    const zigzag = value / 2;
    return zigzag % 2 === 0 ? zigzag / 2 : -(zigzag + 1) / 2;
  }
}
