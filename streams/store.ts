// The port to a local key-value store. RocksDB (infra/rocksdb) and a map in memory (streams/memory-store.ts) pass the same suite.

export interface StoreWrite {
  readonly key: Buffer;
  /** null: delete */
  readonly value: Buffer | null;
}

export interface StateStore {
  /** One answer per key, in order. */
  multiGet(keys: readonly Buffer[]): Promise<readonly (Buffer | null)[]>;
  /** All or nothing. */
  write(writes: readonly StoreWrite[]): Promise<void>;
  /**
   * In byte order of the keys, `from` included, `to` excluded. The rows are those of one moment, which lies between the call and the
   * first row: what is written after the first row has come is not seen. A scan that is left early must be `return`ed, as `for await`
   * does; the store does not close before.
   */
  scan(range: {
    readonly from?: Buffer;
    readonly to?: Buffer;
    readonly reverse?: boolean;
    readonly limit?: number;
    /** how many the store may fetch at a time, where it does so; more for who reads all: fewer turns, each a bit longer */
    readonly rowsAtATime?: number;
  }): AsyncIterable<{
    readonly key: Buffer;
    readonly value: Buffer;
  }>;
  close(): Promise<void>;
}

/**
 * Opens, or makes, the store with this name. Deleting its folder while closed makes it empty. What turns out to be damaged, here or
 * at a later read, throws Failure `damaged_state` with the store's name as its field.
 */
export interface StateStores {
  open(name: string): Promise<StateStore>;
  destroy(name: string): Promise<void>;
  /** of the stores that were ever opened and not destroyed */
  names(): Promise<readonly string[]>;
}
