// A declared topology as a graph: sources at the top, what is done to each record below, sinks at the bottom.
import { type Header } from '../log.ts';
import { type Format } from './format.ts';
import { type Ignored } from './given.ts';

/** What travels from node to node. */
export interface Message {
  readonly key: string;
  /** null in a table: the key has no row any more */
  readonly value: unknown;
  readonly eventTimeMs: number;
  /** of the record that it is made of; −1: of a timer */
  readonly offset: number;
}

export interface SourceNode {
  readonly kind: 'source';
  readonly topic: string;
  readonly format: Format<unknown>;
  /** event time of a value, epoch ms; null: the record's timestamp */
  readonly timeOf: ((value: unknown) => number) | null;
  /** given by its user: the stage that reads it is called so; null: by its place */
  readonly name: string | null;
  /** written by another stage of the same topology */
  readonly isInternal: boolean;
  /** records without a value are deletions; else they are of no concern */
  readonly isTable: boolean;
  /** false: its records are taken as they come, event time does not wait for them */
  readonly isAwaited: boolean;
  readonly children: Node[];
}

/** Stateless: one message in, any number out. */
export interface MapNode {
  readonly kind: 'map';
  /** `merge`: below several parents */
  readonly label: 'map' | 'filter' | 'flatMap' | 'keyBy' | 'merge';
  /** @param headers of the record that all this is about */
  readonly apply: (message: Message, emit: (message: Message) => void, headers: readonly Header[]) => void;
  readonly children: Node[];
}

/** What a stateful step is given for one key. */
export interface KeyedContext<S, O> {
  readonly key: string;
  /** event time of the instant being handled */
  readonly timeMs: number;
  /** event time of the value; when a timer is due: the time it was set to */
  readonly eventTimeMs: number;
  /** of the record that is handled; behind `keyBy` with its `causation`, the place of the source's record; none when a timer is due */
  readonly headers: readonly Header[];
  /** undefined: there is none */
  readonly state: S | undefined;
  setState(state: S | undefined): void;
  emit(value: O): void;
  /** At most one timer per key; null removes it. It is kept with the state. */
  setTimer(timeMs: number | null): void;
}

/** What a step is given when it is punctuated: all keys of its task. */
export interface PunctuationContext<S, O> {
  /** event time: the instant of the punctuation, or, by the wall clock, that of the last record */
  readonly timeMs: number;
  /** wall clock, epoch ms; null by event time, which must not depend on it */
  readonly wallMs: number | null;
  /** keys with a state, in no order, with what they had when this began */
  states(): Iterable<readonly [key: string, state: S]>;
  setState(key: string, state: S | undefined): void;
  emit(key: string, value: O): void;
}

export interface Punctuation<S, O> {
  readonly everyMs: number;
  readonly by: 'event time' | 'wall clock';
  run(context: PunctuationContext<S, O>): Ignored;
}

export interface KeyedNode {
  readonly kind: 'keyed';
  /** unique in the topology: names the part of the state */
  readonly name: string;
  readonly state: Format<unknown>;
  readonly each: (value: unknown, context: KeyedContext<unknown, unknown>) => Ignored;
  readonly timer: ((context: KeyedContext<unknown, unknown>) => Ignored) | null;
  readonly punctuation: Punctuation<unknown, unknown> | null;
  /** its state as who reads it from outside is told; absent: as it is */
  readonly show?: (state: unknown) => unknown;
  readonly children: Node[];
}

/** Where a message comes into a join. `message`: from the other half of a foreign-key join; `only`: of a node that has no other. */
export type PortName = 'left' | 'right' | 'message' | 'only';

export interface PortNode {
  readonly kind: 'port';
  readonly port: PortName;
  readonly join: JoinNode;
}

/** What a join is given for one message or timer, and where its effects go. */
export interface JoinContext {
  readonly partition: number;
  /** event time of the instant being handled */
  readonly watermarkMs: number;
  /** @param table place among the join's tables; undefined: there is no such row */
  row(table: number, key: string): unknown;
  /** @param row undefined: deleted */
  put(table: number, key: string, row: unknown, timerMs: number | null): void;
  /** Of a pinned table. */
  keys(table: number): Iterable<string>;
  emit(key: string, value: unknown, eventTimeMs: number): void;
  /** @param partition absent: by the key */
  send(sink: SinkNode, record: SentMessage): void;
}

export interface SentMessage {
  readonly key: string;
  readonly value: unknown;
  readonly eventTimeMs: number;
  readonly partition?: number;
}

/** A join at work in one task. */
export interface OpenJoin {
  take(port: PortName, message: Message, context: JoinContext): void;
  /** The timer of a row is due. */
  wake(table: number, key: string, context: JoinContext): void;
}

export interface JoinTable {
  readonly name: string;
  readonly state: Format<unknown>;
  /** true: its rows are read by other keys than that of the message or timer; all of them stay in memory */
  readonly isPinned?: boolean;
  /** a row as who reads it from outside is told */
  readonly show?: (value: unknown) => unknown;
}

/** A join, or a half of what aggregates the groups of a table. */
export interface JoinNode {
  readonly kind: 'join';
  /** as messages name it, before its label */
  readonly what: 'join' | 'aggregate';
  readonly label: string;
  /** what it keeps: at least one, each with a name that is unique in the topology */
  readonly tables: readonly JoinTable[];
  /** the port whose messages are taken first among those of an instant; null: it does not matter */
  readonly first: PortName | null;
  readonly open: () => OpenJoin;
  /** to the other half */
  readonly sinks: SinkNode[];
  readonly children: Node[];
}

/** Headers by name that a user adds; text is written as UTF-8. */
export type AddedHeaders = Readonly<Record<string, string | Buffer>>;

export interface SinkNode {
  readonly kind: 'sink';
  readonly topic: string;
  readonly format: Format<unknown>;
  /** the messages go on in another stage, by their new key */
  readonly isInternal: boolean;
  /** what its user adds to each record that has a value; absent: nothing */
  readonly headersOf?: (value: unknown, key: string) => AddedHeaders;
  /** null is written as a record without a value */
  readonly isTable: boolean;
  readonly isAwaited: boolean;
}

export type Node = MapNode | KeyedNode | PortNode | JoinNode | SinkNode;

/** Anything that others hang below. */
export interface Parent {
  readonly children: Node[];
}

export function childrenOf(node: SourceNode | Node): readonly Node[] {
  switch (node.kind) {
    case 'sink':
      return [];
    case 'port':
      return [node.join];
    case 'join':
      return [...node.sinks, ...node.children];
    default:
      return node.children;
  }
}

/** The node and all below it, each once. */
export function below(node: SourceNode | Node, seen = new Set<SourceNode | Node>()): Set<SourceNode | Node> {
  if (seen.has(node)) return seen;
  seen.add(node);
  for (const child of childrenOf(node)) below(child, seen);
  return seen;
}

/** A kind of rows in the stage's store. Its name stands, as a hash, in the keys of its rows. */
export interface Slot {
  readonly name: string;
  readonly state: Format<unknown>;
  readonly node: KeyedNode | JoinNode;
  /** `punctuation`: one row, whose timer is when the step is punctuated next */
  readonly kind: 'state' | 'punctuation';
  /** of a join's table */
  readonly isPinned?: boolean;
  readonly show?: (value: unknown) => unknown;
}

const NOTHING: Format<unknown> = { encode: () => Buffer.alloc(0), decode: () => undefined };

export function slotsOf(nodes: Iterable<SourceNode | Node>): Slot[] {
  const slots: Slot[] = [];
  for (const node of nodes) {
    if (node.kind === 'keyed') {
      const { name, state, show } = node;
      slots.push({ name, state, node, kind: 'state', ...(show === undefined ? {} : { show }) });
      if (node.punctuation?.by === 'event time')
        slots.push({ name: `${node.name} punctuation`, state: NOTHING, node, kind: 'punctuation' });
    } else if (node.kind === 'join') for (const table of node.tables) slots.push({ ...table, node, kind: 'state' });
  }
  return slots;
}
