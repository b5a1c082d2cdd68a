// One merged task: its lanes, its merge, its state and its processor. Knows nothing of transactions; the application commits it.
import { type Clock } from './clock.ts';
import { IdleLanes } from './idle-lanes.ts';
import { type EndOf, InputPartition } from './input-partition.ts';
import { FOREVER_MS, Lane, NEVER_MS } from './lane.ts';
import {
  type CommittedOffset,
  type Fetched,
  type LogRecord,
  type NewRecord,
  type TopicPartition,
  partitionId,
} from './log.ts';
import { Merge } from './merge.ts';
import { type PartsMark, partsMark } from './moved-parts.ts';
import { type OutputLane, type Processor, type SubTopology, type TaskContext } from './processor.ts';
import { type FailurePolicies, SetAside } from './failure-policies.ts';
import { Standing } from './queries/standing.ts';
import { Renewal } from './renewal.ts';
import { isForAnother } from './returned-records.ts';
import { type TaskCommit, type TaskWatermark } from './task-commit.ts';
import { type ReadableRows } from './state/committed-rows.ts';
import { readProgress, writeProgress } from './task-progress.ts';
import { type TaskState } from './task-state.ts';
import { Timers } from './timers.ts';
import { type WatermarkFollower } from './watermark-follower.ts';

/** Outputs that are committed before the interval is over: bounds a transaction. */
const OUTPUT_RECORDS_MAX = 10_000;
/** Records and timers between two looks at the clock. */
const LOOK_EVERY = 64;
/** Records, and timers, whose state is fetched ahead. */
const AHEAD_MAX = 500;
/** Who is live takes records as they come: its time is told for timers downstream only, and not at every beat of the clock. */
const LIVE_STEP_MS = 1000;

/** An input partition with where to start, from the group's committed offset or the processor's own store. */
export interface TaskInput extends TopicPartition {
  readonly offset: number;
  readonly metadata: string;
  readonly global: boolean;
}

export interface TaskOptions {
  /** id of the application */
  readonly application: string;
  readonly topology: SubTopology<never>;
  readonly partition: number;
  readonly inputs: readonly TaskInput[];
  readonly live: boolean;
  readonly follower: WatermarkFollower;
  readonly state: TaskState<never> | null;
  /** of the state's keys */
  readonly timers: Timers;
  readonly policies: FailurePolicies;
  readonly clock: Clock;
  /** by partition: rows are looked at after each step until these offsets are committed; absent or null: they are not */
  readonly checkedTo?: ReadonlyMap<string, number> | null;
}

export class Task {
  readonly kind = 'merged';
  readonly name: string;
  readonly topologyName: string;
  readonly partition: number;
  readonly inputs: readonly TaskInput[];
  readonly state: TaskState<never> | null;
  readonly outputLanes: readonly OutputLane[];
  /** for who reads its state from outside */
  readonly standing: Standing;
  readonly #application: string;
  readonly #follower: WatermarkFollower;
  readonly #timers: Timers;
  readonly #partitions = new Map<string, InputPartition>();
  readonly #idle: IdleLanes;
  /** what other tasks of the application write */
  readonly #readsInternal: boolean;
  readonly #processedOf = new Map<Lane, number>();
  readonly #merge: Merge;
  #processor: Processor | null = null;
  #outputs: NewRecord[] = [];
  readonly #setAside: SetAside;
  readonly #policies: FailurePolicies;
  readonly #clock: Clock;
  readonly #renewal: Renewal;
  readonly #parts: PartsMark | null;
  #stepped = 0;
  #moved = false;
  #toldWatermarkMs = NEVER_MS;
  #toldLive = false;
  #checkedTo: ReadonlyMap<string, number> | null;

  constructor(options: TaskOptions) {
    const { topology, follower } = options;
    this.#application = options.application;
    this.#setAside = new SetAside(options.policies);
    this.#policies = options.policies;
    this.#clock = options.clock;
    this.#renewal = new Renewal(options.clock);
    this.#checkedTo = options.checkedTo ?? null;
    const partitions = topology.single
      ? [...new Set(options.inputs.filter((input) => !input.global).map((input) => input.partition))]
      : [options.partition];
    this.topologyName = topology.name;
    this.#parts = partsMark(topology);
    this.#readsInternal = (topology.internalTopics ?? []).length > 0;
    this.name = `${topology.name}-${partitions.join('+')}`;
    this.partition = options.partition;
    this.inputs = options.inputs;
    this.state = options.state;
    this.#timers = options.timers;
    this.standing = new Standing(options.inputs.filter(({ global }) => !global));
    this.outputLanes = topology.outputLanes(partitions);
    this.#follower = follower;
    let startMs = FOREVER_MS;
    for (const input of options.inputs) {
      const progress = readProgress(input.metadata, input.offset);
      if (!input.global) startMs = Math.min(startMs, progress.timeMs);
      const lanes: Lane[] = [];
      for (let number = 0; number < topology.lanesOf(input.topic); number += 1) {
        const processed = progress.lanes.get(number) ?? -1;
        const isAwaited = topology.unawaitedTopics?.includes(input.topic) !== true;
        const kind = { isAwaited, isGlobal: input.global };
        const lane = new Lane(input.topic, input.partition, number, options.live, processed, kind);
        lanes.push(lane);
      }
      this.#partitions.set(partitionId(input), new InputPartition(lanes, input.offset, progress.decoded));
      for (const lane of lanes) if (lane.isAwaited) follower.follow(lane);
    }
    const read = [...this.#partitions.values()];
    this.#idle = new IdleLanes(read);
    this.#merge = new Merge(read, this.#timers, startMs === FOREVER_MS ? NEVER_MS : startMs);
  }

  /** @throws whatever the processor's making throws */
  async start(topology: SubTopology<never>): Promise<ReadonlyMap<string, number>> {
    const context: TaskContext<never> = {
      partition: this.partition,
      startMs: this.#merge.nowMs,
      state: this.state as TaskState<never>,
      emit: (record) => this.#outputs.push(record),
      policies: this.#policies,
      monotonicMs: () => this.#clock.monotonicMs(),
      nowMs: () => this.#clock.nowMs(),
      setTimer: (key, timeMs) => this.#timers.set(key, timeMs),
      deadLetter: (record, failure, stage = 'process') => this.#setAside.add(record, failure, stage),
    };
    const { processor, globalPositions } = await topology.create(context);
    this.#processor = processor;
    if (this.#checkedTo !== null) processor.checkRows?.(true);
    return globalPositions;
  }

  get #running(): Processor {
    if (this.#processor === null) throw new Error(`task ${this.name} was not started`);
    return this.#processor;
  }

  startGlobal(at: TopicPartition, offset: number): void {
    this.#partitions.get(partitionId(at))?.moveTo(offset);
  }

  reads(at: TopicPartition): boolean {
    return this.#partitions.has(partitionId(at));
  }

  take(fetched: Fetched): void {
    const { records, nextOffset } = fetched;
    const partition = this.#partitions.get(partitionId(fetched));
    if (partition === undefined) return;
    for (const record of records) {
      if (isForAnother(record, this.#application)) continue;
      const decoded = this.#running.decode(record);
      if (decoded.kind === 'input')
        partition.lanes[decoded.lane]?.push({
          record,
          lane: decoded.lane,
          eventTimeMs: decoded.eventTimeMs,
          value: decoded.value,
        });
      else if (decoded.kind === 'refused' && !partition.wasDecoded(record.offset))
        this.#setAside.add(record, decoded.failure, 'decode');
    }
    partition.moveTo(nextOffset);
    this.#moved = true;
  }

  /**
   * Once a round, before records are handled: how far the log is known to go, and which lanes are idle. Those hold nothing up; where all
   * are, time goes on by the wall clock.
   * @param idleTimeoutMs null: none ever is
   * @param isStarting other tasks of the application are still being made here: what they have to write is yet to come
   */
  look(endOf: EndOf, idleTimeoutMs: number | null, isStarting = false): void {
    for (const input of this.inputs) this.#partitions.get(partitionId(input))?.endsAt(endOf(input));
    if (idleTimeoutMs === null) return;
    const isHeld = isStarting && this.#readsInternal;
    const { isChanged, isAll } = this.#idle.look(this.#clock.monotonicMs(), idleTimeoutMs, isHeld);
    if (isChanged) this.#merge.passOverIdle();
    if (isAll) this.idleTo(this.#clock.nowMs() - idleTimeoutMs);
  }

  /** Queued records of one input partition. */
  queued(at: TopicPartition): number {
    return this.#partitions.get(partitionId(at))?.queued ?? 0;
  }

  /** Whether the next instant waits for records of this partition: pausing it then would be for ever. */
  starves(at: TopicPartition): boolean {
    return this.#partitions.get(partitionId(at))?.starves(this.#merge.nextMs) ?? false;
  }

  /** Whether it has as much to write as a transaction should hold. */
  get isFull(): boolean {
    return this.#outputs.length > OUTPUT_RECORDS_MAX || this.state?.isFull === true;
  }

  get steppedCount(): number {
    return this.#stepped;
  }

  /** What was committed, by key; null: it keeps nothing. */
  get committedRows(): ReadableRows | null {
    return this.state?.committed ?? null;
  }

  get keys(): number {
    return this.state?.size ?? 0;
  }

  get timeMs(): number {
    return this.#merge.nowMs;
  }

  /** Live lanes without news let timers fire up to this time. */
  idleTo(timeMs: number): void {
    for (const { lanes } of this.#partitions.values())
      for (const lane of lanes) if (lane.live && lane.isAwaited && !lane.holdsNews) lane.goOnTo(timeMs);
  }

  /** Lets go of state that was not used lately, and fetches what the next records and timers need; null: it is all there. */
  prepare(): Promise<void> | null {
    const { state } = this;
    const processor = this.#running;
    if (state === null || processor.keysFor === undefined) return null;
    state.sweep();
    if (state.isComplete) return null;
    const inputs = this.#merge.upcoming(AHEAD_MAX);
    const timers = this.#timers.upcoming(inputs.at(-1)?.eventTimeMs ?? FOREVER_MS, AHEAD_MAX);
    return state.fetch(processor.keysFor(inputs, timers));
  }

  /** Whether it has begun an instant and waits for state: `prepare`, then `process`. */
  get lacksState(): boolean {
    return this.#running.lacksState === true;
  }

  /** Handles instants until `isOver` or until nothing is ready. Gives whether more is ready. */
  process(isOver: () => boolean): boolean {
    const processor = this.#running;
    processor.tick?.();
    if (processor.isReady?.() === false) return processor.lacksState === true;
    const boundMs = processor.boundMs?.() ?? FOREVER_MS;
    for (let done = 0; ;) {
      if (done === 0 && isOver()) return true;
      const instant = this.#merge.next(boundMs);
      if (instant === null) return false;
      for (const input of instant.inputs) this.#noteProcessed(input.record, input.lane);
      processor.step(instant);
      this.#stepped += instant.inputs.length;
      done += instant.inputs.length + instant.timers.length;
      if (done >= LOOK_EVERY) done = 0;
      this.#moved = true;
      if (processor.isWaiting === true) return processor.lacksState === true;
    }
  }

  #noteProcessed(record: LogRecord, laneNumber: number): void {
    const lane = this.#partitions.get(partitionId(record))?.lanes[laneNumber];
    if (lane !== undefined) this.#processedOf.set(lane, record.offset);
  }

  async flush(): Promise<void> {
    await this.#running.flush?.();
  }

  /** Whether it can be made anew so that it looks at each row, and does not yet. */
  get canCheckRows(): boolean {
    return this.#checkedTo === null && this.#running.checkRows !== undefined;
  }

  /** By partition: behind the last record that was fetched. */
  get readTo(): ReadonlyMap<string, number> {
    return new Map([...this.#partitions].map(([id, { positionOffset }]) => [id, positionOffset]));
  }

  #endChecks(committed: readonly CommittedOffset[]): void {
    const checkedTo = this.#checkedTo;
    if (checkedTo === null || committed.some((at) => at.offset < (checkedTo.get(partitionId(at)) ?? 0))) return;
    this.#checkedTo = null;
    this.#running.checkRows?.(false);
  }

  /** Everything up to now, for one commit. Call `flush` before. @throws Failure `too_large`: the task must be made anew */
  draw(): TaskCommit {
    const records = this.#outputs;
    const deadLetters = this.#setAside.take();
    this.#outputs = [];
    const { state } = this;
    const watermark = this.#takeWatermark();
    const offsets = this.#offsets();
    const drawn = { asOfMs: this.#clock.nowMs(), isRenewal: this.#renewal.take() };
    return {
      records,
      batches: [],
      changes: { records: state?.drain() ?? [], batches: [] },
      deadLetters,
      watermark,
      offsets,
      changelog: state?.changelog ?? null,
      committed: async (changelogEnd) => {
        await state?.written(changelogEnd, drawn);
        this.standing.moved(offsets);
        this.#endChecks(offsets);
        await this.#running.committed?.(this.#globalPositions(), this.#merge.nowMs);
      },
    };
  }

  /** Whether there is something to commit. */
  get dirty(): boolean {
    if (this.#running.isWaiting === true) return false;
    return (
      this.#moved ||
      this.#outputs.length > 0 ||
      this.state?.isDirty === true ||
      !this.#setAside.isEmpty ||
      (this.state !== null && this.#renewal.isDue) ||
      this.#pendingWatermark() !== null
    );
  }

  /** The watermark to publish, or null when it was told already. */
  #pendingWatermark(): TaskWatermark | null {
    if (this.outputLanes.length === 0) return null;
    const boundMs = this.#running.boundMs?.() ?? FOREVER_MS;
    // what is still held back, queued or unread is ahead in event time: who reads the outputs must wait for it
    const caughtUp =
      boundMs >= FOREVER_MS && this.#merge.queued === 0 && !this.#merge.isBehind && !this.#merge.ready(boundMs);
    const live = this.#merge.live && (this.#toldLive || caughtUp);
    const watermarkMs = this.#merge.watermarkMs(boundMs);
    const eventTimeMs = live || watermarkMs >= FOREVER_MS ? this.#merge.knownMs(boundMs) : watermarkMs;
    if (live === this.#toldLive && eventTimeMs - this.#toldWatermarkMs < (live ? LIVE_STEP_MS : 1)) return null;
    return { eventTimeMs: Math.max(eventTimeMs, this.#toldWatermarkMs), live };
  }

  #takeWatermark(): TaskWatermark | null {
    const pending = this.#pendingWatermark();
    if (pending !== null) {
      this.#toldWatermarkMs = pending.eventTimeMs;
      this.#toldLive = pending.live;
    }
    return pending;
  }

  /** Offsets for the group: the first record of each partition that a restart must read again. */
  #offsets(): CommittedOffset[] {
    const offsets: CommittedOffset[] = [];
    for (const input of this.inputs) {
      const partition = this.#partitions.get(partitionId(input));
      if (input.global || partition === undefined) continue;
      offsets.push({
        topic: input.topic,
        partition: input.partition,
        offset: partition.firstOffset,
        metadata: writeProgress(partition, this.#processedOf, this.#merge.nowMs, this.#parts),
      });
    }
    this.#moved = false;
    return offsets;
  }

  // A global input is read again from the first record that was not taken yet.
  #globalPositions(): Map<string, number> {
    const positions = new Map<string, number>();
    for (const input of this.inputs) {
      const partition = this.#partitions.get(partitionId(input));
      if (input.global && partition !== undefined) positions.set(partitionId(input), partition.firstOffset);
    }
    return positions;
  }

  async close(): Promise<void> {
    for (const { lanes } of this.#partitions.values()) for (const lane of lanes) this.#follower.unfollow(lane);
    await this.standing.close();
    await this.#processor?.close?.();
    await this.state?.close();
  }
}
