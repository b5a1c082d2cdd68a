// Merging lanes by event time: one instant after the other, each with all that happened at it.
import { type InputPartition } from './input-partition.ts';
import { FOREVER_MS, type Input, type Lane, NEVER_MS } from './lane.ts';
import { type Timers } from './timers.ts';

/**
 * Of one instant: all keys may have their timers at midnight, and what they change must not all have to be in memory. The others follow
 * at the same event time, as an instant of their own.
 */
const TIMERS_MAX = 1000;

export interface Instant {
  /** event time, epoch ms; never goes back */
  readonly timeMs: number;
  /** in the order of the lanes, then of offsets: the same in every run */
  readonly inputs: readonly Input[];
  /** keys whose timers are due now, sorted: the first thousand of them */
  readonly timers: readonly string[];
}

export class Merge {
  readonly #partitions: readonly InputPartition[];
  readonly #lanes: readonly Lane[];
  /** those that say how far event time is */
  readonly #awaited: readonly Lane[];
  /** those of them that hold event time up: not the idle ones, unless all are */
  #holding: readonly Lane[];
  /** those whose records of the past wait for no other lane */
  readonly #atOnce: readonly Lane[];
  readonly #timers: Timers;
  #nowMs: number;

  /** @param partitions in their fixed order, as their lanes: it decides between inputs of the same instant */
  constructor(partitions: readonly InputPartition[], timers: Timers, startMs: number) {
    this.#partitions = partitions;
    const lanes = partitions.flatMap((partition) => partition.lanes);
    this.#lanes = lanes;
    this.#awaited = lanes.filter(({ isAwaited }) => isAwaited);
    this.#holding = this.#awaited;
    this.#atOnce = lanes.filter(({ isAwaited, isGlobal }) => isGlobal || !isAwaited);
    this.#timers = timers;
    this.#nowMs = startMs;
  }

  /** Lanes have become idle, or come back. */
  passOverIdle(): void {
    const heard = this.#awaited.filter(({ isIdle }) => !isIdle);
    this.#holding = heard.length === 0 ? this.#awaited : heard;
  }

  /** Whether it waits for what the log is known to hold, live: it may be older than all that is here. */
  get isBehind(): boolean {
    for (const partition of this.#partitions) if (partition.isBehind) return true;
    return false;
  }

  /** Event time of the last instant. */
  get nowMs(): number {
    return this.#nowMs;
  }

  /** Event time of the instant that comes next, complete or not; FOREVER_MS: none is known. */
  get nextMs(): number {
    // a record that came late is handled at the task's own time
    return Math.max(Math.min(this.#earliestHeadMs(), this.#timers.nextMs() ?? FOREVER_MS), this.#nowMs);
  }

  /** @param boundMs nothing later may be taken yet (FOREVER_MS: no such bound) */
  next(boundMs: number): Instant | null {
    if (this.#hasPast()) return { timeMs: this.#nowMs, inputs: takeTo(this.#atOnce, this.#nowMs), timers: [] };
    const atMs = this.#readyAtMs(boundMs);
    if (atMs === null) return null;
    this.#nowMs = atMs;
    return { timeMs: atMs, inputs: takeTo(this.#lanes, atMs), timers: this.#timers.takeDue(atMs, TIMERS_MAX) };
  }

  /** What is queued, about in the order in which it will be taken. */
  upcoming(countMax: number): readonly Input[] {
    const places = this.#lanes.map(() => 0);
    const inputs: Input[] = [];
    while (inputs.length < countMax) {
      let first: Input | undefined;
      let firstLane = 0;
      for (const [index, lane] of this.#lanes.entries()) {
        const input = lane.at(places[index] ?? 0);
        if (input === undefined || (first !== undefined && input.eventTimeMs >= first.eventTimeMs)) continue;
        [first, firstLane] = [input, index];
      }
      if (first === undefined) break;
      places[firstLane] = (places[firstLane] ?? 0) + 1;
      inputs.push(first);
    }
    return inputs;
  }

  #readyAtMs(boundMs: number): number | null {
    const headMs = this.#earliestHeadMs();
    const timerMs = this.#timers.nextMs() ?? FOREVER_MS;
    const atMs = this.nextMs;
    if (atMs >= FOREVER_MS || atMs > boundMs) return null;
    const timerOnly = timerMs < headMs;
    // its time has come already
    if (timerOnly && this.#timers.isCut) return atMs;
    if (timerOnly) return this.#timersMayFireMs() < atMs ? null : atMs;
    return this.#lanes.every((lane) => lane.completeTo(atMs)) && !this.isBehind ? atMs : null;
  }

  #earliestHeadMs(): number {
    let earliest = FOREVER_MS;
    for (const lane of this.#lanes) {
      const head = lane.head;
      if (head !== undefined && head.eventTimeMs < earliest) earliest = head.eventTimeMs;
    }
    return earliest;
  }

  // Between records a timer may fire once no record before it can still come; live lanes promise nothing but their last mark,
  // unless a later record stands at the head of a lane, and nothing older is known to lie in the log.
  #timersMayFireMs(): number {
    let queuedMs = NEVER_MS;
    let quietMs = FOREVER_MS;
    const latestMs = this.isBehind ? NEVER_MS : this.#latestHeadMs();
    for (const lane of this.#holding) {
      const head = lane.head;
      if (head === undefined) {
        if (!lane.live) quietMs = Math.min(quietMs, lane.knownMs());
        else quietMs = Math.min(quietMs, Math.max(lane.knownMs(), latestMs));
      } else queuedMs = Math.max(queuedMs, head.eventTimeMs);
    }
    return quietMs === FOREVER_MS ? queuedMs : quietMs;
  }

  #latestHeadMs(): number {
    let latest = NEVER_MS;
    for (const lane of this.#awaited) {
      const head = lane.head;
      if (head !== undefined && head.eventTimeMs > latest) latest = head.eventTimeMs;
    }
    return latest;
  }

  // A table that is read again after a restart may be longer than what fits into the queues, and all of it lies in the past. What
  // nobody waits for waits for nobody.
  #hasPast(): boolean {
    return this.#atOnce.some(({ head }) => head !== undefined && head.eventTimeMs <= this.#nowMs);
  }

  /** Event time up to which all has been done, as far as the lanes go. */
  watermarkMs(boundMs: number): number {
    let watermark = boundMs;
    const isBehind = this.isBehind;
    for (const lane of this.#awaited) watermark = Math.min(watermark, isBehind ? lane.knownMs() : lane.watermarkMs());
    const timerMs = this.#timers.nextMs();
    return timerMs === null ? watermark : Math.min(watermark, timerMs - 1);
  }

  /** As watermarkMs, but live lanes tell the time that their marks gave instead of none. */
  knownMs(boundMs: number): number {
    let known = boundMs;
    for (const lane of this.#holding) known = Math.min(known, lane.knownMs());
    const timerMs = this.#timers.nextMs();
    return Math.max(this.#nowMs, timerMs === null ? known : Math.min(known, timerMs - 1));
  }

  /** Whether an instant is ready to be taken. */
  ready(boundMs: number): boolean {
    return this.#hasPast() || this.#readyAtMs(boundMs) !== null;
  }

  get live(): boolean {
    return this.#awaited.every((lane) => lane.live);
  }

  get queued(): number {
    return this.#lanes.reduce((sum, lane) => sum + lane.size, 0);
  }
}

function takeTo(lanes: readonly Lane[], timeMs: number): Input[] {
  const inputs: Input[] = [];
  for (const lane of lanes) {
    for (let head = lane.head; head !== undefined && head.eventTimeMs <= timeMs; head = lane.head) {
      inputs.push(head);
      lane.shift();
    }
  }
  return inputs;
}
