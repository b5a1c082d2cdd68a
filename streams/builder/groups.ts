// A table that is grouped and aggregated in a declared topology: its rows in the stage of the table, its groups in one of their own, and
// the internal topic between them. What rows give to groups: streams/joins/table-groups.ts.
import { Failure } from '../../schemas/failure.ts';
import { invalid } from '../../schemas/reading.ts';
import {
  type GroupChange,
  type GroupedInput,
  type GroupedState,
  changeCodec,
  givenCodec,
  givenOf,
  groupedSerde,
  groupedStep,
} from '../joins/table-groups.ts';
import { Packer, Unpacker } from '../packing.ts';
import { BoxedPartials, type BoxedFeature, type FieldsOfEvent, type Partials } from '../windows/boxed-partials.ts';
import { type Declaration, type Place } from './declaration.ts';
import { type FeatureValues, type GroupFeatures, RETRACTABLE } from './features.ts';
import { type Format } from './format.ts';
import { requireKey } from './given.ts';
import { type JoinContext, type JoinNode, type OpenJoin, type SinkNode } from './graph.ts';
import { hang, updateOf } from './join-node.ts';
import { optionsOf } from './options.ts';
import { readFeatures } from './read-features.ts';

export interface GroupDeclaration<T = unknown, F extends GroupFeatures<T> = GroupFeatures<T>> {
  /**
   * How far behind the task's event time a row may still count, e.g. `5m`. Later ones go to the dead letters (`too_late`). No default:
   * it must cover how far the inputs are apart when they are read live.
   */
  readonly lateness: string;
  /** functions that can take a value out again: a row may change, move to another group, and go */
  readonly features: F;
}

/** The key of the group that a row belongs to; null or undefined: to none. */
export type GroupOf<T> = (row: T, key: string) => string | null | undefined;

interface Grouping {
  readonly name: string;
  readonly latenessMs: number;
  readonly groupOf: GroupOf<unknown>;
  readonly partials: BoxedPartials;
}

/** @returns where the aggregates come out, by group. @throws Failure `invalid_definition`, naming the field */
export function groupedTable<T, F extends GroupFeatures<T>>(
  declaration: Declaration,
  name: string,
  { place, groupOf }: { readonly place: Place<T>; readonly groupOf: GroupOf<T> },
  options: GroupDeclaration<T, F>,
): Place<FeatureValues<F>> {
  const path = `aggregate ${name}:`;
  const fields = optionsOf(path, options, ['lateness', 'features']);
  const features = readFeatures(path, fields);
  for (const feature of features) requireRetraction(`${path} features.${feature.name}.function`, feature);
  const grouping: Grouping = {
    name,
    latenessMs: fields.durationMs('lateness'),
    groupOf: groupOf as GroupOf<unknown>,
    partials: new BoxedPartials(features),
  };
  const { sink, source } = declaration.toGroups(name, changeCodec);
  hang(rowsHalf(grouping, sink), name, { only: place });
  const parent = hang(groupsHalf(grouping), name, { only: { parent: source, isOnePerRecord: true } });
  return { parent, format: null, isOnePerRecord: false };
}

function requireRetraction(path: string, { aggregate }: BoxedFeature): void {
  if (aggregate.retraction !== 'none') return;
  throw invalid(
    path,
    `${aggregate.name} cannot take a value out again, and rows of a table change.`,
    `Use ${RETRACTABLE.join(', ')}; or write the table to a topic, and keep the rows of each group in a step of its stream.`,
  );
}

/** Takes the fields that the features are of, and their time where it counts, as a part. */
const partCodec = {
  encode: (fields: FieldsOfEvent, timeMs: number): Buffer =>
    new Packer().int(timeMs).text(JSON.stringify(fields)).done(),
  decode(bytes: Buffer): { readonly event: FieldsOfEvent; readonly timeMs: number } {
    const packed = new Unpacker(bytes, 'part of a group');
    const timeMs = packed.int();
    return { timeMs, event: JSON.parse(packed.text()) as FieldsOfEvent };
  },
};

function rowsHalf({ name, latenessMs, groupOf, partials }: Grouping, changes: SinkNode): JoinNode {
  const step = (key: string, input: GroupedInput, context: JoinContext): void => {
    const state = (context.row(0, key) ?? null) as GroupedState | null;
    const { state: next, outputs, timerMs, late } = groupedStep(latenessMs, state, input);
    for (const { timeMs, watermarkMs } of late) throw tooLate(name, watermarkMs - timeMs);
    context.put(0, key, next ?? undefined, timerMs);
    for (const { group, timeMs, ...value } of outputs)
      context.send(changes, { key: group, value, eventTimeMs: timeMs });
  };
  const givenBy = (row: unknown, key: string, timeMs: number): Buffer | null => {
    const group = groupOf(row, key) ?? null;
    if (group === null) return null;
    requireKey(`aggregate ${name}: groupBy`, group);
    // a row that is written again gives the same, unless its time counts
    const part = partCodec.encode(partials.picked(row, timeMs), partials.areOfTime ? timeMs : 0);
    return givenCodec.encode({ group, part });
  };
  const open: OpenJoin = {
    take: (_port, message, context) => {
      const { key, value, eventTimeMs } = message;
      const given = value === null ? null : givenBy(value, key, eventTimeMs);
      const update = updateOf({ ...message, value: given }, AS_IT_IS, true);
      step(key, { kind: 'row', update, watermarkMs: context.watermarkMs }, context);
    },
    wake: (_table, key, context) => step(key, { kind: 'timer', watermarkMs: context.watermarkMs }, context),
  };
  const show = (kept: unknown): unknown => {
    const given = givenOf(kept as GroupedState);
    return given === null ? null : { group: given.group, fields: partCodec.decode(given.part).event };
  };
  return {
    ...{ kind: 'join', what: 'aggregate', label: `${name} rows`, first: null },
    tables: [{ name: `${name} rows`, state: groupedSerde, show }],
    open: () => open,
    sinks: [changes],
    children: [],
  };
}

const AS_IT_IS: Format<unknown> = { encode: (value) => value as Buffer, decode: (bytes) => bytes };

function tooLate(name: string, behindMs: number): Failure {
  return new Failure('too_late', `The row came ${behindMs} ms behind the time of the aggregate ${name}.`, {
    fix: 'Raise the lateness if such rows should still count.',
  });
}

/** What is kept of a group. */
interface GroupState {
  /** at least one */
  readonly rows: number;
  /** of its last change */
  readonly timeMs: number;
  readonly partials: Partials;
}

function groupsHalf({ name, partials }: Grouping): JoinNode {
  const part = (bytes: Buffer | null): ReturnType<typeof partCodec.decode> | null =>
    bytes === null ? null : partCodec.decode(bytes);
  const open: OpenJoin = {
    take: (_port, { key, value, eventTimeMs }, context) => {
      const { retracted, added } = value as GroupChange;
      const held = context.row(0, key) as GroupState | undefined;
      const rows = (held?.rows ?? 0) + (added === null ? 0 : 1) - (retracted === null ? 0 : 1);
      // the times of a group's rows never go back: whoever orders them by event time ends with the last one
      const timeMs = Math.max(eventTimeMs, context.watermarkMs);
      // with the last row goes what rounding has left; less than none are where an addition was set aside, and then taken out
      const next = rows <= 0 ? null : partials.changed(held?.partials ?? null, part(retracted), part(added));
      context.put(0, key, next === null ? undefined : { rows, timeMs, partials: next }, null);
      context.emit(key, next === null ? null : partials.values(next, timeMs), timeMs);
    },
    wake: () => undefined,
  };
  const show = (kept: unknown): unknown => {
    const { rows, timeMs, partials: parts } = kept as GroupState;
    return { rows, values: partials.values(parts, timeMs) };
  };
  return {
    ...{ kind: 'join', what: 'aggregate', label: `${name} groups`, first: null },
    tables: [{ name, state: groupFormat(partials), show }],
    open: () => open,
    sinks: [],
    children: [],
  };
}

const LAYOUT = 1;

/** layout uint (1) | of the features uint | rows int | time int | partial results. Law: decode(encode(s)) behaves as s. */
function groupFormat(partials: BoxedPartials): Format<GroupState> {
  return {
    encode: ({ rows, timeMs, partials: parts }) =>
      new Packer().uint(LAYOUT).uint(partials.layout).int(rows).int(timeMs).bytes(partials.encode(parts)).done(),
    decode: (bytes) => {
      const packed = new Unpacker(bytes, 'group of a table');
      packed.layout(LAYOUT);
      if (packed.uint() !== partials.layout)
        throw new Failure('undecodable_record', 'A group of a table was kept for other features.', {
          fix: 'Give the aggregate a new name, which begins with an empty state, or restore its features.',
        });
      const state = { rows: packed.int(), timeMs: packed.int(), partials: partials.decode(packed.bytes()) };
      packed.end();
      return state;
    },
  };
}
