// A store that remembers what a key's value was: each row holds from an instant on, until the key's next row.
//
// Rows: tag, key, `validFromMs` with the newest first → 1 and the value, or 0 for a deletion. So the value as of an instant is the
// first row from there on: one short scan. A row is written without being read before.
//
// History is kept for `retentionMs` behind the watermark. Asking for earlier is refused: what is left of that time is not whole. Rows
// that nobody can ask for are found by `expired`, a slice at a time; until then they only take room. A row from before the kept
// history is not taken: it might bring back a key whose later deletion was given up. Size: per key, the row that holds at the
// beginning of history and all later ones, and what became free since the last round of `expired`.
//
// Writes are data: who commits puts them into its batch and its changelog. `put` is for those who have none.
import { Failure } from '../../schemas/failure.ts';
import { type StateStore, type StoreWrite } from '../store.ts';
import {
  ORDERED_TAGS,
  TIME_BYTES,
  newestFirst,
  orderedKey,
  orderedRange,
  readNewestFirst,
  readOrderedText,
} from './ordered-keys.ts';

export interface VersionedRow {
  readonly key: string;
  readonly validFromMs: number;
  /** null: from then on the key has no value */
  readonly value: Buffer | null;
}

export interface VersionedValue {
  readonly validFromMs: number;
  readonly value: Buffer;
}

/** A slice of what can go. */
export interface Expired {
  readonly writes: readonly StoreWrite[];
  /** where the next slice begins; null: the round is over */
  readonly next: Buffer | null;
}

/** Of the key that is being looked at, the row that holds at the beginning of history. */
interface Holding {
  readonly prefix: Buffer;
  readonly key: Buffer;
  readonly isDeletion: boolean;
}

const DELETED = Buffer.from([0]);
const PRESENT = Buffer.from([1]);

export class VersionedStore {
  readonly #store: StateStore;
  readonly #retentionMs: number;
  #watermarkMs = -Infinity;

  constructor(store: StateStore, { retentionMs }: { readonly retentionMs: number }) {
    this.#store = store;
    this.#retentionMs = retentionMs;
  }

  /** Time only goes on. */
  advance(watermarkMs: number): void {
    this.#watermarkMs = Math.max(this.#watermarkMs, watermarkMs);
  }

  /** The earliest instant that can be asked for. */
  get historyFromMs(): number {
    return this.#watermarkMs - this.#retentionMs;
  }

  /**
   * The write for a row, which replaces the row of the same key and instant; null where it lies before the kept history: then it is
   * lost, and the caller has to say so.
   */
  write({ key, validFromMs, value }: VersionedRow): StoreWrite | null {
    if (validFromMs < this.historyFromMs) return null;
    return {
      key: Buffer.concat([orderedKey(ORDERED_TAGS.versions, key), newestFirst(validFromMs)]),
      value: value === null ? DELETED : Buffer.concat([PRESENT, value]),
    };
  }

  /** @returns false where the row lies before the kept history: nothing was kept */
  async put(key: string, validFromMs: number, value: Buffer | null): Promise<boolean> {
    const write = this.write({ key, validFromMs, value });
    if (write !== null) await this.#store.write([write]);
    return write !== null;
  }

  /** The newest value. */
  get(key: string): Promise<VersionedValue | null> {
    return this.#firstFrom(key, orderedKey(ORDERED_TAGS.versions, key));
  }

  /** The value that held at `timeMs`. @throws Failure `too_late` for a time before the kept history */
  async getAsOf(key: string, timeMs: number): Promise<VersionedValue | null> {
    if (timeMs < this.historyFromMs) {
      throw new Failure('too_late', `The history of ${key} begins at ${this.historyFromMs}, after ${timeMs}.`, {
        fix: 'Ask for a later instant, or give the store a longer retention.',
      });
    }
    return this.#firstFrom(key, Buffer.concat([orderedKey(ORDERED_TAGS.versions, key), newestFirst(timeMs)]));
  }

  async #firstFrom(key: string, from: Buffer): Promise<VersionedValue | null> {
    const { to } = orderedRange(orderedKey(ORDERED_TAGS.versions, key));
    for await (const row of this.#store.scan({ from, to, limit: 1 })) {
      if (row.value[0] === DELETED[0]) return null;
      return { validFromMs: validFromOf(row.key), value: row.value.subarray(1) };
    }
    return null;
  }

  /** All kept rows of a key, the newest first. */
  async *history(key: string): AsyncIterable<VersionedRow> {
    for await (const row of this.#store.scan(orderedRange(orderedKey(ORDERED_TAGS.versions, key)))) yield readRow(row);
  }

  /**
   * The deletes for rows that no allowed question can reach: per key, all before the one that holds at `historyFromMs`, and that one
   * too when it is a deletion.
   * @param from null: a new round; else `next` of the slice before
   * @param rowsMax rows to look at; at least 2, so that each slice gets on once the one before is written
   */
  async expired(from: Buffer | null, rowsMax: number): Promise<Expired> {
    const whole = orderedRange(orderedKey(ORDERED_TAGS.versions));
    const writes: StoreWrite[] = [];
    let holding = null as Holding | null;
    let last = null as Buffer | null;
    let count = 0;
    for await (const { key, value } of this.#store.scan({ from: from ?? whole.from, to: whole.to, limit: rowsMax })) {
      count += 1;
      last = key;
      const prefix = key.subarray(0, key.length - TIME_BYTES);
      if (holding?.prefix.equals(prefix) === true) {
        writes.push({ key, value: null });
        continue;
      }
      if (holding?.isDeletion === true) writes.push({ key: holding.key, value: null });
      holding = validFromOf(key) <= this.historyFromMs ? { prefix, key, isDeletion: value[0] === DELETED[0] } : null;
    }
    if (count < rowsMax || last === null) {
      if (holding?.isDeletion === true) writes.push({ key: holding.key, value: null });
      return { writes, next: null };
    }
    // Cut within a key, the row that holds is looked at again: what it hides is no value, even where it is a deletion itself.
    return { writes, next: holding?.key ?? Buffer.concat([last, Buffer.alloc(1)]) };
  }
}

function validFromOf(key: Buffer): number {
  return readNewestFirst(key, key.length - TIME_BYTES);
}

function readRow({ key, value }: { readonly key: Buffer; readonly value: Buffer }): VersionedRow {
  return {
    key: readOrderedText(key, 1).text,
    validFromMs: validFromOf(key),
    value: value[0] === DELETED[0] ? null : value.subarray(1),
  };
}
