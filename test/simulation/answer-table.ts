// The newest tally of each account, a fold of a topic that is read whole; kept with the positions, as the online store is.
import { openOrEmpty } from '../../streams/local-store.ts';
import { type LogRecord } from '../../streams/log.ts';
import { type StateStore, type StateStores, type StoreWrite } from '../../streams/store.ts';

const POSITION = 'position/';
const TIME = 'time';
const ROW = 'row/';

export class AnswerTable {
  readonly #store: StateStore;
  readonly #rows = new Map<string, string>();
  readonly #positions = new Map<string, number>();
  #dirty = new Set<string>();
  #timeMs = Number.NEGATIVE_INFINITY;

  private constructor(store: StateStore) {
    this.#store = store;
  }

  /** Emptied when it is damaged, or stands later than `startMs`: it may not know the future. */
  static open(stores: StateStores, name: string, startMs: number): Promise<AnswerTable> {
    return openOrEmpty(stores, name, async (store) => {
      const table = new AnswerTable(store);
      await table.#load();
      return table.#timeMs <= startMs ? table : null;
    });
  }

  async #load(): Promise<void> {
    for await (const { key, value } of this.#store.scan({})) {
      const [name, text] = [key.toString(), value.toString()];
      if (name === TIME) this.#timeMs = Number(text);
      else if (name.startsWith(POSITION)) this.#positions.set(name.slice(POSITION.length), Number(text));
      else this.#rows.set(name.slice(ROW.length), text);
    }
  }

  get positions(): ReadonlyMap<string, number> {
    return this.#positions;
  }

  put({ key, value }: LogRecord): void {
    const account = key?.toString() ?? '';
    this.#rows.set(account, value?.toString() ?? '');
    this.#dirty.add(account);
  }

  get(account: string): unknown {
    const text = this.#rows.get(account);
    return text === undefined ? null : JSON.parse(text);
  }

  async flush(positions: ReadonlyMap<string, number>, timeMs: number): Promise<void> {
    const writes: StoreWrite[] = [write(TIME, String(timeMs))];
    for (const account of this.#dirty) writes.push(write(ROW + account, this.#rows.get(account) ?? ''));
    for (const [partition, offset] of positions) writes.push(write(POSITION + partition, String(offset)));
    this.#dirty = new Set();
    await this.#store.write(writes);
  }

  async close(): Promise<void> {
    await this.#store.close();
  }
}

function write(key: string, value: string): StoreWrite {
  return { key: Buffer.from(key), value: Buffer.from(value) };
}
