// Reads partitions by hand-given positions, read committed: one long poll per broker at a time, handed out batch-wise.
import { Failure } from '../../schemas/failure.ts';
import { type Clock } from '../../streams/clock.ts';
import { type Fetched, type LogReader, type TopicPartition, partitionId } from '../../streams/log.ts';
import { decodeRecordBatches } from '../../streams/record-batch.ts';
import { FetchedSlabs } from '../../streams/record-slab.ts';
import { type Cluster } from './cluster.ts';
import { FetchPace } from './fetch-pace.ts';
import { type FetchedPart, fetchBatches } from './fetch.ts';
import { AT, listOffsets } from './list-offsets.ts';
import { CODE, failureOf, isRetriable } from './protocol-error.ts';

const BOUNDS = { maxBytes: 2 * 1024 * 1024, partitionMaxBytes: 256 * 1024 };
/** Fetched and not yet handed out: above it no new fetch starts. */
const BUFFERED_BYTES_MAX = 2 * 1024 * 1024;
/** What Kafka says of a partition whose only replica in sync is being stopped or started. */
const NO_LEADER = -1;
const RETRY_STEP_MS = 50;
/** Leaders that stay away are asked for more and more rarely, until it is this rare. */
const LEADER_STEP_MS_MAX = 1000;
/** A reason that need not be made anew for each poll: without one, abort makes an error with its stack. */
const NEWS = 'news';

interface Position extends TopicPartition {
  offset: number;
  paused: boolean;
  /** the last stable offset, as the newest answer told */
  endOffset: number | null;
  /** grows with each assignment: answers to older fetches are dropped */
  generation: number;
}

/** A position as it was when it was asked for. */
interface Asked {
  readonly position: Position;
  readonly offset: number;
  readonly generation: number;
}

interface Ready {
  readonly fetched: Fetched;
  readonly generation: number;
}

export class KafkaReader implements LogReader {
  readonly #cluster: Cluster;
  readonly #clock: Clock;
  readonly #lane: string;
  readonly #positions = new Map<string, Position>();
  readonly #loops = new Map<number, Promise<void>>();
  readonly #stop = new AbortController();
  readonly #pace = new FetchPace();
  #ready: Ready[] = [];
  #bufferedBytes = 0;
  #generation = 0;
  #failure: unknown = null;
  #pollWake: (() => void) | null = null;
  #loopWakes: (() => void)[] = [];
  #serving: Promise<void> | null = null;

  constructor(cluster: Cluster, lane: string) {
    this.#cluster = cluster;
    this.#clock = cluster.options.clock;
    this.#lane = lane;
  }

  assign({ topic, partition }: TopicPartition, offset: number): void {
    this.#generation += 1;
    this.#pace.changed();
    this.#positions.set(partitionId({ topic, partition }), {
      topic,
      partition,
      offset,
      paused: false,
      endOffset: null,
      generation: this.#generation,
    });
    this.#serve();
    this.#wakeLoops();
  }

  unassign(at: TopicPartition): void {
    this.#positions.delete(partitionId(at));
  }

  pause(at: TopicPartition): void {
    const position = this.#positions.get(partitionId(at));
    if (position !== undefined) position.paused = true;
  }

  resume(at: TopicPartition): void {
    const position = this.#positions.get(partitionId(at));
    if (position !== undefined) position.paused = false;
    this.#wakeLoops();
  }

  #wakeLoops(): void {
    const wakes = this.#loopWakes;
    this.#loopWakes = [];
    for (const wake of wakes) wake();
  }

  /** No loop asks for it: its leader is not known, or one that nothing was asked of before. */
  #isUnserved({ topic, partition }: TopicPartition): boolean {
    return !this.#loops.has(this.#cluster.knownTopic(topic)?.leaders[partition] ?? NO_LEADER);
  }

  get #hasUnserved(): boolean {
    return !this.#stop.signal.aborted && [...this.#positions.values()].some((position) => this.#isUnserved(position));
  }

  /** Sees to it that each position is in the fetches of a loop. One that is in none meets no error that would have it looked up. */
  #serve(): void {
    if (this.#serving !== null || !this.#hasUnserved) return;
    this.#serving = this.#serveAll().then(
      () => {
        this.#serving = null;
        // one may have been assigned since the last look
        this.#serve();
      },
      (error: unknown) => {
        this.#serving = null;
        this.#fail(error);
      },
    );
  }

  async #serveAll(): Promise<void> {
    const { signal } = this.#stop;
    for (let stepMs = RETRY_STEP_MS; ; stepMs = Math.min(stepMs * 2, LEADER_STEP_MS_MAX)) {
      await this.#startLoops();
      if (!this.#hasUnserved) return;
      await this.#clock.sleep(stepMs, signal);
      const unserved = [...this.#positions.values()].filter((position) => this.#isUnserved(position));
      await this.#lookUp(unserved);
    }
  }

  /** Who leads what may have changed. */
  async #lookUp(partitions: readonly TopicPartition[]): Promise<void> {
    const topics = new Set(partitions.map(({ topic }) => topic));
    if (topics.size > 0) await this.#cluster.refresh([...topics]).catch(() => undefined);
  }

  async #startLoops(): Promise<void> {
    for (const { topic, partition } of [...this.#positions.values()]) {
      const info = await this.#cluster.retrying(
        `Looking up ${topic}`,
        () => this.#cluster.topic(topic),
        () => undefined,
        this.#stop.signal,
      );
      const leader = info.leaders[partition] ?? NO_LEADER;
      if (leader === NO_LEADER || this.#loops.has(leader) || this.#stop.signal.aborted) continue;
      this.#loops.set(
        leader,
        this.#loop(leader).catch((error: unknown) => this.#fail(error)),
      );
    }
    this.#wakeLoops();
  }

  #fail(error: unknown): void {
    if (this.#stop.signal.aborted) return;
    this.#failure = error;
    this.#pollWake?.();
  }

  async #loop(nodeId: number): Promise<void> {
    while (!this.#stop.signal.aborted) {
      // other callers look topics up too: a leader may be another since the last fetch, without an error here
      this.#serve();
      const wanted = this.#wantedFrom(nodeId);
      if (wanted.length === 0 || this.#bufferedBytes > BUFFERED_BYTES_MAX) {
        await new Promise<void>((resolve) => this.#loopWakes.push(resolve));
        continue;
      }
      await this.#fetchOnce(nodeId, wanted);
    }
  }

  #wantedFrom(nodeId: number): Position[] {
    return [...this.#positions.values()].filter(
      (position) =>
        !position.paused && this.#cluster.knownTopic(position.topic)?.leaders[position.partition] === nodeId,
    );
  }

  async #fetchOnce(nodeId: number, wanted: readonly Position[]): Promise<void> {
    const asked = wanted.map((position) => ({ position, offset: position.offset, generation: position.generation }));
    let moved: readonly TopicPartition[] = [];
    try {
      const connection = await this.#cluster.connection(nodeId, this.#lane);
      const parts = wanted.map(({ topic, partition, offset }) => ({
        topicId: this.#cluster.knownTopic(topic)?.id ?? '',
        partition,
        offset,
      }));
      const isWhole = [...this.#positions.values()].every(({ paused }) => !paused);
      const fetched = await fetchBatches(connection, { ...BOUNDS, maxWaitMs: this.#pace.waitMs(isWhole) }, parts);
      this.#pace.took(fetched.reduce((sum, { bytes }) => sum + bytes.length, 0));
      moved = await this.#takeAll(asked, fetched);
    } catch (error) {
      if (this.#stop.signal.aborted) return;
      if (error instanceof Failure && error.code !== 'unreachable') throw error;
      moved = wanted;
    }
    if (moved.length === 0) return;
    await this.#clock.sleep(RETRY_STEP_MS, this.#stop.signal);
    await this.#lookUp(moved);
  }

  /** @returns those that somebody else seems to lead now */
  async #takeAll(asked: readonly Asked[], fetched: readonly FetchedPart[]): Promise<TopicPartition[]> {
    const moved: TopicPartition[] = [];
    for (const part of fetched) {
      const topic = this.#cluster.nameOfId(part.topicId);
      const one = asked.find(({ position }) => position.topic === topic && position.partition === part.partition);
      if (one === undefined || !this.#isCurrent(one)) continue;
      if (part.errorCode === CODE.none) this.#take(one, part);
      else if (part.errorCode === CODE.offsetOutOfRange) await this.#goToStart(one);
      else if (isRetriable(part.errorCode)) moved.push(one.position);
      else throw failureOf(part.errorCode, `Reading ${partitionId(one.position)}`);
    }
    return moved;
  }

  /** Whether it is still assigned as it was when it was asked for. */
  #isCurrent({ position, generation }: Asked): boolean {
    return position.generation === generation && this.#positions.get(partitionId(position)) === position;
  }

  async #goToStart(asked: Asked): Promise<void> {
    const { position } = asked;
    // the answer to a fetch out of range does not say where the log begins
    const starts = await listOffsets(this.#cluster, [position], AT.start, this.#stop.signal);
    if (!this.#isCurrent(asked)) return;
    position.offset = starts.get(partitionId(position)) ?? 0;
    this.#hand(asked, new FetchedSlabs(position, [], position.offset, position.offset, true), 0);
  }

  #take(asked: Asked, part: FetchedPart): void {
    const { position } = asked;
    // who waits for the end to be known goes on
    if (position.endOffset === null) this.#pollWake?.();
    position.endOffset = part.lastStableOffset;
    if (part.bytes.length === 0) return;
    const { slabs, nextOffset } = decodeRecordBatches(part.bytes, position, asked.offset, part.aborted);
    if (nextOffset === asked.offset) return;
    position.offset = nextOffset;
    // last in the next fetch: a batch above the bound of a partition comes only if no partition before it has anything
    this.#positions.delete(partitionId(position));
    this.#positions.set(partitionId(position), position);
    this.#hand(asked, new FetchedSlabs(position, slabs, nextOffset, part.lastStableOffset), part.bytes.length);
  }

  #hand({ generation }: Asked, fetched: Fetched, bytes: number): void {
    this.#ready.push({ fetched, generation });
    this.#bufferedBytes += bytes;
    this.#pollWake?.();
  }

  async poll(maxWaitMs: number): Promise<readonly Fetched[]> {
    if (this.#stop.signal.aborted) throw new Failure('internal', 'The reader was closed.');
    if (this.#ready.length === 0 && this.#failure === null && maxWaitMs > 0) await this.#news(maxWaitMs);
    if (this.#failure !== null) {
      const failure = this.#failure;
      this.#failure = null;
      throw failure instanceof Error ? failure : new Error('reading failed', { cause: failure });
    }
    const ready = this.#ready;
    this.#ready = [];
    this.#bufferedBytes = 0;
    this.#wakeLoops();
    return ready
      .filter(({ fetched, generation }) => this.#positions.get(partitionId(fetched))?.generation === generation)
      .map(({ fetched }) => fetched);
  }

  endOf(at: TopicPartition): number | null {
    return this.#positions.get(partitionId(at))?.endOffset ?? null;
  }

  async #news(maxWaitMs: number): Promise<void> {
    const over = new AbortController();
    await Promise.race([
      new Promise<void>((resolve) => {
        this.#pollWake = resolve;
      }),
      this.#clock.sleep(maxWaitMs, over.signal),
    ]);
    over.abort(NEWS);
    this.#pollWake = null;
  }

  async close(): Promise<void> {
    this.#stop.abort();
    this.#wakeLoops();
    this.#pollWake?.();
    await this.#cluster.closeLane(this.#lane);
    await Promise.allSettled([...this.#loops.values(), this.#serving]);
  }
}
