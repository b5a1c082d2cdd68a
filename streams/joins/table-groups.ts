// A table that is grouped, the half at its rows: what each row has given to its group, and what it gives now.
//
//   table ──► what its rows give ──changes──► groups ──► the aggregates of each, or a tombstone
//
// Time and order. Of a key the newest row by event time (then offset) counts; an older one that comes later changes nothing. A change
// holds from the event time of its row; where that came late, from the watermark on, so that the changes of a row never go back.
//
// What is sent are the fields that the aggregates are of, as they were when the row came: what is taken out of a group later is what
// was added, whatever `groupBy` would say of the row by then, and the groups' half meets no value that it would have to refuse. A row
// that stays in its group gives one change; one that moves is taken out of the one group, then added to the other, in one commit.
// A row that gives what it gave before is not told of.
//
// What is lost. Rows beyond lateness are `late`.
//
// State, per key: the group, those fields and 24 bytes. Deletions (and rows of no group, which are the same here) are remembered until
// the lateness is over, so that an older row which comes after them does not bring the key back; then a timer drops them.
import { Packer, Unpacker } from '../packing.ts';
import {
  type RowState,
  type Stepped,
  type TimerInput,
  type Update,
  comparePlaces,
  isLate,
  lateness,
  rowSerde,
  rowTimerMs,
  settled,
  versionOf,
} from './step.ts';

/** What a row gives. The part is only looked into where it is added or taken out. */
export interface Given {
  readonly group: string;
  readonly part: Buffer;
}

/** A row's value is its `Given`, packed; null: it is deleted, or in no group. */
export type GroupedState = RowState;

/** At least one of the two is there. */
export interface GroupChange {
  readonly retracted: Buffer | null;
  readonly added: Buffer | null;
}

export interface SentChange extends GroupChange {
  readonly group: string;
  readonly timeMs: number;
}

export type GroupedInput = { readonly kind: 'row'; readonly update: Update; readonly watermarkMs: number } | TimerInput;

export function groupedStep(
  latenessMs: number,
  state: GroupedState | null,
  input: GroupedInput,
): Stepped<GroupedState, SentChange> {
  const timerOf = (kept: GroupedState): number | null => rowTimerMs(latenessMs, kept);
  const { watermarkMs } = input;
  if (input.kind === 'timer') return settled(state, timerOf, watermarkMs, [], []);
  const { update } = input;
  if (isLate(update, watermarkMs, latenessMs))
    return settled(state, timerOf, watermarkMs, [], [lateness('left', update, watermarkMs)]);
  if (state !== null && comparePlaces(update, state.row) <= 0) return settled(state, timerOf, watermarkMs, [], []);
  const after = { row: versionOf(update, watermarkMs) };
  return settled(after, timerOf, watermarkMs, changesOf(state, after), []);
}

function changesOf(before: GroupedState | null, { row }: GroupedState): SentChange[] {
  const [was, is] = [givenOf(before), givenOf({ row })];
  const timeMs = row.sinceMs;
  if (was !== null && is !== null && was.group === is.group)
    return was.part.equals(is.part) ? [] : [{ group: is.group, timeMs, retracted: was.part, added: is.part }];
  return [
    ...(was === null ? [] : [{ group: was.group, timeMs, retracted: was.part, added: null }]),
    ...(is === null ? [] : [{ group: is.group, timeMs, retracted: null, added: is.part }]),
  ];
}

/** null: nothing to any group. */
export function givenOf(state: GroupedState | null): Given | null {
  const value = state?.row.value ?? null;
  return value === null ? null : givenCodec.decode(value);
}

/** Law: decode(encode(g)) equals g. */
export const givenCodec = {
  encode: ({ group, part }: Given): Buffer => new Packer().text(group).bytes(part).done(),
  decode(bytes: Buffer): Given {
    const packed = new Unpacker(bytes, 'row of a grouped table');
    const given = { group: packed.text(), part: packed.bytes() };
    packed.end();
    return given;
  },
};

const LAYOUT = 1;

/** Law: decode(encode(s)) equals s. */
export const groupedSerde = rowSerde('row of a grouped table');

/** The record's key is the group; this is its value. Law: decode(encode(c)) equals c. */
export const changeCodec = {
  encode: ({ retracted, added }: GroupChange): Buffer =>
    new Packer().uint(LAYOUT).bytesOrNull(retracted).bytesOrNull(added).done(),
  decode(bytes: Buffer): GroupChange {
    const packed = new Unpacker(bytes, 'change of a group');
    packed.layout(LAYOUT);
    const change = { retracted: packed.bytesOrNull(), added: packed.bytesOrNull() };
    packed.end();
    return change;
  },
};
