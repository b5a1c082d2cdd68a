// A processor of which each input and each timer is about one row of the state. The state may be in memory in part: an instant waits
// until all its rows are there, and is stepped once.
import { type Input } from './lane.ts';
import { type LogRecord } from './log.ts';
import { type Instant } from './merge.ts';
import { type Decoded, type Processor } from './processor.ts';
import { isPositionKey, reservedKey } from './state/position.ts';
import { type TaskState } from './task-state.ts';

export interface KeyedSteps {
  decode(record: LogRecord): Decoded;
  /** Reads and changes the rows of `keyOf` its inputs and of its timers, no others. */
  step(instant: Instant): void;
  /** the text of its record's key */
  keyOf(input: Input): string;
}

export class KeyedProcessor implements Processor {
  readonly #steps: KeyedSteps;
  readonly #state: Pick<TaskState<never>, 'isComplete' | 'lacks'>;
  /** begun, and not stepped yet: it lacks rows */
  #waiting: Instant | null = null;

  constructor(steps: KeyedSteps, state: Pick<TaskState<never>, 'isComplete' | 'lacks'>) {
    this.#steps = steps;
    this.#state = state;
  }

  decode(record: LogRecord): Decoded {
    const { key } = record;
    if (key !== null && isPositionKey(key, 0, key.length)) return { kind: 'refused', failure: reservedKey() };
    return this.#steps.decode(record);
  }

  step(instant: Instant): void {
    if (this.#lacksRowsOf(instant)) this.#waiting = instant;
    else this.#steps.step(instant);
  }

  isReady(): boolean {
    const instant = this.#waiting;
    if (instant === null) return true;
    if (this.#lacksRowsOf(instant)) return false;
    this.#waiting = null;
    this.#steps.step(instant);
    return true;
  }

  get isWaiting(): boolean {
    return this.#waiting !== null;
  }

  /** What it waits for is always state. */
  get lacksState(): boolean {
    return this.isWaiting;
  }

  *keysFor(inputs: Iterable<Input>, timers: Iterable<string>): Iterable<string> {
    if (this.#waiting !== null) yield* this.#keysOf(this.#waiting.inputs, this.#waiting.timers);
    yield* this.#keysOf(inputs, timers);
  }

  #lacksRowsOf({ inputs, timers }: Instant): boolean {
    if (this.#state.isComplete) return false;
    for (const key of this.#keysOf(inputs, timers)) if (this.#state.lacks(key)) return true;
    return false;
  }

  *#keysOf(inputs: Iterable<Input>, timers: Iterable<string>): Iterable<string> {
    for (const input of inputs) yield this.#steps.keyOf(input);
    yield* timers;
  }
}
