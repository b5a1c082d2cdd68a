// Predictions meet labels that come much later: each prediction is joined to the newest label of its key within a horizon.
//
//   prediction at p ─┐
//                    ├─► (prediction, label) for the label with  p ≤ l ≤ p + horizonMs,  and again for each newer one: a correction
//   label at l ──────┘   (prediction, none) once it is mature without a label                                      left
//
// Time and order. A joined row has the label's event time. A prediction is mature once the watermark has passed its horizon and the
// lateness: then no label will be taken any more, and one without is written with the end of its horizon as its time. Of the labels
// of a horizon the newest by event time (then offset) counts, in whatever order they come; an older one that comes later gives nothing.
//
// What is lost. Predictions and labels beyond lateness are `late`. An inner join drops predictions without a label in silence, and
// labels without a prediction are dropped in silence always.
//
// State, per key: each prediction until it is mature, at most its value and 30 bytes; each label for the lateness, which predictions
// that come late may need.
import { Packer, Unpacker } from '../packing.ts';
import {
  type Joined,
  type Recorded,
  type Stepped,
  type TimerInput,
  comparePlaces,
  earliest,
  isLate,
  lateness,
} from './step.ts';

export interface LabelRules {
  /** how long after a prediction its label may be */
  readonly horizonMs: number;
  /** `inner`: predictions with a label; `left`: all, those without once they are mature */
  readonly kind: 'inner' | 'left';
  /** how far behind the watermark a record may be */
  readonly latenessMs: number;
}

interface Place {
  readonly timeMs: number;
  readonly offset: number;
}

/** A prediction that is not mature. */
export interface Predicted extends Recorded {
  /** of the label that it was joined to last */
  readonly labelled: Place | null;
}

export interface LabelState {
  /** ascending in event time and offset, as `labels` is */
  readonly predictions: readonly Predicted[];
  readonly labels: readonly Recorded[];
}

export type LabelInput =
  { readonly kind: 'left' | 'right'; readonly record: Recorded; readonly watermarkMs: number } | TimerInput;

const EMPTY: LabelState = { predictions: [], labels: [] };

/** @param input left: a prediction, right: a label */
export function labelStep(rules: LabelRules, state: LabelState | null, input: LabelInput): Stepped<LabelState, Joined> {
  const held = state ?? EMPTY;
  const { watermarkMs } = input;
  if (input.kind === 'timer') return settle(rules, held, [], watermarkMs);
  const { kind, record } = input;
  if (isLate(record, watermarkMs, rules.latenessMs))
    return { ...settle(rules, held, [], watermarkMs), late: [lateness(kind, record, watermarkMs)] };
  const taken = kind === 'left' ? takePrediction(rules, held, record) : takeLabel(rules, held, record);
  return settle(rules, taken.state, taken.outputs, watermarkMs);
}

interface Taken {
  readonly state: LabelState;
  readonly outputs: readonly Joined[];
}

function takePrediction(rules: LabelRules, held: LabelState, record: Recorded): Taken {
  if (isHeld(held.predictions, record)) return { state: held, outputs: [] };
  const label = held.labels.findLast((one) => isWithin(rules, record, one)) ?? null;
  const labelled = label === null ? null : { timeMs: label.timeMs, offset: label.offset };
  const predictions = withRecord<Predicted>(held.predictions, { ...record, labelled });
  const outputs = label === null ? [] : [{ timeMs: label.timeMs, left: record, right: label }];
  return { state: { ...held, predictions }, outputs };
}

function takeLabel(rules: LabelRules, held: LabelState, label: Recorded): Taken {
  if (isHeld(held.labels, label)) return { state: held, outputs: [] };
  const outputs: Joined[] = [];
  const predictions = held.predictions.map((one) => {
    const isNews = one.labelled === null || comparePlaces(one.labelled, label) < 0;
    if (!isNews || !isWithin(rules, one, label)) return one;
    const { timeMs, offset, value } = one;
    outputs.push({ timeMs: label.timeMs, left: { timeMs, offset, value }, right: label });
    return { ...one, labelled: { timeMs: label.timeMs, offset: label.offset } };
  });
  return { state: { predictions, labels: withRecord(held.labels, label) }, outputs };
}

function isWithin({ horizonMs }: LabelRules, prediction: Recorded, label: Recorded): boolean {
  return label.timeMs >= prediction.timeMs && label.timeMs <= prediction.timeMs + horizonMs;
}

function isHeld(among: readonly Recorded[], record: Recorded): boolean {
  return among.some((one) => comparePlaces(one, record) === 0);
}

function withRecord<R extends Recorded>(among: readonly R[], record: R): readonly R[] {
  const at = among.findLastIndex((one) => comparePlaces(one, record) < 0) + 1;
  return among.toSpliced(at, 0, record);
}

function settle(
  rules: LabelRules,
  held: LabelState,
  joined: readonly Joined[],
  watermarkMs: number,
): Stepped<LabelState, Joined> {
  const { predictions, labels } = held;
  const mature = predictions.filter((one) => matureMs(rules, one) <= watermarkMs);
  const alone = rules.kind === 'inner' ? [] : mature.filter(({ labelled }) => labelled === null);
  const outputs = [...joined, ...alone.map((one) => unlabelled(rules, one))];
  const state: LabelState = {
    predictions: mature.length === 0 ? predictions : predictions.slice(mature.length),
    labels: labels.every((one) => forgetMs(rules, one) > watermarkMs)
      ? labels
      : labels.filter((one) => forgetMs(rules, one) > watermarkMs),
  };
  if (state.predictions.length === 0 && state.labels.length === 0)
    return { state: null, outputs, timerMs: null, late: [] };
  return { state, outputs, timerMs: labelTimerMs(rules, state), late: [] };
}

function unlabelled({ horizonMs }: LabelRules, { timeMs, offset, value }: Predicted): Joined {
  return { timeMs: timeMs + horizonMs, left: { timeMs, offset, value }, right: null };
}

/** The watermark from which on no label of the prediction is taken any more. */
function matureMs({ horizonMs, latenessMs }: LabelRules, { timeMs }: Recorded): number {
  return timeMs + horizonMs + latenessMs + 1;
}

/** The watermark from which on no prediction that the label belongs to is taken any more. */
function forgetMs({ latenessMs }: LabelRules, { timeMs }: Recorded): number {
  return timeMs + latenessMs + 1;
}

/** The timer that a state wants, as its last step said: for states that were restored. */
export function labelTimerMs(rules: LabelRules, { predictions: [first], labels: [label] }: LabelState): number | null {
  return earliest(
    first === undefined ? null : matureMs(rules, first),
    label === undefined ? null : forgetMs(rules, label),
  );
}

const LAYOUT = 1;

/** Law: decode(encode(s)) equals s. */
export const labelSerde = {
  encode({ predictions, labels }: LabelState): Buffer {
    const packer = new Packer().uint(LAYOUT).uint(predictions.length);
    for (const { labelled, ...record } of predictions) {
      packRecord(packer, record);
      packer.uint(labelled === null ? 0 : 1);
      if (labelled !== null) packer.int(labelled.timeMs - record.timeMs).uint(labelled.offset);
    }
    packer.uint(labels.length);
    for (const label of labels) packRecord(packer, label);
    return packer.done();
  },
  decode(bytes: Buffer): LabelState {
    const packed = new Unpacker(bytes, 'state of a label join');
    packed.layout(LAYOUT);
    const predictions = packed.list((): Predicted => {
      const record = unpackRecord(packed);
      if (packed.uint() === 0) return { ...record, labelled: null };
      const timeMs = record.timeMs + packed.int();
      return { ...record, labelled: { timeMs, offset: packed.uint() } };
    });
    const labels = packed.list(() => unpackRecord(packed));
    packed.end();
    return { predictions, labels };
  },
};

function packRecord(packer: Packer, { timeMs, offset, value }: Recorded): void {
  packer.int(timeMs).uint(offset).bytes(value);
}

function unpackRecord(packed: Unpacker): Recorded {
  return { timeMs: packed.int(), offset: packed.uint(), value: packed.bytes() };
}
