// Local stores in memory that tell how often, and for how many keys, they were asked.
import { memoryStores } from '../../streams/memory-store.ts';
import { type StateStores } from '../../streams/store.ts';

export class CountedStores implements StateStores {
  readonly #stores: StateStores;
  askedTimes = 0;
  askedKeys = 0;

  constructor(stores: StateStores = memoryStores()) {
    this.#stores = stores;
  }

  async open(name: string): ReturnType<StateStores['open']> {
    const store = await this.#stores.open(name);
    return {
      multiGet: (keys) => {
        // what it keeps for itself begins with NUL
        const own = keys.filter((key) => key[0] === 0).length;
        if (keys.length > own) this.askedTimes += 1;
        this.askedKeys += keys.length - own;
        return store.multiGet(keys);
      },
      write: (writes) => store.write(writes),
      scan: (range) => store.scan(range),
      close: () => store.close(),
    };
  }

  destroy(name: string): Promise<void> {
    return this.#stores.destroy(name);
  }

  names(): Promise<readonly string[]> {
    return this.#stores.names();
  }
}
