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
    constructor(path: string, options?: { maxBackgroundJobs?: number; maxOpenFiles?: number });
    ready(): Promise<void>;
    read(): Batch;
    write(): Batch;
    iterator(
      range: Range,
      options?: { reverse?: boolean; limit?: number },
    ): AsyncIterable<{ key: Buffer; value: Buffer }>;
    close(options?: { force?: boolean }): Promise<void>;
  }
}
