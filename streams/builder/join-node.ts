// A join of streams/joins as a node of the graph: messages become records of the operator, its rows become messages.
import { Failure } from '../../schemas/failure.ts';
import { type Fields } from '../../schemas/reading.ts';
import { type Joined, type Late, type Recorded, type Side, type Stepped, type Update } from '../joins/step.ts';
import { Packer, Unpacker } from '../packing.ts';
import { type JoinSide } from './declaration.ts';
import { type Format } from './format.ts';
import { type Ready } from './given.ts';
import { shownSides } from './shown-rows.ts';
import { type JoinContext, type JoinNode, type Message, type OpenJoin, type PortName } from './graph.ts';
import { optionsOf, requireFunction } from './options.ts';

export type JoinKind = 'inner' | 'left' | 'right' | 'outer';
export type LeftOf<K extends JoinKind, L> = K extends 'right' | 'outer' ? L | null : L;
export type RightOf<K extends JoinKind, R> = K extends 'left' | 'outer' ? R | null : R;

/** Makes the joined value. It gets null for a side that has none, which only some kinds of joins allow. */
export type Joiner<K extends JoinKind, L, R, O> = (left: LeftOf<K, L>, right: RightOf<K, R>, key: string) => Ready<O>;
export type UntypedJoiner = (left: unknown, right: unknown, key: string) => unknown;

/** What all joins are declared with. */
export interface JoinOptions<K extends JoinKind, L, R, O> {
  readonly kind: K;
  /**
   * How far behind the task's event time a record may still count, e.g. `5m`. Later ones go to the dead letters (`too_late`). No
   * default: it must cover how far the inputs are apart when they are read live.
   */
  readonly lateness: string;
  readonly join: Joiner<K, L, R, O>;
}

/**
 * What a join is declared with, checked but for its own options.
 * @param kinds those that it has
 * @param own names of its own options
 * @throws Failure `invalid_definition`, naming the field
 */
export function joinFields<T extends JoinOptions<JoinKind, never, never, unknown>>(
  name: string,
  options: T,
  kinds: readonly T['kind'][],
  own: readonly (keyof T & string)[] = [],
): Fields {
  const fields = optionsOf<T>(`join ${name}:`, options, ['kind', 'lateness', 'join', ...own]);
  fields.choice('kind', kinds);
  requireFunction(fields, 'join');
  return fields;
}

/** A message as the operators take it. @throws Failure `invalid_field` for a time that is no whole number */
export function updateOf(
  { eventTimeMs: timeMs, offset, value }: Message,
  format: Format<unknown>,
  isTable: boolean,
): Update {
  if (!Number.isSafeInteger(timeMs))
    throw new Failure('invalid_field', `The event time ${timeMs} is no whole number.`, {
      fix: 'Give epoch milliseconds: joins order records by it.',
    });
  return { timeMs, offset, value: isTable && value === null ? null : format.encode(value) };
}

export function recordOf(message: Message, format: Format<unknown>): Recorded {
  const { timeMs, offset, value } = updateOf(message, format, false);
  return { timeMs, offset, value: value ?? Buffer.alloc(0) };
}

/** @throws Failure `too_late` */
export function requireInTime(name: string, late: readonly Late[]): void {
  const [first] = late;
  if (first === undefined) return;
  throw new Failure(
    'too_late',
    `The record of ${first.timeMs} came ${first.watermarkMs - first.timeMs} ms behind the time of the join ${name} (${first.side}).`,
    { fix: 'Raise the lateness if such records should still count.' },
  );
}

export interface Operator<S> {
  take(state: S | null, port: Side, message: Message, watermarkMs: number): Stepped<S, Joined>;
  wake(state: S, watermarkMs: number): Stepped<S, Joined>;
  /** @param message null: of a timer */
  valueOf(joined: Joined, key: string, message: Message | null): unknown;
}

export interface Kept<S> {
  readonly serde: Format<S>;
  /** by field of the state: the format of the values in it */
  readonly shown: Readonly<Record<string, Format<unknown>>>;
}

/** A join whose rows are all in one table, by the messages' keys. */
export function joinNode<S>(
  name: string,
  label: string,
  { serde, shown }: Kept<S>,
  operator: Operator<S>,
  first: PortName | null = null,
): JoinNode {
  const state = serde as Format<unknown>;
  return {
    kind: 'join',
    what: 'join',
    label: `${name} ${label}`,
    tables: [{ name, state, show: (kept) => shownSides(kept, shown) }],
    first,
    open: () => opened(name, operator),
    sinks: [],
    children: [],
  };
}

function opened<S>(name: string, operator: Operator<S>): OpenJoin {
  const keep = (key: string, stepped: Stepped<S, Joined>, message: Message | null, context: JoinContext): void => {
    requireInTime(name, stepped.late);
    context.put(0, key, stepped.state ?? undefined, stepped.timerMs);
    for (const joined of stepped.outputs) context.emit(key, operator.valueOf(joined, key, message), joined.timeMs);
  };
  return {
    take: (port, message, context) => {
      const state = (context.row(0, message.key) ?? null) as S | null;
      const side = port === 'left' ? 'left' : 'right';
      keep(message.key, operator.take(state, side, message, context.watermarkMs), message, context);
    },
    wake: (_table, key, context) => {
      const state = context.row(0, key) as S | undefined;
      if (state !== undefined) keep(key, operator.wake(state, context.watermarkMs), null, context);
    },
  };
}

/** Decodes the sides of a joined row and joins them. */
export function joinedValue(
  { left, right }: Joined,
  key: string,
  formats: { readonly left: Format<unknown>; readonly right: Format<unknown> },
  join: UntypedJoiner,
): unknown {
  return join(
    left === null ? null : formats.left.decode(left.value),
    right === null ? null : formats.right.decode(right.value),
    key,
  );
}

const NUMBER: Format<unknown> = {
  encode: (value) => new Packer().uint(value as number).done(),
  decode: (kept) => new Unpacker(kept, 'order of a join').uint(),
};

/**
 * Puts the join below its sides. Operators order messages of one key and time by their offset; where a side's messages have none of
 * their own they are numbered as they come, and the number is kept with the state.
 */
export function hang(
  join: JoinNode,
  name: string,
  sides: Partial<Readonly<Record<PortName, Pick<JoinSide, 'parent' | 'isOnePerRecord'>>>>,
): JoinNode {
  const ports = Object.entries(sides) as [PortName, Pick<JoinSide, 'parent' | 'isOnePerRecord'>][];
  const numbered = ports.filter(([, { isOnePerRecord }]) => !isOnePerRecord).map(([port]) => port);
  const node = numbered.length === 0 ? join : withNumbers(join, name, numbered);
  // below one parent too, what the join wants first comes first
  const rank = ([port]: (typeof ports)[number]): number => (port === join.first ? 0 : 1);
  for (const [port, { parent }] of ports.sort((one, other) => rank(one) - rank(other)))
    parent.children.push({ kind: 'port', port, join: node });
  return node;
}

function withNumbers(join: JoinNode, name: string, numbered: readonly PortName[]): JoinNode {
  const table = join.tables.length;
  return {
    ...join,
    tables: [...join.tables, { name: `${name} order`, state: NUMBER, isPinned: true }],
    open: () => {
      const open = join.open();
      return {
        take: (port, message, context) => {
          if (!numbered.includes(port)) return open.take(port, message, context);
          const offset = (context.row(table, '') ?? 0) as number;
          context.put(table, '', offset + 1, null);
          open.take(port, { ...message, offset }, context);
        },
        wake: (woken, key, context) => open.wake(woken, key, context),
      };
    },
  };
}
