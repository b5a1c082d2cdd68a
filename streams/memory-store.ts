// StateStores in memory, for tests and simulation. Passes the same suite as RocksDB.
import { type StateStore, type StateStores, type StoreWrite } from './store.ts';

class MemoryStore implements StateStore {
  readonly #rows: Map<string, Buffer>;

  constructor(rows: Map<string, Buffer>) {
    this.#rows = rows;
  }

  async multiGet(keys: readonly Buffer[]): Promise<readonly (Buffer | null)[]> {
    return keys.map((key) => this.#rows.get(key.toString('latin1')) ?? null);
  }

  async write(writes: readonly StoreWrite[]): Promise<void> {
    for (const { key, value } of writes) {
      if (value === null) this.#rows.delete(key.toString('latin1'));
      else this.#rows.set(key.toString('latin1'), Buffer.from(value));
    }
  }

  async *scan(range: {
    from?: Buffer;
    to?: Buffer;
    reverse?: boolean;
    limit?: number;
  }): AsyncIterable<{ key: Buffer; value: Buffer }> {
    const from = range.from?.toString('latin1');
    const to = range.to?.toString('latin1');
    const keys = [...this.#rows.keys()]
      .filter((key) => (from === undefined || key >= from) && (to === undefined || key < to))
      .sort();
    if (range.reverse === true) keys.reverse();
    // taken together before the first is given: what is written meanwhile is not seen
    const rows = keys.slice(0, range.limit ?? keys.length).map((key) => ({ key, value: this.#rows.get(key) }));
    for (const { key, value } of rows) if (value !== undefined) yield { key: Buffer.from(key, 'latin1'), value };
  }

  async close(): Promise<void> {
    // rows outlive the handle, as a folder outlives the process
  }
}

export function memoryStores(): StateStores {
  const stores = new Map<string, Map<string, Buffer>>();
  return {
    async open(name) {
      const rows = stores.get(name) ?? new Map<string, Buffer>();
      stores.set(name, rows);
      return new MemoryStore(rows);
    },
    async destroy(name) {
      stores.delete(name);
    },
    names: async () => [...stores.keys()],
  };
}
