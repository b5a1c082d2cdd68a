// Reads partitions of the in-memory broker by hand-given positions, read committed: one fetch at a time, ahead of who polls.
import { Failure } from '../../schemas/failure.ts';
import { type Fetched, type LogReader, type TopicPartition, partitionId } from '../log.ts';
import { BrokerError, failureOf } from './broker-error.ts';
import { type BrokerCalls } from './broker-calls.ts';
import { FetchedSlabs } from '../record-slab.ts';
import { type FetchAnswer } from './memory-broker.ts';
import { slabsOf } from './memory-slab.ts';

/** Fetched and not yet handed out: above it no new fetch starts. */
const BUFFERED_FETCHES_MAX = 20;
const RETRY_STEP_MS = 50;
/** A reason that need not be made anew each time. */
const OVER = 'over';

interface Position extends TopicPartition {
  offset: number;
  paused: boolean;
  endOffset: number | null;
  /** grows with each assignment: answers to older fetches are dropped */
  readonly generation: number;
}

interface Ready {
  readonly fetched: Fetched;
  readonly generation: number;
}

export class MemoryReader implements LogReader {
  readonly #calls: BrokerCalls;
  readonly #positions = new Map<string, Position>();
  readonly #stop = new AbortController();
  #fetching: Promise<void> | null = null;
  #ready: Ready[] = [];
  #generation = 0;
  #failure: unknown = null;
  #wake: (() => void) | null = null;

  constructor(calls: BrokerCalls) {
    this.#calls = calls;
  }

  assign({ topic, partition }: TopicPartition, offset: number): void {
    this.#generation += 1;
    const position = { topic, partition, offset, paused: false, endOffset: null, generation: this.#generation };
    this.#positions.set(partitionId(position), position);
    this.#fetchAhead();
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
    this.#fetchAhead();
  }

  #fetchAhead(): void {
    const wanted = [...this.#positions.values()].filter((position) => !position.paused);
    if (this.#fetching !== null || wanted.length === 0 || this.#ready.length > BUFFERED_FETCHES_MAX) return;
    if (this.#stop.signal.aborted) return;
    this.#fetching = this.#fetchOnce(wanted)
      .catch((error: unknown) => {
        this.#failure ??= error;
        this.#wake?.();
      })
      .finally(() => {
        this.#fetching = null;
        // a failure is handed out before anything is asked for again
        if (this.#failure === null) this.#fetchAhead();
      });
  }

  async #fetchOnce(wanted: readonly Position[]): Promise<void> {
    const asked = wanted.map(({ topic, partition, offset, generation }) => ({ topic, partition, offset, generation }));
    try {
      const answers = await this.#calls.once('Fetching', (broker) => broker.fetch(asked));
      for (const answer of answers) {
        const position = this.#positions.get(partitionId(answer));
        const generation = asked.find((part) => partitionId(part) === partitionId(answer))?.generation;
        if (position?.generation === generation) this.#take(position, answer);
      }
    } catch (error) {
      if (this.#stop.signal.aborted) return;
      if (!(error instanceof BrokerError)) throw error;
      if (!error.retriable) throw failureOf(error, 'Reading');
      await this.#calls.clock.sleep(RETRY_STEP_MS, this.#stop.signal);
    }
  }

  #take(position: Position | undefined, answer: FetchAnswer): void {
    if (position === undefined) return;
    if (answer.outOfRange) {
      position.offset = answer.startOffset;
      this.#hand(position, new FetchedSlabs(position, [], answer.startOffset, answer.stableEnd, true));
      return;
    }
    // who waits for the end to be known goes on
    if (position.endOffset === null) this.#wake?.();
    position.endOffset = answer.stableEnd;
    if (answer.slice.nextOffset === position.offset) return;
    position.offset = answer.slice.nextOffset;
    this.#hand(position, fetchedOf(answer));
  }

  #hand({ generation }: Position, fetched: Fetched): void {
    this.#ready.push({ fetched, generation });
    this.#wake?.();
  }

  async poll(maxWaitMs: number): Promise<readonly Fetched[]> {
    if (this.#stop.signal.aborted) throw new Failure('internal', 'The reader was closed.');
    if (this.#ready.length === 0 && this.#failure === null && maxWaitMs > 0) await this.#news(maxWaitMs);
    if (this.#failure !== null) {
      const failure = this.#failure;
      this.#failure = null;
      this.#fetchAhead();
      throw failure instanceof Error ? failure : new Error('reading failed', { cause: failure });
    }
    const ready = this.#ready;
    this.#ready = [];
    this.#fetchAhead();
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
        this.#wake = resolve;
      }),
      this.#calls.clock.sleep(maxWaitMs, over.signal),
    ]);
    over.abort(OVER);
    this.#wake = null;
  }

  async close(): Promise<void> {
    this.#stop.abort();
    this.#wake?.();
    await this.#fetching;
  }
}

/** The one place where what is read becomes what the port hands out. */
function fetchedOf({ topic, partition, stableEnd, slice }: FetchAnswer): Fetched {
  const place = { topic, partition };
  return new FetchedSlabs(place, slabsOf(place, slice.records), slice.nextOffset, stableEnd);
}
