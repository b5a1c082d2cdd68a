// The committed rows of one direct task, for who reads them from outside. The rows in memory are changed in place and may be ahead of
// the last commit, the local store may be behind it; what was committed since the store was written last stands in the changelog
// batches of those commits, which are kept until the store has their rows too.
//
//   an answer = local store, and over it the batches of the commits that it lacks, the newest last
//
// Nothing is done per record: a batch is looked into when somebody asks. Who commits pays for a copy of small batches, no more.
import { type EncodedBatch } from '../log.ts';
import { HEADER_BYTES } from '../record-batch.ts';
import { SlabColumns, readRecords } from '../record-slab.ts';
import { type StateStore, type StoreWrite } from '../store.ts';

/** Rows as of the last commit, or of one that has come meanwhile; never of one before. */
export interface ReadableRows {
  /** One answer per key, in order. */
  multiGet(keys: readonly Buffer[]): Promise<readonly (Buffer | null)[]>;
  /** In byte order of the keys, `from` included, `to` excluded. One that is left early must be `return`ed, as `for await` does. */
  scan(range: { readonly from?: Buffer; readonly to?: Buffer }): AsyncIterable<ReadableRow>;
}

export interface ReadableRow {
  readonly key: Buffer;
  readonly value: Buffer;
}

/** What one commit changed, or several. Keys have one character per byte, so that their order is that of the bytes. */
interface Changes {
  /** of the newest commit in it */
  readonly number: number;
  readonly sizeBytes: number;
  /** empty once `rows` is all there is */
  batches: readonly EncodedBatch[];
  rows: ReadonlyMap<string, Buffer> | null;
}

interface Range {
  readonly from: string;
  /** null: to the last */
  readonly to: string | null;
}

/** Batches of so many bytes are put together, one row per key: a store that does not come on must not make memory grow. */
const SEPARATE_BYTES_MAX = 64 * 1024 * 1024;
/** Keys of changed rows that a scan puts in order at a time. */
const ORDERED_KEYS = 1000;

export class CommittedRows implements ReadableRows {
  readonly #store: StateStore;
  readonly #separateBytesMax: number;
  /** oldest first */
  #changes: Changes[] = [];
  #commits = 0;

  constructor(store: StateStore, separateBytesMax = SEPARATE_BYTES_MAX) {
    this.#store = store;
    this.#separateBytesMax = separateBytesMax;
  }

  /** What is kept beside the store. */
  get sizeBytes(): number {
    return this.#changes.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  }

  /** A commit is over; its changelog batches. */
  committed(batches: readonly EncodedBatch[]): void {
    this.#commits += 1;
    if (batches.length === 0) return;
    const kept = batches.map((batch) => ({ ...batch, bytes: withoutSlack(batch.bytes) }));
    const sizeBytes = kept.reduce((sum, { bytes }) => sum + bytes.length, 0);
    this.#changes.push({ number: this.#commits, sizeBytes, batches: kept, rows: null });
    const [first] = this.#changes;
    const merged = first?.batches.length === 0 ? first.sizeBytes : 0;
    // only when there is as much again to put together: each byte is then copied a few times at most
    if (this.sizeBytes - merged > Math.max(this.#separateBytesMax, merged)) this.#merge();
  }

  #merge(): void {
    const rows = new Map<string, Buffer>();
    let sizeBytes = 0;
    for (const changes of this.#changes)
      for (const [key, value] of rowsOf(changes)) {
        sizeBytes += value.length - (rows.get(key)?.length ?? 0);
        rows.set(key, value);
      }
    // copies: a value that is part of its batch would keep the whole of it
    for (const [key, value] of rows) rows.set(key, Buffer.from(value));
    this.#changes = [{ number: this.#commits, sizeBytes, batches: [], rows }];
  }

  /** For `stored`: the commits so far. */
  get commits(): number {
    return this.#commits;
  }

  /** The store has what was committed up to there. */
  stored(commits: number): void {
    this.#changes = this.#changes.filter(({ number }) => number > commits);
  }

  /** What the store lacks: the newest row of each key that was committed since. */
  unstored(): StoreWrite[] {
    const rows = new Map<string, Buffer>();
    for (const changes of this.#changes) for (const [key, value] of rowsOf(changes)) rows.set(key, value);
    return [...rows].map(([key, value]) => asBytes({ key, value }));
  }

  async multiGet(keys: readonly Buffer[]): Promise<readonly (Buffer | null)[]> {
    const changed = keys.map((key) => this.#changed(key.toString('latin1')));
    const others = keys.filter((_, index) => changed[index] === null);
    if (others.length === 0) return changed;
    // after the changes were looked at: what goes from there to the store meanwhile is found in one of the two
    const stored = (await this.#store.multiGet(others)).values();
    return changed.map((value) => value ?? stored.next().value ?? null);
  }

  #changed(key: string): Buffer | null {
    for (let at = this.#changes.length - 1; at >= 0; at -= 1) {
      const changes = this.#changes[at];
      const value = changes === undefined ? undefined : rowsOf(changes).get(key);
      if (value !== undefined) return value;
    }
    return null;
  }

  async *scan(range: { readonly from?: Buffer; readonly to?: Buffer }): AsyncGenerator<ReadableRow> {
    const bounds = { from: range.from?.toString('latin1') ?? '', to: range.to?.toString('latin1') ?? null };
    const changed = inOrder([...this.#changes], bounds);
    let next = changed.next();
    for await (const row of this.#store.scan(range)) {
      const key = row.key.toString('latin1');
      for (; next.done !== true && next.value.key < key; next = changed.next()) yield asBytes(next.value);
      if (next.done !== true && next.value.key === key) {
        yield asBytes(next.value);
        next = changed.next();
      } else yield row;
    }
    for (; next.done !== true; next = changed.next()) yield asBytes(next.value);
  }
}

interface ChangedRow {
  readonly key: string;
  readonly value: Buffer;
}

function asBytes({ key, value }: ChangedRow): ReadableRow {
  return { key: Buffer.from(key, 'latin1'), value };
}

/** A builder's batch lies in a buffer as large as its largest one. */
function withoutSlack(bytes: Buffer): Buffer {
  return 2 * bytes.length < bytes.buffer.byteLength ? Buffer.from(bytes) : bytes;
}

/** Looked for once, and kept. */
function rowsOf(changes: Changes): ReadonlyMap<string, Buffer> {
  if (changes.rows !== null) return changes.rows;
  const rows = new Map<string, Buffer>();
  for (const { bytes, count } of changes.batches) {
    const columns = new SlabColumns(count + 1);
    readRecords(bytes, { start: HEADER_BYTES, count, baseOffset: 0, baseTimestampMs: 0 }, 0, columns, 0);
    for (let index = 0; index < count; index += 1) {
      const key = bytes.toString('latin1', columns.keyStarts[index], columns.keyEnds[index]);
      rows.set(key, bytes.subarray(columns.valueStarts[index], columns.valueEnds[index]));
    }
  }
  changes.rows = rows;
  return rows;
}

/** The newest row of each changed key, some at a time: who reads a page need not wait until all are in order. */
function* inOrder(all: readonly Changes[], { from, to }: Range): Generator<ChangedRow, undefined> {
  let isBehind = (key: string): boolean => key >= from;
  for (;;) {
    const keys = firstKeys(all, (key) => isBehind(key) && (to === null || key < to));
    for (const key of keys) {
      const newest = all.findLast((changes) => rowsOf(changes).has(key));
      const value = newest === undefined ? undefined : rowsOf(newest).get(key);
      if (value !== undefined) yield { key, value };
    }
    const last = keys.at(-1);
    if (last === undefined || keys.length < ORDERED_KEYS) return;
    isBehind = (key) => key > last;
  }
}

function firstKeys(all: readonly Changes[], isWanted: (key: string) => boolean): string[] {
  let keys = new Set<string>();
  for (const changes of all)
    for (const key of rowsOf(changes).keys()) {
      if (!isWanted(key)) continue;
      keys.add(key);
      if (keys.size >= 4 * ORDERED_KEYS) keys = new Set([...keys].sort().slice(0, ORDERED_KEYS));
    }
  return [...keys].sort().slice(0, ORDERED_KEYS);
}
