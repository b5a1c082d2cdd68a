// One piece of work in the graph: a record on its way from its source to the sinks, a timer of a key, a punctuation. What it changes
// is kept aside until `apply`.
import { Failure } from '../../schemas/failure.ts';
import { FOREVER_MS } from '../lane.ts';
import { type Header, type LogRecord, type NewRecord } from '../log.ts';
import { type TaskContext } from '../processor.ts';
import { RECORD_BYTES_MAX } from '../record-limit.ts';
import { Effects } from './effects.ts';
import { requireKey, requireNoPromise, requireOpen, requireValue } from './given.ts';
import {
  type JoinContext,
  type JoinNode,
  type KeyedContext,
  type KeyedNode,
  type Message,
  type Node,
  type OpenJoin,
  type SentMessage,
  type SinkNode,
  type Slot,
  type SourceNode,
} from './graph.ts';
import { encodeInternal, encodeInternalDeletion } from './internal-record.ts';
import { type NodeState, type StateKeys } from './node-state.ts';
import { NO_HEADERS, headersBytes, movedHeaders, outputHeaders } from './passed-headers.ts';

export interface StageGraph {
  readonly sources: readonly SourceNode[];
  readonly slots: readonly Slot[];
  readonly keys: StateKeys;
  /** by source: of the records of one instant those of lower rank come first */
  readonly ranks: ReadonlyMap<SourceNode, number>;
  topicOf(sink: SinkNode | SourceNode): string;
}

/** What a task of a stage has for all its work. */
export interface RunningGraph {
  readonly graph: StageGraph;
  readonly context: TaskContext<NodeState>;
  /** by node: where its slots begin */
  readonly firstSlots: ReadonlyMap<Node, number>;
  readonly joins: ReadonlyMap<JoinNode, OpenJoin>;
}

export class GraphRun {
  readonly #running: RunningGraph;
  readonly #effects: Effects;
  readonly #timeMs: number;
  readonly #record: LogRecord | null;
  /** what is at work; stays what it was when something is thrown */
  #at: Node | null = null;
  /** what its record gives to internal topics */
  #moved: readonly Header[] | null = null;

  /**
   * @param timeMs event time of the task
   * @param record that it is about; null: a timer or a punctuation
   */
  constructor(running: RunningGraph, timeMs: number, record: LogRecord | null) {
    this.#running = running;
    this.#effects = new Effects(running.context);
    this.#timeMs = timeMs;
    this.#record = record;
  }

  get #headers(): readonly Header[] {
    return this.#record?.headers ?? NO_HEADERS;
  }

  /** A row that was needed and is not in memory: the run counts for nothing. */
  get missed(): string | null {
    return this.#effects.missed;
  }

  /** What is at work, or has thrown, as messages name it. */
  get part(): string {
    const node = this.#at;
    if (node === null) return 'the topology';
    switch (node.kind) {
      case 'keyed':
        return `step ${node.name}`;
      case 'map':
        return node.label;
      case 'sink':
        return `writing ${node.topic}`;
      case 'port':
        return `${node.join.what} ${node.join.label}`;
      case 'join':
        return `${node.what} ${node.label}`;
    }
  }

  get #keys(): StateKeys {
    return this.#running.graph.keys;
  }

  /** @throws Failure `too_large` when a row that it changes does not fit into a record of the changelog */
  requireRowsFit(): void {
    this.#effects.forEachTooLarge((id, bytes) => {
      const step = this.#running.graph.slots[this.#keys.slotOf(id)]?.name ?? '';
      throw new Failure(
        'too_large',
        `What ${step} keeps of the key ${this.#keys.keyOf(id)} would have ${bytes} bytes.`,
        {
          field: step,
          fix: `Keep less than ${RECORD_BYTES_MAX} bytes of a key: a row of the state is one record of its changelog.`,
        },
      );
    });
  }

  apply(): void {
    this.#effects.apply();
  }

  push(nodes: readonly Node[], message: Message): void {
    const above = this.#at;
    for (const node of nodes) {
      this.#at = node;
      switch (node.kind) {
        case 'map':
          node.apply(message, (next) => this.push(node.children, next), this.#headers);
          break;
        case 'keyed':
          this.#step(node, message);
          break;
        case 'port':
          this.#joinOf(node.join).take(node.port, message, this.#joinContext(node.join));
          break;
        case 'sink':
          this.#effects.emit(this.#recordOf(node, message));
          break;
        case 'join':
          throw new Failure('internal', `The join ${node.label} is reached without a port.`);
      }
    }
    this.#at = above;
  }

  fire(id: string): void {
    const { slots } = this.#running.graph;
    const place = this.#keys.slotOf(id);
    const slot = slots[place];
    const entry = this.#effects.get(id);
    if (slot === undefined || entry === undefined) return;
    // a record of the same instant has moved the timer, or taken it back: this one is not due any more
    if (entry.timerMs === null || entry.timerMs > this.#timeMs) return;
    const { node, kind } = slot;
    this.#at = node;
    if (node.kind === 'join') {
      this.#effects.put(id, { ...entry, timerMs: null });
      this.#joinOf(node).wake(place - this.#slotOf(node), this.#keys.keyOf(id), this.#joinContext(node));
    } else if (kind === 'punctuation') {
      this.#effects.put(id, undefined);
      this.punctuate(node, null);
      if (this.#keepsAnything(node)) this.#armPunctuation(node);
    } else if (node.timer !== null) {
      this.#effects.put(id, { ...entry, timerMs: null });
      this.#withState(node, this.#keys.keyOf(id), entry.timerMs, node.timer);
    }
  }

  /** @param wallMs null: by event time */
  punctuate(node: KeyedNode, wallMs: number | null): void {
    const slot = this.#slotOf(node);
    const eventTimeMs = this.#timeMs;
    if (node.punctuation === null) return;
    this.#at = node;
    const what = `step ${node.name}`;
    let isOver = false;
    const given = node.punctuation.run({
      timeMs: eventTimeMs,
      wallMs,
      states: () => this.#statesOf(slot),
      setState: (key, value) => {
        requireOpen(what, isOver);
        requireKey(what, key);
        const id = this.#keys.key(slot, key);
        const timerMs = this.#effects.get(id)?.timerMs ?? null;
        this.#keep(id, { node: slot, timerMs, value });
        if (value !== undefined) this.#armPunctuation(node);
      },
      emit: (key, value) => {
        requireOpen(what, isOver);
        requireKey(what, key);
        requireValue(what, value);
        this.push(node.children, { key, value, eventTimeMs, offset: -1 });
      },
    });
    isOver = true;
    requireNoPromise(what, given);
  }

  *#statesOf(slot: number): Iterable<readonly [string, unknown]> {
    const prefix = this.#keys.key(slot, '');
    for (const [id, { value }] of this.#running.context.state.entries())
      if (value !== undefined && id.startsWith(prefix)) yield [this.#keys.keyOf(id), value];
  }

  #keepsAnything(node: KeyedNode): boolean {
    const slot = this.#slotOf(node);
    for (const [key] of this.#statesOf(slot))
      if (this.#effects.get(this.#keys.key(slot, key))?.value !== undefined) return true;
    return false;
  }

  #armPunctuation(node: KeyedNode): void {
    if (node.punctuation?.by !== 'event time') return;
    const slot = this.#slotOf(node) + 1;
    const id = this.#keys.key(slot, '');
    if (this.#effects.get(id) !== undefined) return;
    const { everyMs } = node.punctuation;
    const timerMs = (Math.floor(this.#timeMs / everyMs) + 1) * everyMs;
    this.#effects.put(id, { node: slot, timerMs, value: undefined });
  }

  #slotOf(node: KeyedNode | JoinNode): number {
    const slot = this.#running.firstSlots.get(node);
    if (slot === undefined) throw new Failure('internal', 'A step is not part of its stage.');
    return slot;
  }

  #joinOf(node: JoinNode): OpenJoin {
    const join = this.#running.joins.get(node);
    if (join === undefined) throw new Failure('internal', `The join ${node.label} was not opened.`);
    return join;
  }

  #step(node: KeyedNode, { key, value, eventTimeMs }: Message): void {
    this.#withState(node, key, eventTimeMs, (context) => node.each(value, context));
    this.#armPunctuation(node);
  }

  #withState(
    node: KeyedNode,
    key: string,
    eventTimeMs: number,
    run: (context: KeyedContext<unknown, unknown>) => unknown,
  ): void {
    const slot = this.#slotOf(node);
    const id = this.#keys.key(slot, key);
    const entry = this.#effects.get(id);
    let value = entry?.value;
    let timerMs = entry?.timerMs ?? null;
    let changed = false;
    const what = `step ${node.name}`;
    let isOver = false;
    const given = run({
      key,
      timeMs: this.#timeMs,
      eventTimeMs,
      headers: this.#headers,
      state: value,
      setState: (next) => {
        requireOpen(what, isOver);
        value = next;
        changed = true;
      },
      setTimer: (nextMs) => {
        requireOpen(what, isOver);
        if (nextMs !== null && !isTimer(nextMs)) throw noTimer(nextMs);
        timerMs = nextMs;
        changed = true;
      },
      emit: (output) => {
        requireOpen(what, isOver);
        requireValue(what, output);
        this.push(node.children, { key, value: output, eventTimeMs, offset: -1 });
      },
    });
    isOver = true;
    requireNoPromise(what, given);
    if (changed || (entry !== undefined && value === undefined && timerMs === null))
      this.#keep(id, { node: slot, timerMs, value });
  }

  /** A row with neither state nor timer is none. */
  #keep(id: string, entry: NodeState): void {
    this.#effects.put(id, entry.value === undefined && entry.timerMs === null ? undefined : entry);
  }

  #joinContext(node: JoinNode): JoinContext {
    const effects = this.#effects;
    const first = this.#slotOf(node);
    return {
      partition: this.#running.context.partition,
      watermarkMs: this.#timeMs,
      row: (table, key) => effects.get(this.#keys.key(first + table, key))?.value,
      put: (table, key, value, timerMs) => {
        const id = this.#keys.key(first + table, key);
        const held = effects.get(id);
        // what is as it was need not be written again
        if (held?.timerMs === timerMs && isSameRow(held.value, value)) return;
        if (held !== undefined || value !== undefined) this.#keep(id, { node: first + table, timerMs, value });
      },
      keys: (table) => Array.from(this.#statesOf(first + table), ([key]) => key),
      emit: (key, value, eventTimeMs) => {
        requireValue(`${node.what} ${node.label}`, value);
        this.push(node.children, { key, value, eventTimeMs, offset: -1 });
      },
      send: (sink, message) => effects.emit(this.#recordOf(sink, message)),
    };
  }

  #recordOf(sink: SinkNode, { key, value, eventTimeMs, partition }: SentMessage): NewRecord {
    const { graph, context } = this.#running;
    const isDeletion = sink.isTable && value === null;
    const encoded = isDeletion ? null : sink.format.encode(value);
    const valueBytes = encoded?.length ?? 0;
    const headers = this.#headersTo(sink, value, key);
    if (valueBytes + key.length + headersBytes(headers) > RECORD_BYTES_MAX) throw tooLarge(sink, valueBytes);
    return {
      topic: graph.topicOf(sink),
      ...(partition === undefined ? {} : { partition }),
      timestampMs: eventTimeMs,
      key: Buffer.from(key),
      value: sink.isInternal ? internal(context.partition, eventTimeMs, encoded) : encoded,
      headers,
    };
  }

  /** @param value null in a table: a deletion, to which nothing is added */
  #headersTo({ isInternal, isTable, headersOf }: SinkNode, value: unknown, key: string): readonly Header[] {
    this.#moved ??= this.#record === null ? NO_HEADERS : movedHeaders(this.#record, this.#isOfInternal(this.#record));
    if (isInternal) return this.#moved;
    return outputHeaders(this.#moved, isTable && value === null ? undefined : headersOf?.(value, key));
  }

  #isOfInternal({ topic, headers }: LogRecord): boolean {
    const { sources, topicOf } = this.#running.graph;
    return headers.length > 0 && sources.some((source) => source.isInternal && topicOf(source) === topic);
  }
}

function internal(lane: number, eventTimeMs: number, value: Buffer | null): Buffer {
  return value === null ? encodeInternalDeletion(lane, eventTimeMs) : encodeInternal(lane, eventTimeMs, value);
}

/** Rows of joins are never changed in place: one whose parts are the same ones is the same. */
function isSameRow(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  const [before, after] = [a as Readonly<Record<string, unknown>>, b as Readonly<Record<string, unknown>>];
  const names = Object.keys(before);
  return names.length === Object.keys(after).length && names.every((name) => before[name] === after[name]);
}

function tooLarge(sink: SinkNode, valueBytes: number): Failure {
  return new Failure('too_large', `A record for ${sink.topic} would have ${valueBytes} bytes.`, {
    field: 'value',
    fix: `Keep values below ${RECORD_BYTES_MAX} bytes.`,
  });
}

/** What a timer emits has its time, which a record holds as a whole number. */
function isTimer(timeMs: number): boolean {
  return Number.isInteger(timeMs) && Math.abs(timeMs) < FOREVER_MS;
}

function noTimer(timeMs: number): Failure {
  return new Failure('invalid_field', `setTimer was given ${timeMs}, which is no time.`, {
    fix: 'Give whole epoch milliseconds, or null for no timer.',
  });
}
