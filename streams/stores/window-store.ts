// A store of windows: a value per key and window start.
//
// Rows: tag, segment, key, `windowStartMs` → the value. A segment is a stretch of time: the windows that start within
// `segmentMs` of each other lie together, so that what has expired is one range at the front of the store. A window is one row, written
// without being read before. A question reads each segment that its time touches: with the default, retention holds three at most.
//
// A window is kept until the watermark is `retentionMs` past its start; then it is not answered any more, whether it is still there
// or not, so that answers do not depend on when room was made. Size: all windows of the last `retentionMs`, and what `expired` has not
// taken yet.
//
// Writes are data: who commits puts them into its batch and its changelog. `put` is for those who have none.
import { type StateStore, type StoreWrite } from '../store.ts';
import {
  ORDERED_TAGS,
  TIME_BYTES,
  orderedKey,
  orderedRange,
  orderedTime,
  readOrderedText,
  readOrderedTime,
} from './ordered-keys.ts';

export interface WindowRow {
  readonly key: string;
  readonly windowStartMs: number;
  readonly value: Buffer;
}

export interface WindowStoreOptions {
  readonly retentionMs: number;
  /**
   * stretch of window starts that lie together, as `usualSegmentMs` gives it. It is part of every key: under another value the rows
   * of a store, and of its changelog, are not found again, so it is not derived from a retention that may be changed.
   */
  readonly segmentMs: number;
}

// Shorter segments would be more ranges to read than the room that they free is worth.
const SEGMENT_MS_MIN = 60_000;
/** Retention then lies in three segments at most. */
export function usualSegmentMs(retentionMs: number): number {
  return Math.max(SEGMENT_MS_MIN, Math.ceil(retentionMs / 2));
}

const TAG = Buffer.from([ORDERED_TAGS.windows]);
const SEGMENT_AT = TAG.length;
const KEY_AT = SEGMENT_AT + TIME_BYTES;

interface Row {
  readonly key: Buffer;
  readonly value: Buffer;
}

export class WindowStore {
  readonly #store: StateStore;
  readonly #retentionMs: number;
  readonly #segmentMs: number;
  #watermarkMs = -Infinity;

  constructor(store: StateStore, { retentionMs, segmentMs }: WindowStoreOptions) {
    this.#store = store;
    this.#retentionMs = retentionMs;
    this.#segmentMs = segmentMs;
  }

  /** Time only goes on. */
  advance(watermarkMs: number): void {
    this.#watermarkMs = Math.max(this.#watermarkMs, watermarkMs);
  }

  /** Windows that start earlier have expired. */
  get keptFromMs(): number {
    return this.#watermarkMs - this.#retentionMs;
  }

  /** The write for a window, or null where it has expired: then its value is lost, and the caller has to say so. */
  write(key: string, windowStartMs: number, value: Buffer | null): StoreWrite | null {
    if (windowStartMs < this.keptFromMs) return null;
    return { key: this.#keyOf(this.#segmentOf(windowStartMs), key, windowStartMs), value };
  }

  /** @param value null deletes @returns false where the window has expired: nothing was kept */
  async put(key: string, windowStartMs: number, value: Buffer | null): Promise<boolean> {
    const write = this.write(key, windowStartMs, value);
    if (write !== null) await this.#store.write([write]);
    return write !== null;
  }

  /** A key's windows that start from `fromMs` to `toMs`, both included, the earliest first. */
  async *fetch(key: string, fromMs: number, toMs: number): AsyncIterable<WindowRow> {
    const keptMs = Math.max(fromMs, this.keptFromMs);
    for await (const segmentMs of this.#segments(keptMs, toMs)) {
      const from = this.#keyOf(segmentMs, key, Math.max(keptMs, segmentMs));
      const to = this.#keyOf(segmentMs, key, Math.min(toMs, segmentMs + this.#segmentMs - 1) + 1);
      for await (const row of this.#store.scan({ from, to })) yield readRow(row);
    }
  }

  /** All windows that start from `fromMs` to `toMs`, both included, by the bytes of the key, then by start. */
  async *fetchAll(fromMs: number, toMs: number): AsyncIterable<WindowRow> {
    const keptMs = Math.max(fromMs, this.keptFromMs);
    const heads: { readonly rows: AsyncIterator<Row>; row: Row }[] = [];
    const advance = async (rows: AsyncIterator<Row>): Promise<void> => {
      const next: IteratorResult<Row, unknown> = await rows.next();
      if (next.done !== true) heads.push({ rows, row: next.value });
    };
    try {
      for await (const segmentMs of this.#segments(keptMs, toMs))
        await advance(this.#store.scan(orderedSegment(segmentMs))[Symbol.asyncIterator]());
      while (heads.length > 0) {
        // few segments: the smallest head is found by looking at all
        const least = heads.reduce((a, b) => (compareInSegment(b.row.key, a.row.key) < 0 ? b : a));
        heads.splice(heads.indexOf(least), 1);
        const window = readRow(least.row);
        await advance(least.rows);
        if (window.windowStartMs >= keptMs && window.windowStartMs <= toMs) yield window;
      }
    } finally {
      for (const { rows } of heads) await rows.return?.();
    }
  }

  /** Deletes for windows that have expired, the earliest segments first; fewer than `rowsMax`: that was all. */
  async expired(rowsMax: number): Promise<readonly StoreWrite[]> {
    const writes: StoreWrite[] = [];
    // a segment in which retention begins is taken when it is over as a whole: its rows lie by key, not by time
    const to = Buffer.concat([TAG, orderedTime(this.#wholeBeforeMs())]);
    for await (const { key } of this.#store.scan({ from: TAG, to, limit: rowsMax })) writes.push({ key, value: null });
    return writes;
  }

  /** Start of the first segment that may hold a window which is kept. */
  #wholeBeforeMs(): number {
    return Number.isFinite(this.keptFromMs) ? this.#segmentOf(this.keptFromMs) : EARLIEST_MS;
  }

  #segmentOf(windowStartMs: number): number {
    return Math.floor(windowStartMs / this.#segmentMs) * this.#segmentMs;
  }

  #keyOf(segmentMs: number, key: string, windowStartMs: number): Buffer {
    const text = orderedKey(ORDERED_TAGS.windows, key).subarray(TAG.length);
    return Buffer.concat([TAG, orderedTime(segmentMs), text, orderedTime(windowStartMs)]);
  }

  // Segments that hold something, found by skipping from one to the next: the time asked for may be much longer than what is there.
  async *#segments(fromMs: number, toMs: number): AsyncIterable<number> {
    if (toMs < fromMs) return;
    const lastMs = Number.isFinite(toMs) ? this.#segmentOf(toMs) : LATEST_MS;
    let atMs = Number.isFinite(fromMs) ? this.#segmentOf(fromMs) : EARLIEST_MS;
    const { to } = orderedRange(TAG);
    while (atMs <= lastMs) {
      let foundMs: number | null = null;
      for await (const { key } of this.#store.scan({ from: Buffer.concat([TAG, orderedTime(atMs)]), to, limit: 1 }))
        foundMs = readOrderedTime(key, SEGMENT_AT);
      if (foundMs === null || foundMs > lastMs) return;
      yield foundMs;
      atMs = foundMs + this.#segmentMs;
    }
  }
}

/** As far as a date goes. */
const EARLIEST_MS = -8.64e15;
const LATEST_MS = 8.64e15;

function orderedSegment(segmentMs: number): { readonly from: Buffer; readonly to: Buffer } {
  return {
    from: Buffer.concat([TAG, orderedTime(segmentMs)]),
    to: Buffer.concat([TAG, orderedTime(segmentMs + 1)]),
  };
}

function compareInSegment(a: Buffer, b: Buffer): number {
  return a.compare(b, KEY_AT, b.length, KEY_AT, a.length);
}

function readRow({ key, value }: Row): WindowRow {
  return {
    key: readOrderedText(key, KEY_AT).text,
    windowStartMs: readOrderedTime(key, key.length - TIME_BYTES),
    value,
  };
}
