// The state of one task: decoded values in memory, dirty ones written at each commit to the changelog (in the transaction)
// and then to the local store. A key is written once per commit, however often it changed.
import { type NewRecord, type TopicPartition } from './log.ts';
import { positionWrite } from './state/position.ts';
import { type StateStore, type StoreWrite } from './store.ts';

/** How a value is kept. Law: decode(encode(v)) behaves as v. */
export interface StateSerde<V> {
  encode(value: V): Buffer;
  decode(bytes: Buffer): V;
}

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

  get changelog(): TopicPartition {
    return this.#changelog;
  }

  /** What was committed, by key; values are as the serde writes them. */
  get committed(): StateStore {
    return this.#store;
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

  /** Whether something has changed since the last `drain`. */
  get isDirty(): boolean {
    return this.#dirty.size > 0;
  }

  get size(): number {
    return this.#values.size;
  }

  entries(): IterableIterator<[string, V]> {
    return this.#values.entries();
  }

  /** What the local store holds. */
  async load(): Promise<void> {
    for await (const { key, value } of this.#store.scan({})) {
      if (key[0] === 0) continue;
      this.#values.set(key.toString(), this.#serde.decode(value));
    }
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
