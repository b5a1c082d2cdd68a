// Two tables meet by their key; the result is a table.
//
//   left table ──┐
//                ├─► the joined row of the key, or a tombstone
//   right table ─┘
//
// Time and order. Of each side the newest row by event time (then offset) counts; an older one that comes later changes nothing. A
// joined row holds from the event time of its newer side; where that came late, from the watermark on (DESIGN §3.2). The event times
// of a key's joined rows never go back, so that whoever orders this table by event time ends with the same row.
//
// Equal rows are not written twice: an update that changes no bytes, or deletes what is not there, gives nothing. (Rows that differ
// only in fields that a joiner drops are for the joiner's caller to compare.)
//
// What is lost. Updates beyond lateness are `late`. A row that was replaced before its partner came is in no joined row.
//
// State, per key: the newest row of each side, at most the two values and 48 bytes. Deletions are remembered until the lateness is
// over, so that an older row which comes after them does not bring the key back; then a timer drops them.
import { Packer, Unpacker } from '../packing.ts';
import {
  type Joined,
  type Late,
  type Recorded,
  type Stepped,
  type TimerInput,
  type Update,
  type Version,
  areEqualValues,
  comparePlaces,
  earliest,
  forgetAtMs,
  isLate,
  lateness,
  packVersion,
  recordedOf,
  unpackVersion,
  versionOf,
} from './step.ts';

export interface TableRules {
  /** `inner`: a row where both sides have one; `left`: where the left has one; `outer`: where any has one */
  readonly kind: 'inner' | 'left' | 'outer';
  /** how far behind the watermark an update may be */
  readonly latenessMs: number;
}

export interface TableState {
  readonly left: Version | null;
  readonly right: Version | null;
}

export type TableInput =
  { readonly kind: 'left' | 'right'; readonly update: Update; readonly watermarkMs: number } | TimerInput;

export function tableStep(rules: TableRules, state: TableState | null, input: TableInput): Stepped<TableState, Joined> {
  const before: TableState = state ?? { left: null, right: null };
  const { watermarkMs } = input;
  if (input.kind === 'timer') return settle(rules, before, watermarkMs, [], []);
  const { kind: side, update } = input;
  if (isLate(update, watermarkMs, rules.latenessMs))
    return settle(rules, before, watermarkMs, [], [lateness(side, update, watermarkMs)]);
  const held = before[side];
  if (held !== null && comparePlaces(update, held) <= 0) return settle(rules, before, watermarkMs, [], []);
  const after: TableState = { ...before, [side]: versionOf(update, watermarkMs) };
  return settle(rules, after, watermarkMs, change(rules, before, after), []);
}

function change(rules: TableRules, before: TableState, after: TableState): readonly Joined[] {
  const [was, is] = [rowOf(rules, before), rowOf(rules, after)];
  if (areEqualValues(was.left, is.left) && areEqualValues(was.right, is.right)) return [];
  return [{ ...is, timeMs: Math.max(after.left?.sinceMs ?? -Infinity, after.right?.sinceMs ?? -Infinity) }];
}

interface Row {
  readonly left: Recorded | null;
  readonly right: Recorded | null;
}

function rowOf({ kind }: TableRules, state: TableState): Row {
  const [left, right] = [recordedOf(state.left), recordedOf(state.right)];
  const isThere = { inner: left !== null && right !== null, left: left !== null, outer: true }[kind];
  return isThere ? { left, right } : { left: null, right: null };
}

function settle(
  rules: TableRules,
  held: TableState,
  watermarkMs: number,
  outputs: readonly Joined[],
  late: readonly Late[],
): Stepped<TableState, Joined> {
  const isOver = (version: Version | null): boolean => (forgetMs(rules, version) ?? Infinity) <= watermarkMs;
  const left = isOver(held.left) ? null : held.left;
  const right = isOver(held.right) ? null : held.right;
  if (left === null && right === null) return { state: null, outputs, timerMs: null, late };
  const state = { left, right };
  return { state, outputs, timerMs: tableTimerMs(rules, state), late };
}

function forgetMs({ latenessMs }: TableRules, version: Version | null): number | null {
  return version?.value === null ? forgetAtMs(version.sinceMs, latenessMs) : null;
}

/** The timer that a state wants, as its last step said: for states that were restored. */
export function tableTimerMs(rules: TableRules, { left, right }: TableState): number | null {
  return earliest(forgetMs(rules, left), forgetMs(rules, right));
}

const LAYOUT = 1;
const SIDES = { none: 0, left: 1, right: 2, both: 3 } as const;

/** Law: decode(encode(s)) equals s. */
export const tableSerde = {
  encode({ left, right }: TableState): Buffer {
    const packer = new Packer().uint(LAYOUT);
    packer.uint((left === null ? SIDES.none : SIDES.left) | (right === null ? SIDES.none : SIDES.right));
    if (left !== null) packVersion(packer, left);
    if (right !== null) packVersion(packer, right);
    return packer.done();
  },
  decode(bytes: Buffer): TableState {
    const packed = new Unpacker(bytes, 'state of a table-table join');
    packed.layout(LAYOUT);
    const sides = packed.uint();
    const left = (sides & SIDES.left) === 0 ? null : unpackVersion(packed);
    const right = (sides & SIDES.right) === 0 ? null : unpackVersion(packed);
    packed.end();
    return { left, right };
  },
};
