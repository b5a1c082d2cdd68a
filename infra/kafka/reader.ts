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
const RETRY_STEP_MS = 50;
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

interface Ready {
  readonly fetched: Fetched;
  readonly bytes: number;
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
    this.#startLoops().catch((error: unknown) => this.#fail(error));
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

  async #startLoops(): Promise<void> {
    for (const position of [...this.#positions.values()]) {
      const info = await this.#cluster.retrying(
        `Looking up ${position.topic}`,
        () => this.#cluster.topic(position.topic),
        () => undefined,
        this.#stop.signal,
      );
      const leader = info.leaders[position.partition];
      if (leader !== undefined && leader >= 0 && !this.#loops.has(leader) && !this.#stop.signal.aborted) {
        this.#loops.set(
          leader,
          this.#loop(leader).catch((error: unknown) => this.#fail(error)),
        );
      }
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
      for (const part of fetched) {
        const topic = this.#cluster.nameOfId(part.topicId);
        const one = asked.find(({ position }) => position.topic === topic && position.partition === part.partition);
        if (one !== undefined) await this.#take(one, part);
      }
    } catch (error) {
      if (this.#stop.signal.aborted) return;
      if (error instanceof Error && error.name === 'Failure' && (error as { code?: string }).code !== 'unreachable')
        throw error;
      await this.#clock.sleep(RETRY_STEP_MS, this.#stop.signal);
      await this.#cluster.refresh([...new Set(wanted.map(({ topic }) => topic))]).catch(() => undefined);
      await this.#startLoops();
    }
  }

  async #take(asked: { position: Position; offset: number; generation: number }, part: FetchedPart): Promise<void> {
    const { position } = asked;
    if (position.generation !== asked.generation || this.#positions.get(partitionId(position)) !== position) return;
    if (part.errorCode === CODE.offsetOutOfRange) {
      // the answer to a fetch out of range does not say where the log begins
      const starts = await listOffsets(this.#cluster, [position], AT.start, this.#stop.signal);
      position.offset = starts.get(partitionId(position)) ?? 0;
      return;
    }
    if (part.errorCode !== CODE.none) {
      if (!isRetriable(part.errorCode)) throw failureOf(part.errorCode, `Reading ${partitionId(position)}`);
      await this.#clock.sleep(RETRY_STEP_MS, this.#stop.signal);
      await this.#cluster.refresh([position.topic]);
      await this.#startLoops();
      return;
    }
    // who waits for the end to be known goes on
    if (position.endOffset === null) this.#pollWake?.();
    position.endOffset = part.lastStableOffset;
    if (part.bytes.length === 0) return;
    const { slabs, nextOffset } = decodeRecordBatches(part.bytes, position, asked.offset, part.aborted);
    if (nextOffset === asked.offset) return;
    position.offset = nextOffset;
    this.#ready.push({
      fetched: new FetchedSlabs(position, slabs, nextOffset, part.lastStableOffset),
      bytes: part.bytes.length,
      generation: asked.generation,
    });
    this.#bufferedBytes += part.bytes.length;
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
    await Promise.allSettled(this.#loops.values());
  }
}
