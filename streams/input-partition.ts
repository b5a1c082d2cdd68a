// One input partition of a merged task: the lanes that lie in it, how far it was read, and how far it is known to go.
import { type Lane } from './lane.ts';
import { type TopicPartition } from './log.ts';

export class InputPartition {
  readonly lanes: readonly Lane[];
  /** records before this offset were decoded before the last restart: those that were refused are in the dead letters */
  readonly #decodedBefore: number;
  #positionOffset: number;
  /** until the log has answered once nobody knows */
  #endOffset = Number.POSITIVE_INFINITY;

  constructor(lanes: readonly Lane[], startOffset: number, decodedBefore = 0) {
    this.lanes = lanes;
    this.#decodedBefore = decodedBefore;
    this.#positionOffset = startOffset;
    this.moveTo(startOffset);
  }

  get positionOffset(): number {
    return this.#positionOffset;
  }

  /** Everything before this offset has been read. */
  moveTo(offset: number): void {
    this.#positionOffset = offset;
    for (const lane of this.lanes) lane.moveTo(offset);
  }

  /** @param endOffset what the log has told last; null: nothing yet */
  endsAt(endOffset: number | null): void {
    if (endOffset !== null) this.#endOffset = endOffset;
  }

  /** Queued records. */
  get queued(): number {
    return this.lanes.reduce((sum, lane) => sum + lane.size, 0);
  }

  /** Whether the log is known to hold what was not read yet. */
  get hasMore(): boolean {
    return this.#positionOffset < this.#endOffset;
  }

  /**
   * Whether a live task waits for it: the log is known to hold more, and nothing of it is here. What is queued is not waited for to be
   * more, so a partition whose queue is full never holds up those that would empty it. Idle lanes are waited for by nobody.
   */
  get isBehind(): boolean {
    if (!this.hasMore) return false;
    let isAwaited = false;
    for (const lane of this.lanes) {
      if (lane.size > 0) return false;
      isAwaited ||= lane.live && lane.isAwaited && !lane.isIdle;
    }
    return isAwaited;
  }

  /** Whether the instant `timeMs` waits for records of it. */
  starves(timeMs: number): boolean {
    return this.lanes.some((lane) => !lane.completeTo(timeMs));
  }

  /** The first record that was not taken yet: a restart reads from there. */
  get firstOffset(): number {
    let offset = this.#positionOffset;
    for (const lane of this.lanes) if (lane.head !== undefined) offset = Math.min(offset, lane.head.record.offset);
    return offset;
  }

  wasDecoded(offset: number): boolean {
    return offset < this.#decodedBefore;
  }

  /** What was decoded before the last restart stays so, though it is read again only by and by. */
  get decodedTo(): number {
    return Math.max(this.#positionOffset, this.#decodedBefore);
  }
}

/** Where the log ends, as it has told last; null: it has not yet. */
export type EndOf = (at: TopicPartition) => number | null;
