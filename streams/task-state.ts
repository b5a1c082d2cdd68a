// The state of one task: decoded values in memory, dirty ones written at each commit to the changelog (in the transaction)
// and then to the local store. A key is written once per commit, however often it changed.
//
// A state with bounds keeps the values that were used last, and lets go of others between steps; the store has them. Reading stays
// synchronous: who steps asks for the keys first (`fetch`), and is told where one is not here (`lacks`).
import { Failure } from '../schemas/failure.ts';
import { type NewRecord, type TopicPartition } from './log.ts';
import { RECORD_BYTES_MAX } from './record-limit.ts';
import { ClockHand } from './state/clock-hand.ts';
import { type ChangelogEnd, isPositionKey, positionWrite, renewPosition } from './state/position.ts';
import { type StateStore, type StoreWrite } from './store.ts';

/** How a value is kept. Law: decode(encode(v)) behaves as v. */
export interface StateSerde<V> {
  encode(value: V): Buffer;
  decode(bytes: Buffer): V;
}

/** What a state may keep in memory, about. */
export interface StateBounds {
  readonly cacheBytesMax: number;
  /** Whether the key's value stays in memory, whatever the bound. */
  isPinned(key: string): boolean;
}

/** A key whose value is in memory, or that is known to have none. */
interface Entry<V> {
  readonly key: string;
  /** undefined: it has none */
  value: V | undefined;
  /** changed since the last `drain` */
  isDirty: boolean;
  /** number of the `drain` that took it last */
  drainedAt: number;
  /** sweep at which it was used last */
  usedAt: number;
  sizeBytes: number;
}

/** A map's entry, its object and key, the row's own object; as measured with rows of 17 to 270 bytes. */
const ENTRY_BYTES = 220;
/** A decoded value of a few fields takes about so many times its encoded bytes, as measured; long texts half of that. */
const VALUE_FACTOR = 2;
/** Brought by one `fetch`: each is a way to another thread and back, and what it brings is beyond the bound for a moment. */
const FETCH_ROWS_MAX = 1000;
/** So many changes are never too many for memory: a commit for each few of them would be dearer. */
const DIRTY_ROWS_MIN = 1000;
/** The whole store is read: larger turns. */
const LOAD_ROWS_AT_A_TIME = 500;

export class TaskState<V> {
  readonly #store: StateStore;
  readonly #serde: StateSerde<V>;
  readonly #changelog: { readonly topic: string; readonly partition: number };
  readonly #isPinned: (key: string) => boolean;
  readonly #pinned = new Map<string, Entry<V>>();
  readonly #rows = new Map<string, Entry<V>>();
  readonly #hand = new ClockHand(this.#rows);
  #cacheBytesMax: number;
  /** of `#rows` */
  #cachedBytes = 0;
  #dirty: Entry<V>[] = [];
  #dirtyBytes = 0;
  #unwritten: StoreWrite[] = [];
  /** drained without a value, and not written yet */
  #deleted: Entry<V>[] = [];
  #drains = 0;
  #written = 0;
  #sweeps = 0;
  #size = 0;
  #isComplete = true;

  /** @param bounds null: all of it stays in memory */
  constructor(
    store: StateStore,
    serde: StateSerde<V>,
    changelog: { topic: string; partition: number },
    bounds: StateBounds | null = null,
  ) {
    this.#store = store;
    this.#serde = serde;
    this.#changelog = changelog;
    this.#cacheBytesMax = bounds?.cacheBytesMax ?? Infinity;
    this.#isPinned = (key) => bounds?.isPinned(key) === true;
  }

  get changelog(): TopicPartition {
    return this.#changelog;
  }

  /** What was committed, by key; values are as the serde writes them. */
  get committed(): StateStore {
    return this.#store;
  }

  /** The value of a key that it does not lack. */
  get(key: string): V | undefined {
    const entry = this.#find(key);
    if (entry === undefined) return undefined;
    entry.usedAt = this.#sweeps;
    return entry.value;
  }

  #find(key: string): Entry<V> | undefined {
    return this.#rows.get(key) ?? this.#pinned.get(key);
  }

  /** Whether every value is in memory. */
  get isComplete(): boolean {
    return this.#isComplete;
  }

  /** Whether the key may have a value that is not in memory: `fetch` it first. */
  lacks(key: string): boolean {
    return !this.#isComplete && this.#find(key) === undefined && !this.#isPinned(key);
  }

  /** Also tells that a value got from here was changed in place. Not of a key that it lacks. */
  put(key: string, value: V): void {
    const entry = this.#find(key) ?? this.#newEntry(key);
    if (entry.value === undefined) {
      this.#size += 1;
      // as if it had not been there: `entries` gives keys in the order in which they came
      if (entry.isDirty || entry.drainedAt > this.#written) this.#moveToEnd(entry);
    }
    entry.value = value;
    this.#change(entry);
  }

  delete(key: string): void {
    const entry = this.#find(key);
    if (entry === undefined) this.#requireKnown(key);
    if (entry?.value === undefined) return;
    this.#size -= 1;
    entry.value = undefined;
    this.#change(entry);
  }

  #change(entry: Entry<V>): void {
    entry.usedAt = this.#sweeps;
    if (entry.isDirty) return;
    entry.isDirty = true;
    this.#dirty.push(entry);
    this.#dirtyBytes += entry.sizeBytes;
  }

  #newEntry(key: string): Entry<V> {
    this.#requireKnown(key);
    return this.#keep(key, undefined, 0);
  }

  #requireKnown(key: string): void {
    if (this.lacks(key)) throw new Failure('internal', `The state of ${key} is changed before it was read.`);
  }

  #keep(key: string, value: V | undefined, valueBytes: number): Entry<V> {
    const sizeBytes = sizeOf(key, valueBytes);
    const entry = { key, value, isDirty: false, drainedAt: 0, usedAt: this.#sweeps, sizeBytes };
    if (this.#isPinned(key)) this.#pinned.set(key, entry);
    else {
      this.#rows.set(key, entry);
      this.#hand.came();
      this.#cachedBytes += sizeBytes;
    }
    return entry;
  }

  #moveToEnd(entry: Entry<V>): void {
    const rows = this.#rows.has(entry.key) ? this.#rows : this.#pinned;
    rows.delete(entry.key);
    rows.set(entry.key, entry);
  }

  /** Whether something has changed since the last `drain`. */
  get isDirty(): boolean {
    return this.#dirty.length > 0;
  }

  /** Whether changes, which stay in memory until they are committed, take a large part of what may be kept there. */
  get isFull(): boolean {
    return this.#dirty.length > DIRTY_ROWS_MIN && this.#dirtyBytes > this.#cacheBytesMax / 2;
  }

  /** Keys with a value, in memory or not. */
  get size(): number {
    return this.#size;
  }

  /** Keys in memory, those that are known to have no value among them. */
  get residentRows(): number {
    return this.#rows.size + this.#pinned.size;
  }

  /** What is in memory, without those that are pinned: about. */
  get cachedBytes(): number {
    return this.#cachedBytes;
  }

  /** What is in memory, pinned ones first. */
  *entries(): IterableIterator<[string, V]> {
    for (const rows of [this.#pinned, this.#rows])
      for (const { key, value } of rows.values()) if (value !== undefined) yield [key, value];
  }

  /**
   * What the local store holds, as far as the bound goes; pinned values all.
   * @param row told of each row, kept or not
   */
  async load(row?: (key: string, value: Buffer) => void): Promise<void> {
    for await (const { key, value } of this.#store.scan({ rowsAtATime: LOAD_ROWS_AT_A_TIME })) {
      if (isPositionKey(key, 0, key.length)) continue;
      const text = key.toString();
      this.#size += 1;
      row?.(text, value);
      if (this.#cachedBytes < this.#cacheBytesMax || this.#isPinned(text))
        this.#keep(text, this.#serde.decode(value), value.length);
      else this.#isComplete = false;
    }
  }

  /**
   * Brings values into memory that it lacks, the first thousand of them; those that are there will stay for this turn and the next.
   * @throws whatever the store throws
   */
  async fetch(keys: Iterable<string>): Promise<void> {
    const missing = new Set<string>();
    for (const key of keys) {
      const known = this.#find(key);
      if (known !== undefined) known.usedAt = this.#sweeps;
      else if (this.lacks(key) && missing.add(key).size >= FETCH_ROWS_MAX) break;
    }
    if (missing.size === 0) return;
    const texts = [...missing];
    // none of them is being written: what was drained stays here until it is
    const values = await this.#store.multiGet(texts.map((key) => Buffer.from(key)));
    for (const [index, key] of texts.entries()) {
      const value = values[index] ?? null;
      if (this.#find(key) !== undefined) continue;
      this.#keep(key, value === null ? undefined : this.#serde.decode(value), value?.length ?? 0);
    }
  }

  /** From now on so much may be in memory; `sweep` sees to it. */
  limitTo(cacheBytesMax: number): void {
    if (this.#cacheBytesMax < Infinity) this.#cacheBytesMax = cacheBytesMax;
  }

  /** Lets go of values that were not used lately while memory is above its bound. Only between steps. */
  sweep(): void {
    this.#sweeps += 1;
    this.#hand.sweep(
      () => this.#cachedBytes > this.#cacheBytesMax,
      (entry) => {
        if (entry.isDirty || entry.drainedAt > this.#written || entry.usedAt >= this.#sweeps - 1) return;
        this.#forget(entry);
        this.#isComplete = false;
      },
    );
  }

  #forget(entry: Entry<V>): void {
    if (this.#rows.delete(entry.key)) this.#cachedBytes -= entry.sizeBytes;
    else this.#pinned.delete(entry.key);
  }

  /** What the row would take in the changelog. */
  rowBytes(key: string, value: V): number {
    return Buffer.byteLength(key) + this.#serde.encode(value).length;
  }

  /**
   * What has changed since the last call, as changelog records; kept until `written` or lost with the task.
   * @throws Failure `too_large` when a row is larger than the log takes; the task must be made anew then
   */
  drain(): NewRecord[] {
    this.#drains += 1;
    const records = this.#dirty.map((entry) => {
      const { key: text, value } = entry;
      entry.isDirty = false;
      entry.drainedAt = this.#drains;
      const write = { key: Buffer.from(text), value: value === undefined ? null : this.#serde.encode(value) };
      const bytes = write.key.length + (write.value?.length ?? 0);
      if (bytes > RECORD_BYTES_MAX) throw new Failure('too_large', `A row of the state would have ${bytes} bytes.`);
      if (value === undefined) this.#deleted.push(entry);
      else this.#resize(entry, write.value?.length ?? 0);
      this.#unwritten.push(write);
      return { ...this.#changelog, timestampMs: 0, ...write };
    });
    this.#dirty = [];
    this.#dirtyBytes = 0;
    return records;
  }

  #resize(entry: Entry<V>, valueBytes: number): void {
    const sizeBytes = sizeOf(entry.key, valueBytes);
    if (sizeBytes === entry.sizeBytes) return;
    if (!this.#isPinned(entry.key)) this.#cachedBytes += sizeBytes - entry.sizeBytes;
    entry.sizeBytes = sizeBytes;
  }

  /**
   * After the transaction has committed: the same changes go to the local store, with the changelog position.
   * @param drained `asOfMs`: wall clock then, nobody else can have written to the changelog before; `isRenewal`: the store is to say
   * so, changes or none
   */
  async written(
    end: ChangelogEnd | null,
    { asOfMs, isRenewal }: { readonly asOfMs: number; readonly isRenewal: boolean },
  ): Promise<void> {
    if (this.#unwritten.length === 0) return isRenewal ? renewPosition(this.#store, asOfMs) : undefined;
    const [writes, deleted, drains] = [this.#unwritten, this.#deleted, this.#drains];
    this.#unwritten = [];
    this.#deleted = [];
    await this.#store.write(end === null ? writes : [...writes, positionWrite({ ...end, asOfMs })]);
    this.#written = drains;
    for (const entry of deleted) {
      const isGone = entry.value === undefined && !entry.isDirty && entry.drainedAt <= drains;
      if (isGone && this.#find(entry.key) === entry) this.#forget(entry);
    }
  }

  async close(): Promise<void> {
    await this.#store.close();
  }
}

function sizeOf(key: string, valueBytes: number): number {
  return ENTRY_BYTES + key.length + VALUE_FACTOR * valueBytes;
}
