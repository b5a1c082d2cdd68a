// The rows of one direct task: decoded ones in memory up to a bound, all committed ones in the local store, changes in the changelog.
//
//   changed ──commit──► changelog (in the transaction) ──now and then, after a commit──► local store, with the changelog position
//
// The store may lag behind the changelog by the changes of `STORE_EVERY_MS`: a killed instance reads that tail again and no more.
import { type RecordSlab, type TopicPartition } from '../log.ts';
import { type OutputBatches } from '../output-batches.ts';
import { type StateStore, type StoreWrite } from '../store.ts';
import { ClockHand } from './clock-hand.ts';
import { CommittedRows } from './committed-rows.ts';
import { positionWrite } from './position.ts';

/** How a row is made and kept. Law: read(write(row)) behaves as row. */
export interface RowSerde<R> {
  newRow(): R;
  /** what it takes in memory, about */
  sizeBytes(row: R): number;
  /** what `write` takes at most */
  bytesMax(row: R): number;
  /** @returns the position behind the row */
  write(row: R, into: Buffer, at: number): number;
  read(bytes: Buffer): R;
}

export interface RowEntry<R> {
  /** the key's bytes, one per character */
  readonly key: string;
  row: R;
  /** since the last commit was drawn */
  changed: boolean;
  /** since the last draw for the store */
  unstored: boolean;
  /** drawn for the store and not written there yet */
  storing: boolean;
  /** sweep at which it was used last */
  usedAt: number;
  sizeBytes: number;
}

/** A map entry, its key and its object, about. */
const ENTRY_BYTES = 160;
/** Rows between two looks at how full the batch is. */
const ROLL_EVERY = 50;

export class RowTable<R> {
  /** for who reads from outside */
  readonly committed: CommittedRows;
  readonly #store: StateStore;
  readonly #serde: RowSerde<R>;
  readonly #cacheBytesMax: number;
  readonly #rows = new Map<string, RowEntry<R>>();
  #changed: RowEntry<R>[] = [];
  #unstored: RowEntry<R>[] = [];
  readonly #hand = new ClockHand(this.#rows);
  #storing: RowEntry<R>[] = [];
  #cachedBytes = 0;
  #sweep = 0;
  /** no row is in the store that is not in memory: a key that is not here is new */
  #complete: boolean;

  /** @param isEmpty the store holds nothing yet */
  constructor(store: StateStore, serde: RowSerde<R>, cacheBytesMax: number, isEmpty: boolean) {
    this.#store = store;
    this.committed = new CommittedRows(store);
    this.#serde = serde;
    this.#cacheBytesMax = cacheBytesMax;
    this.#complete = isEmpty;
  }

  get cachedRows(): number {
    return this.#rows.size;
  }

  get cachedBytes(): number {
    return this.#cachedBytes;
  }

  /** Whether rows may have to be read before `entryOf` is called. */
  get needsLoading(): boolean {
    return !this.#complete;
  }

  /** Brings the rows of these records into memory. */
  async load(slab: RecordSlab): Promise<void> {
    const missing = new Set<string>();
    for (let index = 0; index < slab.count; index += 1) {
      const start = slab.keyStarts[index] ?? -1;
      if (start < 0) continue;
      const key = slab.data.toString('latin1', start, slab.keyEnds[index]);
      const known = this.#rows.get(key);
      if (known === undefined) missing.add(key);
      else known.usedAt = this.#sweep;
    }
    if (missing.size === 0) return;
    const keys = [...missing];
    const values = await this.#store.multiGet(keys.map((key) => Buffer.from(key, 'latin1')));
    for (const [index, key] of keys.entries()) {
      const value = values[index] ?? null;
      if (value !== null) this.#keep(key, this.#serde.read(value));
    }
  }

  /** The row of a key, made when there is none. Rows must have been loaded before where `needsLoading`. */
  entryOf(key: string): RowEntry<R> {
    const known = this.#rows.get(key);
    if (known !== undefined) {
      known.usedAt = this.#sweep;
      return known;
    }
    return this.#keep(key, this.#serde.newRow());
  }

  /** A row that is in memory. */
  peek(key: string): R | undefined {
    return this.#rows.get(key)?.row;
  }

  #keep(key: string, row: R): RowEntry<R> {
    const sizeBytes = ENTRY_BYTES + key.length + this.#serde.sizeBytes(row);
    const entry = { key, row, changed: false, unstored: false, storing: false, usedAt: this.#sweep, sizeBytes };
    this.#rows.set(key, entry);
    this.#hand.came();
    this.#cachedBytes += sizeBytes;
    return entry;
  }

  /** The row was changed in place. */
  change(entry: RowEntry<R>): void {
    if (!entry.changed) {
      entry.changed = true;
      this.#changed.push(entry);
    }
    if (!entry.unstored) {
      entry.unstored = true;
      this.#unstored.push(entry);
    }
  }

  get hasChanged(): boolean {
    return this.#changed.length > 0;
  }

  /** Appends what has changed since the last call as changelog records. */
  drawChangelog(outputs: OutputBatches, { topic, partition }: TopicPartition): void {
    const into = outputs.builderFor(topic, partition);
    for (const [index, entry] of this.#changed.entries()) {
      if (index % ROLL_EVERY === 0) outputs.roll();
      entry.changed = false;
      const key = Buffer.from(entry.key, 'latin1');
      const at = into.begin(0, key, 0, key.length, this.#serde.bytesMax(entry.row));
      into.end(this.#serde.write(entry.row, into.bytes, at));
    }
    this.#changed = [];
  }

  /**
   * All that the store has not got, as it is now: to be drawn together with the changelog, and written after its commit, before
   * anything is drawn again. Until then memory is the only place where these rows are.
   */
  drawStore(): StoreWrite[] {
    const entries = this.#unstored;
    this.#unstored = [];
    this.#storing = entries;
    return entries.map((entry) => {
      entry.unstored = false;
      entry.storing = true;
      const value = Buffer.allocUnsafe(this.#serde.bytesMax(entry.row));
      const sizeBytes = ENTRY_BYTES + entry.key.length + this.#serde.sizeBytes(entry.row);
      this.#cachedBytes += sizeBytes - entry.sizeBytes;
      entry.sizeBytes = sizeBytes;
      const end = this.#serde.write(entry.row, value, 0);
      return { key: Buffer.from(entry.key, 'latin1'), value: value.subarray(0, end) };
    });
  }

  async writeStore(writes: readonly StoreWrite[], nextOffset: number): Promise<void> {
    const entries = this.#storing;
    const { commits } = this.committed;
    await this.#store.write([...writes, positionWrite(nextOffset)]);
    this.committed.stored(commits);
    for (const entry of entries) entry.storing = false;
  }

  /** Lets go of rows that were not used lately while memory is above its bound. Only between slabs. */
  sweep(): void {
    this.#sweep += 1;
    this.#hand.sweep(
      () => this.#cachedBytes > this.#cacheBytesMax,
      (entry) => {
        if (entry.unstored || entry.storing || entry.changed || entry.usedAt >= this.#sweep - 1) return;
        this.#rows.delete(entry.key);
        this.#cachedBytes -= entry.sizeBytes;
        this.#complete = false;
      },
    );
  }

  async close(): Promise<void> {
    await this.#store.close();
  }
}
