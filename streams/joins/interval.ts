// Two streams meet within an interval of event time.
//
//   left at l ──┐
//               ├─► (left, right) for each pair with  l - beforeMs ≤ r ≤ l + afterMs
//   right at r ─┘   (left, none) and (none, right) once the watermark says that no partner can come   left, right, outer
//
// Time and order. A pair is written as soon as its second record is there; its event time is the later of the two. A record that
// stays alone is written with its own event time, once the watermark has passed its interval and the lateness: then no partner will
// be taken any more. Each pair is written once, in whatever order its two records came. `outputDelayMs` says how far behind the
// watermark an output may lie; who works downstream needs that much lateness.
//
// What is lost. Records beyond lateness are `late`. An inner join drops what stays alone.
//
// State, per key: each record from when it comes until the watermark is `afterMs` (left) or `beforeMs` (right) and `latenessMs`
// past it; then a timer drops it. At most (records of a side in that time, and ahead of the watermark) × (value + 20 bytes).
import { Failure } from '../../schemas/failure.ts';
import { Packer, Unpacker } from '../packing.ts';
import {
  type Joined,
  type Recorded,
  type Side,
  type Stepped,
  type TimerInput,
  checkDurationMs,
  comparePlaces,
  earliest,
  isLate,
  lateness,
} from './step.ts';

export interface IntervalRules {
  /** how long before the left record the right one may be; negative: it must be at least that much later */
  readonly beforeMs: number;
  /** how long after the left record the right one may be; negative: it must be at least that much earlier */
  readonly afterMs: number;
  readonly kind: 'inner' | 'left' | 'right' | 'outer';
  /** how far behind the watermark a record may be */
  readonly latenessMs: number;
}

/** A record that may still find a partner. */
export interface Waiting extends Recorded {
  /** a pair was written with it */
  readonly isMatched: boolean;
}

export interface IntervalState {
  /** ascending in event time and offset */
  readonly left: readonly Waiting[];
  readonly right: readonly Waiting[];
}

export type IntervalInput =
  { readonly kind: 'left' | 'right'; readonly record: Recorded; readonly watermarkMs: number } | TimerInput;

/** @throws Failure `invalid_definition` */
export function checkIntervalRules({ beforeMs, afterMs, latenessMs }: IntervalRules): void {
  checkDurationMs('lateness', latenessMs);
  if (Number.isSafeInteger(beforeMs) && Number.isSafeInteger(afterMs) && beforeMs + afterMs >= 0) return;
  throw new Failure('invalid_definition', `The interval from ${-beforeMs} to ${afterMs} ms is empty.`, {
    field: 'after',
    fix: 'Give `before` and `after` in whole milliseconds so that the interval does not end before it begins.',
  });
}

/** How far behind the watermark an output's event time may be, when timers fire at their time. */
export function outputDelayMs({ kind, beforeMs, afterMs, latenessMs }: IntervalRules): number {
  const leftMs = kind === 'left' || kind === 'outer' ? afterMs + latenessMs + 1 : 0;
  const rightMs = kind === 'right' || kind === 'outer' ? beforeMs + latenessMs + 1 : 0;
  return Math.max(leftMs, rightMs, latenessMs);
}

export function intervalStep(
  rules: IntervalRules,
  state: IntervalState | null,
  input: IntervalInput,
): Stepped<IntervalState, Joined> {
  const held = state ?? { left: [], right: [] };
  const { watermarkMs } = input;
  if (input.kind === 'timer') return close(rules, held, [], watermarkMs);
  if (isLate(input.record, watermarkMs, rules.latenessMs))
    return { ...close(rules, held, [], watermarkMs), late: [lateness(input.kind, input.record, watermarkMs)] };
  const { taken, pairs } = take(rules, held, input.kind, input.record);
  // a taken record cannot pair with one that is due to be dropped, so it does not matter that dropping comes second
  return close(rules, taken, pairs, watermarkMs);
}

function take(
  rules: IntervalRules,
  held: IntervalState,
  side: Side,
  record: Recorded,
): { readonly taken: IntervalState; readonly pairs: readonly Joined[] } {
  const other: Side = side === 'left' ? 'right' : 'left';
  const own = held[side];
  const at = firstAt(own, (waiting) => comparePlaces(waiting, record) >= 0);
  const same = own[at];
  if (same !== undefined && comparePlaces(same, record) === 0) return { taken: held, pairs: [] };

  const { fromMs, toMs } = partnersOf(rules, side, record.timeMs);
  const from = firstAt(held[other], ({ timeMs }) => timeMs >= fromMs);
  const to = firstAt(held[other], ({ timeMs }) => timeMs > toMs);
  const partners = held[other].slice(from, to);
  const pairs = partners.map((partner) => pair(side, record, partner));
  const { timeMs, offset, value } = record;
  const waiting: Waiting = { timeMs, offset, value, isMatched: partners.length > 0 };
  const matched = partners.some(({ isMatched }) => !isMatched)
    ? held[other].map((one, index) => (index >= from && index < to ? { ...one, isMatched: true } : one))
    : held[other];
  const joined = [...own.slice(0, at), waiting, ...own.slice(at)];
  return { taken: side === 'left' ? { left: joined, right: matched } : { left: matched, right: joined }, pairs };
}

function partnersOf(
  { beforeMs, afterMs }: IntervalRules,
  side: Side,
  timeMs: number,
): { fromMs: number; toMs: number } {
  return side === 'left'
    ? { fromMs: timeMs - beforeMs, toMs: timeMs + afterMs }
    : { fromMs: timeMs - afterMs, toMs: timeMs + beforeMs };
}

function pair(side: Side, record: Recorded, partner: Waiting): Joined {
  const other: Recorded = { timeMs: partner.timeMs, offset: partner.offset, value: partner.value };
  const timeMs = Math.max(record.timeMs, partner.timeMs);
  return side === 'left' ? { timeMs, left: record, right: other } : { timeMs, left: other, right: record };
}

/** The first index from which on `is` holds, by bisection. */
function firstAt<T>(sorted: readonly T[], is: (entry: T) => boolean): number {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    const entry = sorted[middle];
    if (entry !== undefined && !is(entry)) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The watermark from which on a record of this side can find no partner any more. */
function closesMs(rules: IntervalRules, side: Side, { timeMs }: Waiting): number {
  return partnersOf(rules, side, timeMs).toMs + rules.latenessMs + 1;
}

function close(
  rules: IntervalRules,
  held: IntervalState,
  pairs: readonly Joined[],
  watermarkMs: number,
): Stepped<IntervalState, Joined> {
  const outputs = [...pairs];
  const closeSide = (side: Side): readonly Waiting[] => {
    const to = firstAt(held[side], (waiting) => closesMs(rules, side, waiting) > watermarkMs);
    if (to === 0) return held[side];
    if (rules.kind === side || rules.kind === 'outer')
      for (const waiting of held[side].slice(0, to)) if (!waiting.isMatched) outputs.push(alone(side, waiting));
    return held[side].slice(to);
  };
  const [left, right] = [closeSide('left'), closeSide('right')];
  if (left.length === 0 && right.length === 0) return { state: null, outputs, timerMs: null, late: [] };
  const state = { left, right };
  return { state, outputs, timerMs: intervalTimerMs(rules, state), late: [] };
}

/** The timer that a state wants, as its last step said: for states that were restored. */
export function intervalTimerMs(rules: IntervalRules, { left: [left], right: [right] }: IntervalState): number | null {
  return earliest(
    left === undefined ? null : closesMs(rules, 'left', left),
    right === undefined ? null : closesMs(rules, 'right', right),
  );
}

function alone(side: Side, { timeMs, offset, value }: Waiting): Joined {
  const record: Recorded = { timeMs, offset, value };
  return side === 'left' ? { timeMs, left: record, right: null } : { timeMs, left: null, right: record };
}

const LAYOUT = 1;

/** Law: decode(encode(s)) equals s. */
export const intervalSerde = {
  encode({ left, right }: IntervalState): Buffer {
    const packer = new Packer().uint(LAYOUT);
    packSide(packer, left);
    packSide(packer, right);
    return packer.done();
  },
  decode(bytes: Buffer): IntervalState {
    const packed = new Unpacker(bytes, 'state of an interval join');
    packed.layout(LAYOUT);
    const state = { left: unpackSide(packed), right: unpackSide(packed) };
    packed.end();
    return state;
  },
};

// Times as distances from the one before: small numbers, few bytes.
function packSide(packer: Packer, side: readonly Waiting[]): void {
  packer.uint(side.length);
  let beforeMs = 0;
  for (const { timeMs, offset, value, isMatched } of side) {
    packer
      .int(timeMs - beforeMs)
      .uint(offset)
      .uint(isMatched ? 1 : 0)
      .bytes(value);
    beforeMs = timeMs;
  }
}

function unpackSide(packed: Unpacker): Waiting[] {
  let timeMs = 0;
  return packed.list(() => {
    timeMs += packed.int();
    return { timeMs, offset: packed.uint(), isMatched: packed.uint() === 1, value: packed.bytes() };
  });
}
