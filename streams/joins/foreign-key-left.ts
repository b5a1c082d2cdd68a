// Foreign-key join, the left half: a left row names the key of a right row; the result is a table by the left key.
//
//   left table ─► left half ─ subscriptions ─► right half ◄─ right table
//                    ▲                            │
//                    └────────── responses ───────┘
//                    └─► joined rows, by left key
//
// How it works, as in KIP-213. The left half, where the left row lives, subscribes it at its foreign key; the right half, where the
// right row lives, answers at once and at each change of that row; the left half joins the answer with its row and writes. A left
// row that changes, with the same foreign key or another, subscribes anew under its new version, and gives up the old subscription
// where the foreign key changed. No half ever reads the other's state.
//
// Races. Answers to an older version of the left row are still under way when a newer one subscribes. Each carries the version it
// was asked by, and one that is not the row's own any more is dropped: its own answer is on its way. So
//   - every joined row was true at a moment: when the right half wrote the answer, its right row was the newest and the left row
//     had asked already and has not changed since;
//   - the last row is the join of the last rows: the last subscription of a left row is answered with the newest right row, later
//     changes follow it in the same partition, and none of these answers is dropped.
// This needs the order within each partition of the internal topics, and nothing between partitions. Under at-least-once a repeated
// answer may write an earlier row again before the last one; a repeated subscription may leave a subscriber whom nobody gives up,
// whose answers are dropped.
//
// Time and order. Of a left key the newest row by event time (then offset) counts. A joined row holds from the later of both sides'
// times, and never from before the row that it replaces; so the order by event time is the order in which they were written.
// Responses are taken as they come: who merges by event time must not wait for them, since they wait for this half's subscriptions.
//
// What is lost. Left rows beyond lateness are `late`; rows that were replaced before they were answered are in no joined row.
//
// State, per left key: the row, at most its value, its foreign key and 64 bytes. Deletions are remembered until the lateness is over.
import { Packer, Unpacker } from '../packing.ts';
import { type Response, type Subscription } from './foreign-key-messages.ts';
import {
  type Joined,
  type Late,
  type Stepped,
  type TimerInput,
  type Update,
  type Version,
  areEqualValues,
  comparePlaces,
  forgetAtMs,
  isLate,
  lateness,
  packVersion,
  recordedOf,
  settled,
  unpackVersion,
  versionOf,
} from './step.ts';

export interface ForeignKeyRules {
  /** `inner`: rows whose foreign key has a right row; `left`: all left rows */
  readonly kind: 'inner' | 'left';
  /** how far behind the watermark an update of either table may be */
  readonly latenessMs: number;
}

export interface LeftState {
  readonly row: Version;
  /** null: the row has none, or it was deleted */
  readonly foreignKey: string | null;
  /** of the newest subscription, -1 where there was none: the offset of the row that made it */
  readonly version: number;
  /** what stands in the result; null: nothing, or a tombstone */
  readonly standing: Standing | null;
  /** event time of the last row or tombstone written; null: none was */
  readonly writtenMs: number | null;
}

/** The row that stands in the result, by the offsets of its sides. */
export interface Standing {
  readonly left: number;
  /** null: the left row alone */
  readonly right: number | null;
}

export type LeftInput =
  | {
      readonly kind: 'left';
      readonly update: Update;
      /** what the row's value names; null: nothing. Without meaning for a tombstone. */
      readonly foreignKey: string | null;
      readonly watermarkMs: number;
    }
  | { readonly kind: 'response'; readonly response: Response; readonly watermarkMs: number }
  | TimerInput;

export type LeftOutput =
  | { readonly kind: 'subscription'; readonly subscription: Subscription }
  | { readonly kind: 'joined'; readonly row: Joined };

/** Where the left row lives. */
export interface LeftPlace {
  readonly leftKey: string;
  readonly leftPartition: number;
}

export function foreignKeyLeftStep(
  rules: ForeignKeyRules,
  place: LeftPlace,
  state: LeftState | null,
  input: LeftInput,
): Stepped<LeftState, LeftOutput> {
  const { watermarkMs } = input;
  switch (input.kind) {
    case 'left':
      if (isLate(input.update, watermarkMs, rules.latenessMs))
        return settle(rules, state, watermarkMs, [], [lateness('left', input.update, watermarkMs)]);
      return takeRow(rules, place, state, input);
    case 'response':
      return takeResponse(rules, state, input.response, watermarkMs);
    case 'timer':
      return settle(rules, state, watermarkMs, [], []);
  }
}

function takeRow(
  rules: ForeignKeyRules,
  place: LeftPlace,
  state: LeftState | null,
  { update, foreignKey: named, watermarkMs }: Extract<LeftInput, { kind: 'left' }>,
): Stepped<LeftState, LeftOutput> {
  if (state !== null && comparePlaces(update, state.row) <= 0) return settle(rules, state, watermarkMs, [], []);
  const row = versionOf(update, watermarkMs);
  const foreignKey = update.value === null ? null : named;
  if (state !== null && state.foreignKey === foreignKey && areEqualValues(state.row, row))
    // the same row again: its subscription, and what stands, are as good as before
    return settle(rules, { ...state, row }, watermarkMs, [], []);

  const outputs: LeftOutput[] = [];
  const say = (kind: Subscription['kind'], key: string, version: number): void => {
    outputs.push({
      kind: 'subscription',
      subscription: { ...place, kind, foreignKey: key, version, timeMs: row.sinceMs },
    });
  };
  const heldKey = state?.foreignKey ?? null;
  if (state !== null && heldKey !== null && heldKey !== foreignKey) say('unsubscribe', heldKey, state.version);
  if (foreignKey !== null) say('subscribe', foreignKey, row.offset);
  const after: LeftState = {
    row,
    foreignKey,
    version: foreignKey === null ? -1 : row.offset,
    standing: state?.standing ?? null,
    writtenMs: state?.writtenMs ?? null,
  };
  if (foreignKey !== null) return settle(rules, after, watermarkMs, outputs, []);
  const written = write(rules, after, null);
  return settle(rules, written.state, watermarkMs, [...outputs, ...written.outputs], []);
}

function takeResponse(
  rules: ForeignKeyRules,
  state: LeftState | null,
  response: Response,
  watermarkMs: number,
): Stepped<LeftState, LeftOutput> {
  if (state === null || state.foreignKey === null || state.version !== response.version)
    return settle(rules, state, watermarkMs, [], []);
  const { state: after, outputs } = write(rules, state, response.right);
  return settle(rules, after, watermarkMs, outputs, []);
}

/** Makes the joined row of the left row and this right one stand in the result. */
function write(
  { kind }: ForeignKeyRules,
  state: LeftState,
  rightVersion: Version | null,
): { readonly state: LeftState; readonly outputs: readonly LeftOutput[] } {
  const { standing, row, version, writtenMs } = state;
  const right = recordedOf(rightVersion);
  const left = right === null && kind === 'inner' ? null : recordedOf(row);
  // what stands is named by the version that asked: the same row may have come again since, at a later offset
  const leftOffset = version === -1 ? row.offset : version;
  const next: Standing | null = left === null ? null : { left: leftOffset, right: right?.offset ?? null };
  if (next === null ? standing === null : standing?.left === next.left && standing.right === next.right)
    return { state, outputs: [] };
  const timeMs = Math.max(row.sinceMs, rightVersion?.sinceMs ?? -Infinity, writtenMs ?? -Infinity);
  const joined: Joined = { timeMs, left, right: left === null ? null : right };
  return { state: { ...state, standing: next, writtenMs: timeMs }, outputs: [{ kind: 'joined', row: joined }] };
}

function settle(
  rules: ForeignKeyRules,
  state: LeftState | null,
  watermarkMs: number,
  outputs: readonly LeftOutput[],
  late: readonly Late[],
): Stepped<LeftState, LeftOutput> {
  return settled(state, (one) => leftTimerMs(rules, one), watermarkMs, outputs, late);
}

/**
 * The timer that a state wants, as its last step said: for states that were restored. A deletion is kept until nothing older can
 * come, and nothing that would be written with an earlier time than its tombstone.
 */
export function leftTimerMs({ latenessMs }: ForeignKeyRules, { row, writtenMs }: LeftState): number | null {
  return row.value === null ? forgetAtMs(Math.max(row.sinceMs, writtenMs ?? -Infinity), latenessMs) : null;
}

const LAYOUT = 1;

/** Law: decode(encode(s)) equals s. */
export const foreignKeyLeftSerde = {
  encode({ row, foreignKey, version, standing, writtenMs }: LeftState): Buffer {
    const packer = new Packer().uint(LAYOUT);
    packVersion(packer, row);
    packer.textOrNull(foreignKey).uint(version + 1);
    packer.uint(standing === null ? 0 : standing.left + 1).uint((standing?.right ?? -1) + 1);
    packer.uint(writtenMs === null ? 0 : 1);
    if (writtenMs !== null) packer.int(writtenMs);
    return packer.done();
  },
  decode(bytes: Buffer): LeftState {
    const packed = new Unpacker(bytes, 'state of a foreign-key join');
    packed.layout(LAYOUT);
    const row = unpackVersion(packed);
    const foreignKey = packed.textOrNull();
    const version = packed.uint() - 1;
    const [left, right] = [packed.uint(), packed.uint()];
    const writtenMs = packed.uint() === 0 ? null : packed.int();
    packed.end();
    const standing = left === 0 ? null : { left: left - 1, right: right === 0 ? null : right - 1 };
    return { row, foreignKey, version, standing, writtenMs };
  },
};
