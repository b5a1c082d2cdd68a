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
  /** In byte order of the keys, `from` included, `to` excluded. */
  scan(range: {
    readonly from?: Buffer;
    readonly to?: Buffer;
    readonly reverse?: boolean;
    readonly limit?: number;
  }): AsyncIterable<{
    readonly key: Buffer;
    readonly value: Buffer;
  }>;
  close(): Promise<void>;
}

/** Opens, or makes, the store with this name. Deleting its folder while closed makes it empty. */
export interface StateStores {
  open(name: string): Promise<StateStore>;
  destroy(name: string): Promise<void>;
}
