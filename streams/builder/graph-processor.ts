// One stage of a declared topology at work: records into the graph at their source, down to the sinks, in one synchronous step.
import { isEventTime, noEventTime } from '../../schemas/event-time.ts';
import { Failure } from '../../schemas/failure.ts';
import { type FailurePolicies, asFailure, failureOfTimer, retryWaitMs } from '../failure-policies.ts';
import { FOREVER_MS, type Input, NEVER_MS } from '../lane.ts';
import { type LogRecord } from '../log.ts';
import { type Instant } from '../merge.ts';
import { type Decoded, type Processor, type TaskContext } from '../processor.ts';
import { GraphRun, type RunningGraph, type StageGraph } from './graph-run.ts';
import { NeededRows } from './needed-rows.ts';
import { type JoinNode, type KeyedNode, type Node, type OpenJoin, type SourceNode } from './graph.ts';
import { decodeInternal } from './internal-record.ts';
import { type NodeState } from './node-state.ts';

interface RecordWork {
  readonly kind: 'input';
  readonly input: Input;
  readonly timeMs: number;
}

/** Something to be handled: a record, a timer of a key, or a punctuation by the wall clock. */
type Work =
  | RecordWork
  | { readonly kind: 'timer'; readonly timer: string; readonly timeMs: number }
  | { readonly kind: 'punctuation'; readonly node: KeyedNode; readonly wallMs: number; readonly timeMs: number };

/** Characters of a key in a message. */
const SHOWN_KEY_MAX = 100;

/** A step that is punctuated by the wall clock. */
interface Punctuated {
  readonly node: KeyedNode;
  readonly everyMs: number;
  nextMs: number;
}

export class GraphProcessor implements Processor {
  readonly #running: RunningGraph;
  readonly #context: TaskContext<NodeState>;
  readonly #policies: FailurePolicies;
  readonly #sourceOf: ReadonlyMap<string, SourceNode>;
  readonly #isRanked: boolean;
  readonly #punctuated: readonly Punctuated[];
  readonly #backlog: Work[] = [];
  readonly #needed: NeededRows;
  /** rows that the first of the backlog has come upon without their having been foreseen */
  readonly #unforeseen = new Set<string>();
  #lacksState = false;
  #checksRows = false;
  #attempts = 0;
  #retryAtMs = Number.NEGATIVE_INFINITY;
  #timeMs: number;

  constructor(graph: StageGraph, context: TaskContext<NodeState>, policies: FailurePolicies) {
    this.#running = running(graph, context);
    this.#context = context;
    this.#policies = policies;
    this.#sourceOf = new Map(graph.sources.map((source) => [graph.topicOf(source), source]));
    this.#needed = new NeededRows(graph.sources, graph.slots, graph.keys);
    this.#isRanked = new Set(graph.ranks.values()).size > 1;
    this.#timeMs = context.startMs;
    this.#punctuated = graph.slots.flatMap(({ node, kind }) =>
      kind === 'state' && node.kind === 'keyed' && node.punctuation?.by === 'wall clock'
        ? [{ node, everyMs: node.punctuation.everyMs, nextMs: nextMultiple(context.nowMs(), node.punctuation.everyMs) }]
        : [],
    );
  }

  decode(record: LogRecord): Decoded {
    const source = this.#sourceOf.get(record.topic);
    if (source === undefined || (record.value === null && !source.isTable)) return { kind: 'skip' };
    try {
      return source.isInternal ? decodeOwn(source, record) : decodeGiven(source, record);
    } catch (error) {
      return { kind: 'refused', failure: asFailure(error, `reading ${record.topic}`) };
    }
  }

  step({ timeMs, inputs, timers }: Instant): void {
    const ordered = this.#isRanked ? inputs.toSorted((a, b) => this.#rankOf(a) - this.#rankOf(b)) : inputs;
    for (const input of ordered) this.#backlog.push({ kind: 'input', input, timeMs });
    for (const timer of timers) this.#backlog.push({ kind: 'timer', timer, timeMs });
    this.#drain();
  }

  #rankOf({ record }: Input): number {
    const source = this.#sourceOf.get(record.topic);
    return (source === undefined ? undefined : this.#running.graph.ranks.get(source)) ?? 0;
  }

  /** Goes on with what is to be tried again, once its time has come. */
  isReady(): boolean {
    if (this.#backlog.length > 0) this.#drain();
    return this.#backlog.length === 0;
  }

  *keysFor(inputs: Iterable<Input>, timers: Iterable<string>): Iterable<string> {
    yield* this.#unforeseen;
    for (const work of this.#backlog) yield* this.#keysOf(work);
    for (const input of inputs) yield* this.#keysOfInput(input);
    for (const timer of timers) yield* this.#needed.ofTimer(timer);
  }

  #keysOf(work: Work): string[] {
    if (work.kind === 'input') return this.#keysOfInput(work.input);
    return work.kind === 'timer' ? this.#needed.ofTimer(work.timer) : [];
  }

  #keysOfInput({ record }: Input): string[] {
    const source = this.#sourceOf.get(record.topic);
    return source === undefined ? [] : this.#needed.ofMessage(source, keyOf(record));
  }

  get lacksState(): boolean {
    return this.#lacksState;
  }

  checkRows(isOn: boolean): void {
    this.#checksRows = isOn;
  }

  get isWaiting(): boolean {
    return this.#backlog.length > 0;
  }

  /** Once for each step whose time has come, however long it was due; not before the task has seen a record. */
  tick(): void {
    if (this.#punctuated.length === 0 || this.#timeMs === NEVER_MS) return;
    const wallMs = this.#context.nowMs();
    for (const one of this.#punctuated) {
      const isDue = wallMs >= one.nextMs;
      // a wall clock that was set back must not hold it up for longer than once
      if (isDue || wallMs < one.nextMs - one.everyMs) one.nextMs = nextMultiple(wallMs, one.everyMs);
      if (isDue) this.#backlog.push({ kind: 'punctuation', node: one.node, wallMs, timeMs: this.#timeMs });
    }
    this.#drain();
  }

  #drain(): void {
    if (this.#context.monotonicMs() < this.#retryAtMs) return;
    let done = 0;
    this.#lacksState = false;
    for (const work of this.#backlog) {
      if (!this.#handle(work)) break;
      done += 1;
    }
    this.#backlog.splice(0, done);
  }

  /**
   * Gives false when it is to be tried again later. A step is not begun before all that it will read is in memory, so that it need not
   * be run twice.
   */
  #handle(work: Work): boolean {
    this.#timeMs = work.timeMs;
    const { state } = this.#context;
    if (this.#running.graph.slots.length > 0 && !state.isComplete)
      this.#lacksState = this.#keysOf(work).some((key) => state.lacks(key));
    if (this.#lacksState) return false;
    const run = new GraphRun(this.#running, work.timeMs, work.kind === 'input' ? work.input.record : null);
    try {
      if (work.kind === 'input') this.#take(run, work.input);
      else if (work.kind === 'timer') run.fire(work.timer);
      else run.punctuate(work.node, work.wallMs);
      if (this.#checksRows && run.missed === null) run.requireRowsFit();
    } catch (error) {
      if (run.missed !== null) return this.#missed(run.missed);
      const failure = asFailure(error, run.part);
      const waitMs = retryWaitMs(this.#policies, failure, this.#attempts);
      if (waitMs !== null) {
        this.#retryAtMs = this.#context.monotonicMs() + waitMs;
        this.#attempts += 1;
        return false;
      }
      this.#attempts = 0;
      this.#unforeseen.clear();
      // a timer has no record to be put back: whoever wrote the step must hear of it
      if (work.kind !== 'input') throw failureOfTimer(this.#describe(work), failure, error);
      this.#setAside(work, failure);
      return true;
    }
    // a step may have caught what was thrown at it
    if (run.missed !== null) return this.#missed(run.missed);
    this.#attempts = 0;
    this.#unforeseen.clear();
    run.apply();
    return true;
  }

  #missed(id: string): false {
    this.#unforeseen.add(id);
    this.#lacksState = true;
    return false;
  }

  #setAside({ input }: RecordWork, failure: Failure): void {
    this.#context.deadLetter(input.record, failure, failure.code === 'too_large' ? 'produce' : 'process');
  }

  #describe(work: Exclude<Work, RecordWork>): string {
    const { slots, keys } = this.#running.graph;
    const where = `at event time ${work.timeMs} in partition ${this.#context.partition}`;
    if (work.kind === 'punctuation') return `The punctuation of ${work.node.name} ${where}`;
    const slot = slots[keys.slotOf(work.timer)];
    const name = slot?.node.kind === 'keyed' ? slot.node.name : (slot?.name ?? 'a step');
    if (slot?.kind === 'punctuation') return `The punctuation of ${name} ${where}`;
    const key = keys.keyOf(work.timer);
    const shown = JSON.stringify(key.length > SHOWN_KEY_MAX ? `${key.slice(0, SHOWN_KEY_MAX)}…` : key);
    return `The timer of ${name} for the key ${shown} ${where}`;
  }

  #take(run: GraphRun, { record, lane, value, eventTimeMs }: Input): void {
    const source = this.#sourceOf.get(record.topic);
    if (source === undefined) return;
    const offset = lane * LANE_OFFSETS + record.offset;
    run.push(source.children, { key: keyOf(record), value, eventTimeMs, offset });
  }
}

/**
 * Messages of one key and time are ordered by lane, then by offset, as instants hand them over: how the lanes of an internal topic lie
 * among each other depends on when its writers committed. With LANES_MAX lanes it stays a whole number.
 */
const LANE_OFFSETS = 2 ** 44;

function keyOf({ key }: LogRecord): string {
  return key?.toString() ?? '';
}

function running(graph: StageGraph, context: TaskContext<NodeState>): RunningGraph {
  const firstSlots = new Map<Node, number>();
  const joins = new Map<JoinNode, OpenJoin>();
  for (const [slot, { node }] of graph.slots.entries()) {
    if (!firstSlots.has(node)) firstSlots.set(node, slot);
    if (node.kind === 'join' && !joins.has(node)) joins.set(node, node.open());
  }
  return { graph, context, firstSlots, joins };
}

function decodeOwn({ format, isAwaited }: SourceNode, record: LogRecord): Decoded {
  if (record.value === null) return { kind: 'skip' };
  const { lane, eventTimeMs, value } = decodeInternal(record.value);
  const decoded = value === null ? null : format.decode(value);
  // what nobody waits for is handled at whatever time it is
  if (!isAwaited) return { kind: 'input', lane: 0, eventTimeMs: NEVER_MS, value: decoded };
  // one beyond all times, moved there before times were checked, would stand in the lane for ever
  if (!(Math.abs(eventTimeMs) < FOREVER_MS)) return { kind: 'refused', failure: noEventTime(eventTimeMs) };
  return { kind: 'input', lane, eventTimeMs, value: decoded };
}

function decodeGiven({ format, timeOf }: SourceNode, record: LogRecord): Decoded {
  const value = record.value === null ? null : format.decode(record.value);
  const eventTimeMs = timeOf === null || record.value === null ? record.timestampMs : timeOf(value);
  if (!isEventTime(eventTimeMs)) return { kind: 'refused', failure: noEventTime(eventTimeMs) };
  return { kind: 'input', lane: 0, eventTimeMs, value };
}

function nextMultiple(nowMs: number, everyMs: number): number {
  return (Math.floor(nowMs / everyMs) + 1) * everyMs;
}
