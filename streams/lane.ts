// A lane is a sequence of records in event-time order: a partition of a source topic, or, in an internal topic, what one
// upstream task wrote into a partition. Marks (Watermarks events) say how far a lane is complete.

import { type LogRecord } from './log.ts';

export const NEVER_MS = -8.64e15;
export const FOREVER_MS = 8.64e15;

/** A decoded record, ready for its processor. */
export interface Input {
  readonly record: LogRecord;
  readonly lane: number;
  readonly eventTimeMs: number;
  readonly value: unknown;
}

export interface Mark {
  readonly eventTimeMs: number;
  readonly offset: number;
  readonly live: boolean;
}

export class Lane {
  readonly topic: string;
  readonly partition: number;
  readonly lane: number;
  /** everything at or before this event time has been queued */
  #boundMs: number;
  #live: boolean;
  #queue: Input[] = [];
  #head = 0;
  #tailTimeMs = NEVER_MS;
  #positionOffset = 0;
  #marks: Mark[] = [];
  #arrivals = 0;
  /** nothing has come of it for long: event time goes on without it (IdleLanes says so) */
  isIdle = false;
  /** records of this lane at or before this offset were processed before the last restart */
  readonly processedOffset: number;
  /** false: its records are taken as they come, and no instant waits for them, in event-time mode either */
  readonly isAwaited: boolean;
  /** one of a table that every task reads whole: its rows of the past wait for no other lane */
  readonly isGlobal: boolean;

  constructor(
    topic: string,
    partition: number,
    lane: number,
    live: boolean,
    processedOffset: number,
    { isAwaited = true, isGlobal = false }: { readonly isAwaited?: boolean; readonly isGlobal?: boolean } = {},
  ) {
    this.topic = topic;
    this.partition = partition;
    this.lane = lane;
    this.#live = live;
    this.#boundMs = NEVER_MS;
    this.processedOffset = processedOffset;
    this.isAwaited = isAwaited;
    this.isGlobal = isGlobal;
  }

  get size(): number {
    return this.#queue.length - this.#head;
  }

  get head(): Input | undefined {
    return this.#queue[this.#head];
  }

  /** What is queued, in order. @param index 0: the head */
  at(index: number): Input | undefined {
    return this.#queue[this.#head + index];
  }

  /** Grows with each record and each mark that comes. */
  get arrivals(): number {
    return this.#arrivals;
  }

  /** Whether something has come that could not be taken yet. */
  get holdsNews(): boolean {
    return this.size > 0 || this.#marks.length > 0;
  }

  push(input: Input): void {
    this.#arrivals += 1;
    if (input.record.offset <= this.processedOffset) return;
    this.#queue.push(input);
    if (input.eventTimeMs > this.#tailTimeMs) this.#tailTimeMs = input.eventTimeMs;
  }

  shift(): Input | undefined {
    const input = this.#queue[this.#head];
    if (input === undefined) return undefined;
    this.#head += 1;
    if (this.#head === this.#queue.length) {
      this.#queue = [];
      this.#head = 0;
    } else if (this.#head > 4096 && this.#head * 2 > this.#queue.length) {
      this.#queue = this.#queue.slice(this.#head);
      this.#head = 0;
    }
    return input;
  }

  /** The reader has come to this offset of the lane's partition. */
  moveTo(offset: number): void {
    this.#positionOffset = offset;
    this.#applyMarks();
  }

  mark(mark: Mark): void {
    this.#arrivals += 1;
    this.#marks.push(mark);
    this.#applyMarks();
  }

  /** Nobody has said so, but nothing at or before `timeMs` is waited for any more. */
  goOnTo(timeMs: number): void {
    if (timeMs > this.#boundMs) this.#boundMs = timeMs;
  }

  #applyMarks(): void {
    let applied = 0;
    for (const mark of this.#marks) {
      // marks come in order: the first that speaks of unread records ends the walk
      if (mark.offset > this.#positionOffset) break;
      if (mark.eventTimeMs > this.#boundMs) this.#boundMs = mark.eventTimeMs;
      this.#live = mark.live;
      applied += 1;
    }
    if (applied > 0) this.#marks.splice(0, applied);
  }

  get live(): boolean {
    return this.#live;
  }

  /** Whether every record at or before `timeMs` is in the queue (or was taken from it). */
  completeTo(timeMs: number): boolean {
    return this.#live || !this.isAwaited || this.#boundMs >= timeMs || (this.size > 0 && this.#tailTimeMs > timeMs);
  }

  /** Event time up to which everything was taken: FOREVER_MS for a lane whose records are taken as they arrive. */
  watermarkMs(): number {
    const head = this.head;
    if (head !== undefined) return head.eventTimeMs - 1;
    return this.#live ? FOREVER_MS : this.#boundMs;
  }

  /** As watermarkMs, but a live lane tells the time that its marks gave. */
  knownMs(): number {
    const head = this.head;
    return head === undefined ? this.#boundMs : head.eventTimeMs - 1;
  }
}
