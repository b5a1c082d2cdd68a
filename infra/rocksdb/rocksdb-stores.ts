// StateStores on RocksDB: one database folder per store name.
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import RocksDB from 'rocksdb-native';
import { Failure } from '../../schemas/failure.ts';
import { type StateStore, type StateStores, type StoreWrite } from '../../streams/store.ts';

// Small stores, many per process: two background jobs and 64 files each keep threads and descriptors bounded.
const OPTIONS = { maxBackgroundJobs: 2, maxOpenFiles: 64 };

class RocksStore implements StateStore {
  readonly #db: RocksDB;

  constructor(db: RocksDB) {
    this.#db = db;
  }

  async multiGet(keys: readonly Buffer[]): Promise<readonly (Buffer | null)[]> {
    const batch = this.#db.read();
    try {
      const answers = keys.map((key) => batch.get(key));
      batch.tryFlush();
      return await Promise.all(answers);
    } finally {
      // an undestroyed batch keeps the database open for ever (FACTS.md)
      batch.destroy();
    }
  }

  async write(writes: readonly StoreWrite[]): Promise<void> {
    if (writes.length === 0) return;
    const batch = this.#db.write();
    try {
      for (const { key, value } of writes) {
        if (value === null) batch.tryDelete(key);
        else batch.tryPut(key, value);
      }
      await batch.flush();
    } catch (cause) {
      throw writeFailure(cause);
    } finally {
      batch.destroy();
    }
  }

  async *scan(range: {
    from?: Buffer;
    to?: Buffer;
    reverse?: boolean;
    limit?: number;
  }): AsyncIterable<{ key: Buffer; value: Buffer }> {
    const bounds = {
      ...(range.from === undefined ? {} : { gte: range.from }),
      ...(range.to === undefined ? {} : { lt: range.to }),
    };
    yield* this.#db.iterator(bounds, {
      reverse: range.reverse ?? false,
      ...(range.limit === undefined ? {} : { limit: range.limit }),
    });
  }

  async close(): Promise<void> {
    await this.#db.close({ force: true });
  }
}

function writeFailure(cause: unknown): unknown {
  if (/No space left/i.test(String(cause))) {
    return new Failure('disk_full', 'The disk that holds the state folder is full.', {
      fix: 'Free some space or move MILLRACE_DATA_DIR; what was not written will be restored from the log.',
      cause,
    });
  }
  return cause;
}

/** @param folder made when missing; only one process may use it at a time (RocksDB's own lock says so) */
export function rocksStores(folder: string): StateStores {
  return {
    async open(name) {
      const path = join(folder, name);
      mkdirSync(path, { recursive: true });
      const db = new RocksDB(path, OPTIONS);
      try {
        await db.ready();
      } catch (cause) {
        throw new Failure('conflict', `The state store ${path} does not open: ${String(cause)}.`, {
          fix: 'Stop the other process that uses this folder; if it is damaged, delete it: it comes back from the log.',
          cause,
        });
      }
      return new RocksStore(db);
    },
    async destroy(name) {
      rmSync(join(folder, name), { recursive: true, force: true });
    },
  };
}
