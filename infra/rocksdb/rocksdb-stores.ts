// StateStores on RocksDB: one database folder per store name.
import { existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import RocksDB from 'rocksdb-native';
import { Failure } from '../../schemas/failure.ts';
import { diskFull, isDiskFull } from '../disk-space.ts';
import { noteClosed, noteOpen } from './open-databases.ts';
import { type StateStore, type StateStores, type StoreWrite } from '../../streams/store.ts';

// Small stores, many per process: two background jobs and 64 files each keep threads and descriptors bounded.
// Its counters cost nothing that can be measured; its histograms and timers stay off. Write buffers of 16 MiB (two per
// store at most) instead of 64 cost no time, at ten thousand keys as at ten million (DECISIONS.md).
const OPTIONS = { maxBackgroundJobs: 2, maxOpenFiles: 64, enableStatistics: true, writeBufferSize: 16 * 1024 * 1024 };

// Rows that a scan fetches at a time: each fetch is a way to another thread and back, and of a short scan too much is read.
const SCAN_ROWS = 64;

class RocksStore implements StateStore {
  readonly #db: RocksDB;
  readonly #name: string;

  constructor(db: RocksDB, name: string) {
    this.#db = db;
    this.#name = name;
    noteOpen(name, db);
  }

  async multiGet(keys: readonly Buffer[]): Promise<readonly (Buffer | null)[]> {
    const batch = this.#db.read();
    try {
      const answers = keys.map((key) => batch.get(key));
      batch.tryFlush();
      return await Promise.all(answers);
    } catch (cause) {
      throw failureOf(cause, this.#name);
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
      throw failureOf(cause, this.#name);
    } finally {
      batch.destroy();
    }
  }

  async *scan(range: {
    from?: Buffer;
    to?: Buffer;
    reverse?: boolean;
    limit?: number;
    rowsAtATime?: number;
  }): AsyncIterable<{ key: Buffer; value: Buffer }> {
    const bounds = {
      ...(range.from === undefined ? {} : { gte: range.from }),
      ...(range.to === undefined ? {} : { lt: range.to }),
    };
    try {
      yield* this.#db.iterator(bounds, {
        reverse: range.reverse ?? false,
        capacity: range.rowsAtATime ?? SCAN_ROWS,
        ...(range.limit === undefined ? {} : { limit: range.limit }),
      });
    } catch (cause) {
      throw failureOf(cause, this.#name);
    }
  }

  async close(): Promise<void> {
    noteClosed(this.#db);
    await this.#db.close({ force: true });
  }
}

/** What RocksDB said, as what its caller can do about it. Whatever is neither the machine's nor a lock's fault is damage. */
function failureOf(cause: unknown, name: string): Failure {
  if (isDiskFull(cause)) return diskFull('the state folder', cause);
  const text = String(cause);
  if (/lock hold by|While lock file|\/LOCK:|Permission denied|Read-only file system|Too many open files/i.test(text)) {
    return new Failure('conflict', `The state store ${name} does not open: ${text}.`, {
      fix: 'Stop the other process that uses this folder, and see that this one may write there.',
      cause,
    });
  }
  return new Failure('damaged_state', `The state store ${name} is damaged: ${text}.`, {
    field: name,
    fix: 'Nothing to do: it is thrown away and comes back from the log.',
    cause,
  });
}

/** @param folder made when missing; only one process may use it at a time (RocksDB's own lock says so) */
export function rocksStores(folder: string): StateStores {
  return {
    async open(name) {
      const path = join(folder, name);
      let db: RocksDB;
      try {
        mkdirSync(path, { recursive: true });
        db = new RocksDB(path, OPTIONS);
        await db.ready();
      } catch (cause) {
        throw failureOf(cause, name);
      }
      return new RocksStore(db, name);
    },
    async destroy(name) {
      rmSync(join(folder, name), { recursive: true, force: true });
    },
    names: async () => (existsSync(folder) ? readdirSync(folder) : []),
  };
}
