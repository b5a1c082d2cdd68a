// A stream meets a table as of the stream record's event time.
//
//   stream record at t ─┐
//                       ├─► (record, the table's row at or before t)      versioned
//   table updates ──────┘   (record, the table's newest row)              live
//
// Time and order. A table row holds from its event time until that of the key's next row. An update that comes late, but within
// lateness, holds from the watermark on (DESIGN §3.2, "What was known"): a stream record gets the row that was known for its time
// when the watermark was there, whether it comes in order or out of order itself. So the joined rows are those that a training set
// joined by what was known would hold. In `live`, a stream record gets the newest row by event time that is there when it comes.
//
// Waiting. Nothing waits: a stream record is joined when it is handed in, and as often as it is. Who merges inputs by event time hands in
// the table's updates of an instant before the stream's records of the same instant.
//
// What is lost. Stream records and updates beyond lateness are `late`. History older than `retentionMs` is dropped, which no stream
// record within lateness can ask for. An inner join drops stream records without a row in silence: that is what it says.
//
// State, per key: the newest row, and the rows of the last `retentionMs` (and those ahead of the watermark): at most
// (1 + updates in that time) × (value + 24 bytes). `live` keeps the newest row only. A deleted key is forgotten after retention.
import { invalid } from '../../schemas/reading.ts';
import { Packer, Unpacker } from '../packing.ts';
import {
  type Joined,
  type Recorded,
  type Stepped,
  type TimerInput,
  type Update,
  type Version,
  checkDurationMs,
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

export interface AsOfRules {
  /** `versioned`: the row at or before the stream record's event time; `live`: the newest row */
  readonly reads: 'versioned' | 'live';
  /** `inner`: nothing for a stream record without a row; `left`: the record alone */
  readonly kind: 'inner' | 'left';
  /** how far behind the watermark records and updates may be */
  readonly latenessMs: number;
  /** how far behind the watermark the table can be read; at least `latenessMs`. `live` has no use for it. */
  readonly retentionMs: number;
}

export interface AsOfState {
  /** ascending in event time, offset and in `sinceMs`; never empty */
  readonly versions: readonly Version[];
}

export type AsOfInput =
  | { readonly kind: 'left'; readonly record: Recorded; readonly watermarkMs: number }
  | { readonly kind: 'right'; readonly update: Update; readonly watermarkMs: number }
  | TimerInput;

/** @param path of what declares them, with a colon at its end @throws Failure `invalid_definition` */
export function checkAsOfRules({ latenessMs, retentionMs }: AsOfRules, path: string): void {
  checkDurationMs('lateness', latenessMs);
  checkDurationMs('history', retentionMs);
  if (retentionMs >= latenessMs) return;
  throw invalid(
    `${path} history`,
    `${retentionMs} ms is shorter than the lateness, ${latenessMs} ms.`,
    'Give at least the lateness: late stream records read the table as it was.',
  );
}

export function asOfStep(rules: AsOfRules, state: AsOfState | null, input: AsOfInput): Stepped<AsOfState, Joined> {
  const versions = state?.versions ?? [];
  const { watermarkMs } = input;
  switch (input.kind) {
    case 'left':
      return takeRecord(rules, versions, input.record, watermarkMs);
    case 'right':
      if (isLate(input.update, watermarkMs, rules.latenessMs)) {
        const late = [lateness('right', input.update, watermarkMs)];
        return { ...settle(rules, versions, watermarkMs), outputs: [], late };
      }
      return {
        ...settle(rules, insert(rules, versions, input.update, watermarkMs), watermarkMs),
        outputs: [],
        late: [],
      };
    case 'timer':
      return { ...settle(rules, versions, watermarkMs), outputs: [], late: [] };
  }
}

function takeRecord(
  rules: AsOfRules,
  versions: readonly Version[],
  record: Recorded,
  watermarkMs: number,
): Stepped<AsOfState, Joined> {
  const settled = settle(rules, versions, watermarkMs);
  if (isLate(record, watermarkMs, rules.latenessMs))
    return { ...settled, outputs: [], late: [lateness('left', record, watermarkMs)] };
  const isSeen = (version: Version): boolean => rules.reads === 'live' || version.sinceMs <= record.timeMs;
  const right = recordedOf(versions.findLast(isSeen) ?? null);
  const isJoined = right !== null || rules.kind === 'left';
  return { ...settled, outputs: isJoined ? [{ timeMs: record.timeMs, left: record, right }] : [], late: [] };
}

// A version that a newer one already hides at its own beginning is never seen, and not kept.
function insert(
  rules: AsOfRules,
  versions: readonly Version[],
  update: Update,
  watermarkMs: number,
): readonly Version[] {
  const version = versionOf(update, watermarkMs);
  const at = versions.findLastIndex((held) => comparePlaces(held, version) < 0) + 1;
  const next = versions[at];
  if (next !== undefined && (comparePlaces(next, version) === 0 || next.sinceMs <= version.sinceMs)) return versions;
  if (rules.reads === 'live') return next === undefined ? [version] : versions;
  const before = versions.slice(0, at).filter((held) => held.sinceMs < version.sinceMs);
  return [...before, version, ...versions.slice(at)];
}

// What no record within retention can see goes; so does a deletion that hides nothing any more.
function settle(
  rules: AsOfRules,
  versions: readonly Version[],
  watermarkMs: number,
): { readonly state: AsOfState | null; readonly timerMs: number | null } {
  let from = 0;
  while ((hiddenMs(rules, versions[from + 1]) ?? Infinity) <= watermarkMs) from += 1;
  if ((goneMs(rules, versions[from]) ?? Infinity) <= watermarkMs) from += 1;
  if (from === versions.length) return { state: null, timerMs: null };
  const state = { versions: from === 0 ? versions : versions.slice(from) };
  return { state, timerMs: asOfTimerMs(rules, state) };
}

function keptMs({ reads, latenessMs, retentionMs }: AsOfRules): number {
  return reads === 'live' ? latenessMs : retentionMs;
}

/** The watermark from which on nobody sees what is before `next`. */
function hiddenMs(rules: AsOfRules, next: Version | undefined): number | null {
  return next === undefined ? null : next.sinceMs + keptMs(rules);
}

/** The watermark from which on the first version, if a deletion, is as good as none. */
function goneMs(rules: AsOfRules, first: Version | undefined): number | null {
  return first?.value === null ? forgetAtMs(first.sinceMs, keptMs(rules)) : null;
}

/** The timer that a state wants, as its last step said: for states that were restored. */
export function asOfTimerMs(rules: AsOfRules, { versions: [first, second] }: AsOfState): number | null {
  return earliest(hiddenMs(rules, second), goneMs(rules, first));
}

const LAYOUT = 1;

/** Law: decode(encode(s)) equals s. */
export const asOfSerde = {
  encode({ versions }: AsOfState): Buffer {
    const packer = new Packer().uint(LAYOUT).uint(versions.length);
    for (const version of versions) packVersion(packer, version);
    return packer.done();
  },
  decode(bytes: Buffer): AsOfState {
    const packed = new Unpacker(bytes, 'state of an as-of join');
    packed.layout(LAYOUT);
    const versions = packed.list(() => unpackVersion(packed));
    packed.end();
    return { versions };
  },
};
