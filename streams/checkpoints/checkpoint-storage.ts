// The port to where checkpoints are kept: a folder or S3 (infra/checkpoints), or memory (memory-storage.ts). All pass the same suite.

export interface StoredObject {
  readonly name: string;
  readonly bytes: number;
}

/** Objects by name; a name is one or more parts with `/` between them, each of letters, digits and `._%~-`. */
export interface CheckpointStorage {
  /**
   * Afterwards the whole object is there; if it rejects, or the process ends, what was there before.
   * @returns its size in bytes
   */
  put(name: string, chunks: AsyncIterable<Buffer>, signal?: AbortSignal): Promise<number>;
  /** In chunks of any size. @throws Failure `unknown_name` at the first chunk */
  get(name: string): AsyncIterable<Buffer>;
  /** Whole objects whose names begin with `prefix`, by name. */
  list(prefix: string): Promise<readonly StoredObject[]>;
  /** Deleting what is not there is no failure. */
  delete(name: string): Promise<void>;
}
