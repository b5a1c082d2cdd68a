// The state of one task: decoded values in memory, dirty ones written at each commit to the changelog (in the transaction)
// and then to the local store. A key is written once per commit, however often it changed.
import { type NewRecord, partitionId } from './log.ts';
import { type StateStore, type StoreWrite } from './store.ts';

/** How a value is kept. Law: decode(encode(v)) behaves as v. */
export interface StateSerde<V> {
  encode(value: V): Buffer;
  decode(bytes: Buffer): V;
}

// Keys of states are UTF-8 text and never start with NUL: this one is the store's own.
const POSITION_KEY = Buffer.from('\0changelog-position');

export class TaskState<V> {
  readonly #store: StateStore;
  readonly #serde: StateSerde<V>;
  readonly #changelog: { readonly topic: string; readonly partition: number };
  readonly #values = new Map<string, V>();
  readonly #dirty = new Set<string>();
  #unwritten: StoreWrite[] = [];

  constructor(store: StateStore, serde: StateSerde<V>, changelog: { topic: string; partition: number }) {
    this.#store = store;
    this.#serde = serde;
    this.#changelog = changelog;
  }

  get changelogId(): string {
    return partitionId(this.#changelog);
  }

  get(key: string): V | undefined {
    return this.#values.get(key);
  }

  /** Also tells that a value got from here was changed in place. */
  put(key: string, value: V): void {
    this.#values.set(key, value);
    this.#dirty.add(key);
  }

  delete(key: string): void {
    if (this.#values.delete(key)) this.#dirty.add(key);
  }

  get size(): number {
    return this.#values.size;
  }

  entries(): IterableIterator<[string, V]> {
    return this.#values.entries();
  }

  /** The next changelog offset that the local store has not got; 0 for an empty store. */
  async load(): Promise<number> {
    for await (const { key, value } of this.#store.scan({})) {
      if (key[0] === 0) continue;
      this.#values.set(key.toString(), this.#serde.decode(value));
    }
    const [position] = await this.#store.multiGet([POSITION_KEY]);
    return position === null || position === undefined ? 0 : Number(position.readBigInt64BE(0));
  }

  /** Applies a part of the changelog's tail, read from the log. */
  async restore(records: readonly { key: Buffer | null; value: Buffer | null }[], nextOffset: number): Promise<void> {
    const writes: StoreWrite[] = [];
    for (const { key, value } of records) {
      if (key === null) continue;
      if (value === null) this.#values.delete(key.toString());
      else this.#values.set(key.toString(), this.#serde.decode(value));
      writes.push({ key, value });
    }
    await this.#store.write([...writes, positionWrite(nextOffset)]);
  }

  /** What has changed since the last call, as changelog records; kept until `written` or lost with the task. */
  drain(): NewRecord[] {
    const records: NewRecord[] = [];
    for (const key of this.#dirty) {
      const value = this.#values.get(key);
      const write = { key: Buffer.from(key), value: value === undefined ? null : this.#serde.encode(value) };
      this.#unwritten.push(write);
      records.push({ ...this.#changelog, timestampMs: 0, ...write });
    }
    this.#dirty.clear();
    return records;
  }

  /** After the transaction has committed: the same changes go to the local store, with the changelog position. */
  async written(nextOffset: number | null): Promise<void> {
    if (this.#unwritten.length === 0) return;
    const writes = this.#unwritten;
    this.#unwritten = [];
    await this.#store.write(nextOffset === null ? writes : [...writes, positionWrite(nextOffset)]);
  }

  async close(): Promise<void> {
    await this.#store.close();
  }
}

function positionWrite(nextOffset: number): StoreWrite {
  const value = Buffer.allocUnsafe(8);
  value.writeBigInt64BE(BigInt(nextOffset), 0);
  return { key: POSITION_KEY, value };
}
