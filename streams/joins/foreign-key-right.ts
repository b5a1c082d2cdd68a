// Foreign-key join, the right half: who has subscribed to a right row hears of it at once, and at each of its changes. The join as a
// whole is told in foreign-key-left.ts.
//
// Time and order. Of a right key the newest row by event time (then offset) counts; an update without a change of bytes is told to
// nobody. Subscriptions are taken in the order of their partition, whatever the watermark says: none is late.
//
// What is lost. Right updates beyond lateness are `late`.
//
// State: two kinds of rows, so that no row grows with the number of subscribers.
//   right key             the right row: its value and 24 bytes; deletions are remembered until the lateness is over
//   right key, left key   one subscription: 8 bytes and the two keys; the rows of one right key lie side by side (`subscribersOf`)
// A change of a right row reads its subscribers and writes one response for each; `responseTo` lets a caller do it in slices.
import { Packer, Unpacker } from '../packing.ts';
import { type KeyRange, ORDERED_TAGS, orderedKey, orderedRange, readOrderedText } from './ordered-keys.ts';
import { type ForeignKeyRules } from './foreign-key-left.ts';
import { type Response, type Subscription } from './foreign-key-messages.ts';
import {
  type Late,
  type RowState,
  type Stepped,
  type TimerInput,
  type Update,
  areEqualValues,
  comparePlaces,
  isLate,
  lateness,
  rowSerde,
  rowTimerMs,
  settled,
  versionOf,
} from './step.ts';

/** A left row that hears of a right row. */
export interface Subscriber {
  readonly leftPartition: number;
  readonly version: number;
}

export type RightState = RowState;

export type RightInput = { readonly kind: 'right'; readonly update: Update; readonly watermarkMs: number } | TimerInput;

/**
 * A subscription comes in; the state is its row.
 * @param right the right row of its foreign key, which is read and not changed
 */
export function subscriptionStep(
  right: RightState | null,
  held: Subscriber | null,
  { kind, leftKey, leftPartition, version }: Subscription,
): Stepped<Subscriber, Response> {
  if (kind === 'unsubscribe')
    // one that is not held any more was replaced already
    return { state: held?.version === version ? null : held, outputs: [], timerMs: null, late: [] };
  const subscriber: Subscriber = { leftPartition, version };
  return { state: subscriber, outputs: [responseTo(leftKey, subscriber, right)], timerMs: null, late: [] };
}

/** @param subscribers of this right key, by left key; they are read only when the row changes */
export function foreignKeyRightStep(
  rules: ForeignKeyRules,
  state: RightState | null,
  subscribers: Iterable<readonly [string, Subscriber]>,
  input: RightInput,
): Stepped<RightState, Response> {
  const { watermarkMs } = input;
  if (input.kind === 'timer') return settle(rules, state, watermarkMs, [], []);
  const { update } = input;
  if (isLate(update, watermarkMs, rules.latenessMs))
    return settle(rules, state, watermarkMs, [], [lateness('right', update, watermarkMs)]);
  if (state !== null && comparePlaces(update, state.row) <= 0) return settle(rules, state, watermarkMs, [], []);
  const after: RightState = { row: versionOf(update, watermarkMs) };
  const outputs: Response[] = [];
  if (!areEqualValues(state?.row ?? null, after.row))
    for (const [leftKey, subscriber] of subscribers) outputs.push(responseTo(leftKey, subscriber, after));
  return settle(rules, after, watermarkMs, outputs, []);
}

/** What a subscriber is told of the right row as it is now. */
export function responseTo(
  leftKey: string,
  { leftPartition, version }: Subscriber,
  right: RightState | null,
): Response {
  return { leftKey, leftPartition, version, right: right?.row ?? null };
}

function settle(
  rules: ForeignKeyRules,
  state: RightState | null,
  watermarkMs: number,
  outputs: readonly Response[],
  late: readonly Late[],
): Stepped<RightState, Response> {
  return settled(state, (one) => rightTimerMs(rules, one), watermarkMs, outputs, late);
}

/** The timer that a state wants, as its last step said: for states that were restored. */
export function rightTimerMs({ latenessMs }: ForeignKeyRules, state: RightState): number | null {
  return rowTimerMs(latenessMs, state);
}

/** The store's key of a subscription. */
export function subscriptionKey(foreignKey: string, leftKey: string): Buffer {
  return orderedKey(ORDERED_TAGS.subscriptions, foreignKey, leftKey);
}

/** Where the subscriptions of a right row lie in the store. */
export function subscribersOf(foreignKey: string): KeyRange {
  return orderedRange(orderedKey(ORDERED_TAGS.subscriptions, foreignKey));
}

/** The foreign key of a subscription's key. */
export function foreignKeyOf(key: Buffer): string {
  return readOrderedText(key, 1).text;
}

/** The left key of a subscription's key. */
export function leftKeyOf(key: Buffer): string {
  const { nextAt } = readOrderedText(key, 1);
  return readOrderedText(key, nextAt).text;
}

const LAYOUT = 1;

/** Law: decode(encode(s)) equals s. */
export const rightSerde = rowSerde('right row of a foreign-key join');

/** Law: decode(encode(s)) equals s. */
export const subscriberSerde = {
  encode({ leftPartition, version }: Subscriber): Buffer {
    return new Packer().uint(LAYOUT).uint(leftPartition).uint(version).done();
  },
  decode(bytes: Buffer): Subscriber {
    const packed = new Unpacker(bytes, 'subscription of a foreign-key join');
    packed.layout(LAYOUT);
    const subscriber = { leftPartition: packed.uint(), version: packed.uint() };
    packed.end();
    return subscriber;
  },
};
