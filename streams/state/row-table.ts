// The rows of one direct task: in memory up to a bound, all committed ones in the local store, changes in the changelog.
//
//   changed ──commit──► changelog (in the transaction) ──now and then, after a commit──► local store, with the changelog position
//
// The store may lag behind the changelog by the changes of a few commits (`isStoreDue`): a killed instance reads that tail again and
// no more.
import { type RecordSlab, type TopicPartition } from '../log.ts';
import { type OutputBatches } from '../output-batches.ts';
import { type StateStore, type StoreWrite } from '../store.ts';
import { ArenaRow } from './arena-row.ts';
import { CommittedRows } from './committed-rows.ts';
import { isPacked } from './packed-rows.ts';
import { type ChangelogEnd, isPositionKey, positionWrite, renewPosition } from './position.ts';
import { type Row, type RowSerde } from './row.ts';
import { RowArena } from './row-arena.ts';

/** Lists of the arena. */
const CHANGED = 0;
/** Changed since the last draw for the store. */
const UNSTORED = 1;
/** Being read from the store. */
const LOADING = 2;

/** Rows between two looks at how full the batch is. */
const ROLL_EVERY = 50;
/** Changes that the store lacks are kept for who reads from outside, and are read again after a kill: no more than so many bytes. */
const UNSTORED_CHANGES_BYTES_MAX = 4 * 1024 * 1024;
/** Rows that the store lacks cannot be let go of: no more than this part of memory is theirs. */
const UNSTORED_SHARE_MAX = 1 / 4;
/** Nor can they be packed: where memory is short, less. */
const UNSTORED_SHARE_MAX_PACKING = 1 / 16;
/** But so many may always be: a bound that is next to nothing must not make a commit of each event. */
const UNSTORED_ROWS_MIN = 1000;
/** Rows are written side by side into buffers of so many bytes. */
const WRITES_BYTES = 256 * 1024;

export class RowTable {
  /** for who reads from outside */
  readonly committed: CommittedRows;
  readonly #store: StateStore;
  readonly #serde: RowSerde;
  readonly #cacheBytesMax: number;
  readonly #arena: RowArena;
  readonly #row: ArenaRow;
  /** draws for the store so far, and the last that is there */
  #draws = 0;
  #stored = 0;
  /** no row is in the store that is not in memory: a key that is not here is new */
  #complete: boolean;

  /** @param isEmpty the store holds nothing yet */
  constructor(store: StateStore, serde: RowSerde, cacheBytesMax: number, isEmpty: boolean) {
    this.#store = store;
    this.committed = new CommittedRows(store);
    this.#serde = serde;
    this.#cacheBytesMax = cacheBytesMax;
    this.#arena = new RowArena(cacheBytesMax, serde);
    this.#row = new ArenaRow(this.#arena);
    this.#complete = isEmpty;
  }

  get cachedRows(): number {
    return this.#arena.rows;
  }

  get cachedBytes(): number {
    return this.#arena.bytes;
  }

  /** Whether rows may have to be read before `rowOf` is called. */
  get needsLoading(): boolean {
    return !this.#complete;
  }

  /** Brings the rows of these records into memory. */
  async load(slab: RecordSlab): Promise<void> {
    const keys: Buffer[] = [];
    for (let index = 0; index < slab.count; index += 1) {
      const start = slab.keyStarts[index] ?? -1;
      const end = slab.keyEnds[index] ?? start;
      if (start < 0 || isPositionKey(slab.data, start, end)) continue;
      if (this.#arena.find(slab.data, start, end) !== -1) continue;
      this.#arena.mark(this.#arena.add(slab.data, start, end, this.#serde.doubles), LOADING);
      keys.push(slab.data.subarray(start, end));
    }
    if (keys.length > 0) await this.#fill(keys);
  }

  /** The rows that are marked as being read. */
  async #fill(keys: readonly Buffer[]): Promise<void> {
    const loading = this.#arena.marked(LOADING).addresses;
    try {
      const values = await this.#store.multiGet(keys);
      for (const [index, value] of values.entries()) {
        if (value === null) continue;
        this.#arena.open(this.#row, loading[index] ?? -1);
        this.#serde.read(value, this.#row);
        this.#arena.keep(this.#row);
      }
      this.#arena.unmarkAll(LOADING);
    } catch (error) {
      // not as if they were new
      const unread = [...loading];
      this.#arena.unmarkAll(LOADING);
      for (const address of unread) this.#arena.remove(address);
      throw error;
    }
  }

  /**
   * The row of a key, made when there is none; until the next call, for it is always the same object. Rows must have been loaded
   * before where `needsLoading`.
   */
  rowOf(key: Buffer, start: number, end: number): Row {
    const known = this.#arena.find(key, start, end);
    if (isPacked(known)) this.#arena.unpack(this.#row, known);
    else this.#arena.open(this.#row, known >= 0 ? known : this.#arena.add(key, start, end, this.#serde.doubles));
    return this.#row;
  }

  /** The row that `rowOf` gave last was changed. */
  changed(): void {
    this.#arena.keep(this.#row);
    this.#arena.mark(this.#row.address, CHANGED);
    this.#arena.mark(this.#row.address, UNSTORED);
  }

  get hasChanged(): boolean {
    return this.#arena.marked(CHANGED).addresses.length > 0;
  }

  /** Appends what has changed since the last call as changelog records. */
  drawChangelog(outputs: OutputBatches, { topic, partition }: TopicPartition): void {
    const into = outputs.builderFor(topic, partition);
    const row = this.#row;
    for (const [index, address] of this.#arena.marked(CHANGED).addresses.entries()) {
      if (index % ROLL_EVERY === 0) outputs.roll();
      const key = this.#arena.keyAt(address);
      this.#arena.open(row, address);
      const at = into.begin(0, key.bytes, key.start, key.end, this.#serde.bytesMax(row));
      into.end(this.#serde.write(row, into.bytes, at));
    }
    this.#arena.unmarkAll(CHANGED);
  }

  /** Whether a commit should come early: what has changed cannot be let go of before it. */
  get isFull(): boolean {
    return this.#takesMuch(CHANGED, UNSTORED_SHARE_MAX);
  }

  /** Whether the store lacks as much as it should. */
  get isStoreDue(): boolean {
    const shareMax = this.#arena.isPacking ? UNSTORED_SHARE_MAX_PACKING : UNSTORED_SHARE_MAX;
    return this.committed.sizeBytes > UNSTORED_CHANGES_BYTES_MAX || this.#takesMuch(UNSTORED, shareMax);
  }

  #takesMuch(list: number, shareMax: number): boolean {
    const { addresses, bytes } = this.#arena.marked(list);
    return addresses.length > UNSTORED_ROWS_MIN && bytes > shareMax * this.#cacheBytesMax;
  }

  /**
   * All that the store has not got, as it is now: to be drawn together with the changelog, and written after its commit, before
   * anything is drawn again. Until then memory is the only place where these rows are.
   */
  drawStore(): StoreWrite[] {
    this.#draws += 1;
    const writes = new WritesBuffer();
    const row = this.#row;
    for (const address of this.#arena.marked(UNSTORED).addresses) {
      this.#arena.setDrawn(address, this.#draws);
      this.#arena.open(row, address);
      const key = this.#arena.keyAt(address);
      writes.add(key, this.#serde.bytesMax(row), (into, at) => this.#serde.write(row, into, at));
    }
    this.#arena.unmarkAll(UNSTORED);
    return writes.all;
  }

  /**
   * @param end of the changelog, with these writes
   * @param asOfMs wall clock when they were drawn; it is written even where there are none
   */
  async writeStore(writes: readonly StoreWrite[], end: ChangelogEnd, asOfMs: number): Promise<void> {
    const draw = this.#draws;
    const { commits } = this.committed;
    if (writes.length === 0) await renewPosition(this.#store, asOfMs);
    else await this.#store.write([...writes, positionWrite({ ...end, asOfMs })]);
    this.committed.stored(commits);
    this.#stored = draw;
  }

  /**
   * Writes what the store lacks of the commits so far, as it was committed: memory may be ahead of that. For the end, when nothing is
   * being written.
   */
  async storeCommitted(end: ChangelogEnd, asOfMs: number): Promise<void> {
    const { commits } = this.committed;
    const writes = this.committed.unstored();
    if (writes.length === 0) return;
    await this.#store.write([...writes, positionWrite({ ...end, asOfMs })]);
    this.committed.stored(commits);
  }

  /** Lets go of rows that were not used lately while memory is above its bound. Only between slabs. */
  sweep(): void {
    const gone = this.#arena.sweep(
      (address) => this.#arena.isMarked(address, UNSTORED) || this.#arena.isMarked(address, CHANGED),
      this.#stored,
    );
    if (gone > 0) this.#complete = false;
  }

  async close(): Promise<void> {
    await this.#store.close();
  }
}

/** Keys and values of writes, copied side by side: what they were copied from may move while the store reads them. */
class WritesBuffer {
  readonly all: StoreWrite[] = [];
  #bytes = Buffer.alloc(0);
  #at = 0;

  add(
    key: { readonly bytes: Buffer; readonly start: number; readonly end: number },
    valueBytesMax: number,
    write: (into: Buffer, at: number) => number,
  ): void {
    const keyBytes = key.end - key.start;
    if (this.#at + keyBytes + valueBytesMax > this.#bytes.length) {
      this.#bytes = Buffer.allocUnsafeSlow(Math.max(WRITES_BYTES, keyBytes + valueBytesMax));
      this.#at = 0;
    }
    const keyStart = this.#at;
    const valueStart = keyStart + key.bytes.copy(this.#bytes, keyStart, key.start, key.end);
    this.#at = write(this.#bytes, valueStart);
    this.all.push({
      key: this.#bytes.subarray(keyStart, valueStart),
      value: this.#bytes.subarray(valueStart, this.#at),
    });
  }
}
