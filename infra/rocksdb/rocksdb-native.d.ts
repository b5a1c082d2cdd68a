declare module 'rocksdb-native' {
  interface Batch {
    get(key: Buffer): Promise<Buffer | null>;
    tryPut(key: Buffer, value: Buffer): void;
    tryDelete(key: Buffer): void;
    tryFlush(): void;
    flush(): Promise<void>;
    destroy(): void;
  }
  interface Range {
    gte?: Buffer;
    lt?: Buffer;
  }
  export default class RocksDB {
    constructor(
      path: string,
      options?: { maxBackgroundJobs?: number; maxOpenFiles?: number; enableStatistics?: boolean },
    );
    ready(): Promise<void>;
    read(): Batch;
    write(): Batch;
    iterator(
      range: Range,
      options?: { reverse?: boolean; limit?: number; capacity?: number },
    ): AsyncIterable<{ key: Buffer; value: Buffer }>;
    /** undefined: RocksDB knows no such property */
    getProperty(name: string): Promise<string | undefined>;
    close(options?: { force?: boolean }): Promise<void>;
  }
}
