// What can be asked of the states of an application from outside, one task at a time, and what it answers.

/** By topic and partition: the offset of the last record that a state has taken up, −1: none yet. */
export type Position = Readonly<Record<string, Readonly<Record<number, number>>>>;

/** A kind of rows in a store that can be read from outside. */
export interface ReadableStore {
  /** unique in its application */
  readonly name: string;
  readonly partitions: number;
  /** before each of its keys in the local store */
  readonly prefix: Buffer;
  /** The value of a row, as JSON can tell it; null: only a timer is kept. @throws what its format throws */
  show(row: Buffer): { readonly value: unknown } | null;
}

export type Wanted =
  | { readonly kind: 'keys'; readonly keys: readonly string[] }
  /** in byte order of the keys, `from` included, `to` excluded; null: from the first, to the last */
  | { readonly kind: 'range'; readonly from: string | null; readonly to: string | null; readonly limit: number };

export interface StateQuestion {
  readonly store: string;
  /** the task that is asked */
  readonly partition: number;
  readonly wanted: Wanted;
  /** the answer contains these records: of a task only those that it reads itself are waited for */
  readonly atLeast: Position;
  /** how long that may take */
  readonly waitMs: number;
}

export interface StateRow {
  readonly key: string;
  readonly value: unknown;
}

export interface StateAnswer {
  readonly partition: number;
  /** the rows contain everything up to there, maybe more */
  readonly position: Position;
  /** keys that have none are left out */
  readonly rows: readonly StateRow[];
}

/** What an instance can be asked for. */
export interface HeldStore {
  readonly name: string;
  /** topics whose offsets its positions are about */
  readonly sources: readonly string[];
  readonly partitions: number;
  /** those of this instance's tasks */
  readonly here: readonly number[];
}

/** In the byte order of keys, as stores have them. */
export function byKey(a: StateRow, b: StateRow): number {
  return Buffer.compare(Buffer.from(a.key), Buffer.from(b.key));
}
