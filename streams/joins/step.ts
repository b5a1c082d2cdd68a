// What all joins have in common: a step takes the state of one key and one input, and gives the next state, the joined rows, when
// it wants to be woken, and what came too late. It decodes no value, reads no clock and waits for nothing.
//
// Time. `watermarkMs` is the task's event time when the input is handled: everything at or before it has been taken, as far as the
// inputs promised. It never goes back. A record behind it came out of order; within `latenessMs` it is taken, further behind it is
// `late`: it changes nothing, and the caller counts it and sends it to the dead letters whole.
//
// Order. Records of one key and side are ordered by event time, then by offset; the order of arrival does not matter for the result.
// An input that is repeated (same event time and offset, while it is still held) changes nothing.
import { Failure } from '../../schemas/failure.ts';
import { Packer, Unpacker } from '../packing.ts';

export type Side = 'left' | 'right';

/** A record with its place in event time and in the log. The value is never looked into. */
export interface Recorded {
  readonly timeMs: number;
  readonly offset: number;
  readonly value: Buffer;
}

/** An update of a table. */
export interface Update {
  readonly timeMs: number;
  readonly offset: number;
  /** null: tombstone */
  readonly value: Buffer | null;
}

/** An update that a table keeps. */
export interface Version extends Update {
  /** from when on it was known: its event time, or the watermark when it came late. Earlier answers stay as they were given. */
  readonly sinceMs: number;
}

/** A joined row. Tables: it replaces the row that their key had; with neither side it is a tombstone. */
export interface Joined {
  readonly timeMs: number;
  readonly left: Recorded | null;
  readonly right: Recorded | null;
}

/** An input beyond lateness; nothing was changed by it. */
export interface Late {
  readonly side: Side;
  readonly timeMs: number;
  readonly offset: number;
  readonly watermarkMs: number;
}

export interface Stepped<S, O> {
  /** null: the key needs no state, delete its row */
  readonly state: S | null;
  /** in the order in which they are to be written */
  readonly outputs: readonly O[];
  /** the one timer of this key, replacing any earlier one: a `timer` input is due once the watermark has come here; null: none */
  readonly timerMs: number | null;
  readonly late: readonly Late[];
}

/** The watermark has come to the key's timer, or past it. */
export interface TimerInput {
  readonly kind: 'timer';
  readonly watermarkMs: number;
}

export function isLate({ timeMs }: { readonly timeMs: number }, watermarkMs: number, latenessMs: number): boolean {
  return timeMs < watermarkMs - latenessMs;
}

export function lateness(side: Side, { timeMs, offset }: Update, watermarkMs: number): Late {
  return { side, timeMs, offset, watermarkMs };
}

/** A step's end where a state is forgotten once its one timer is due. */
export function settled<S, O>(
  state: S | null,
  timerOf: (state: S) => number | null,
  watermarkMs: number,
  outputs: readonly O[],
  late: readonly Late[],
): Stepped<S, O> {
  const timerMs = state === null ? null : timerOf(state);
  const isOver = timerMs !== null && timerMs <= watermarkMs;
  return isOver ? { state: null, outputs, timerMs: null, late } : { state, outputs, timerMs, late };
}

interface Placed {
  readonly timeMs: number;
  readonly offset: number;
}

/** Below 0: `a` comes first; 0: they are the same record. */
export function comparePlaces(a: Placed, b: Placed): number {
  return a.timeMs - b.timeMs || a.offset - b.offset;
}

export function versionOf({ timeMs, offset, value }: Update, watermarkMs: number): Version {
  return { timeMs, offset, value, sinceMs: Math.max(timeMs, watermarkMs) };
}

/** The row of a version, null for none and for a tombstone. */
export function recordedOf(version: Version | null): Recorded | null {
  if (version === null || version.value === null) return null;
  return { timeMs: version.timeMs, offset: version.offset, value: version.value };
}

export function areEqualValues(a: Update | null, b: Update | null): boolean {
  const [one, other] = [a?.value ?? null, b?.value ?? null];
  return one === null || other === null ? one === other : one.equals(other);
}

/** The first watermark that makes everything late which a deletion held since `sinceMs` has to win against: then it may be forgotten. */
export function forgetAtMs(sinceMs: number, latenessMs: number): number {
  // a record exactly `latenessMs` behind is still taken, and may have the deletion's time with an earlier offset
  return sinceMs + latenessMs + 1;
}

export function earliest(...timesMs: readonly (number | null)[]): number | null {
  let first: number | null = null;
  for (const timeMs of timesMs) if (timeMs !== null && (first === null || timeMs < first)) first = timeMs;
  return first;
}

/** @throws Failure `invalid_definition` unless it is a whole number of ms, from 0 on */
export function checkDurationMs(name: string, valueMs: number): void {
  if (Number.isSafeInteger(valueMs) && valueMs >= 0) return;
  throw new Failure('invalid_definition', `The join's ${name} is ${valueMs} ms.`, {
    field: name,
    fix: 'Give a duration from 0 on, in whole milliseconds.',
  });
}

export function packVersion(packer: Packer, { timeMs, offset, sinceMs, value }: Version): void {
  packer
    .int(timeMs)
    .uint(sinceMs - timeMs)
    .uint(offset)
    .bytesOrNull(value);
}

export function unpackVersion(packed: Unpacker): Version {
  const timeMs = packed.int();
  const sinceMs = timeMs + packed.uint();
  return { timeMs, sinceMs, offset: packed.uint(), value: packed.bytesOrNull() };
}

/** What is kept of the row of a key; one that is deleted has no value. */
export interface RowState {
  readonly row: Version;
}

/** When a deleted row need not be remembered any more; null: it is not deleted. */
export function rowTimerMs(latenessMs: number, { row }: RowState): number | null {
  return row.value === null ? forgetAtMs(row.sinceMs, latenessMs) : null;
}

const ROW_LAYOUT = 1;

/** Law: decode(encode(s)) equals s. @param what it is, for the message where it cannot be read */
export function rowSerde(what: string): { encode(state: RowState): Buffer; decode(bytes: Buffer): RowState } {
  return {
    encode({ row }) {
      const packer = new Packer().uint(ROW_LAYOUT);
      packVersion(packer, row);
      return packer.done();
    },
    decode(bytes) {
      const packed = new Unpacker(bytes, what);
      packed.layout(ROW_LAYOUT);
      const row = unpackVersion(packed);
      packed.end();
      return { row };
    },
  };
}
