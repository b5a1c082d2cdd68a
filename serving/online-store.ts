// The online store: the newest feature row of each entity, a fold of the feature topics kept in a StateStore with its positions.
import { type StateStore, type StoreWrite } from '../streams/store.ts';
import { type FeatureLookup, type FoundRow } from './scoring/feature-vector.ts';

/** Rows decode themselves lazily: most are replaced before anybody reads them. */
export interface RowCodec {
  /** Fetches the schemas that `decode` will need. */
  prepare(values: Iterable<Buffer>): Promise<void>;
  decode(value: Buffer): Readonly<Record<string, unknown>>;
}

interface Stored {
  readonly value: Buffer;
  readonly partition: number;
  readonly offset: number;
  found: FoundRow | null;
}

const POSITION_PREFIX = '\0position/';
const TIME_KEY = Buffer.from('\0time');
const PLACE_BYTES = 12;

export class OnlineStore implements FeatureLookup {
  readonly #store: StateStore;
  readonly #codec: RowCodec;
  readonly #rows = new Map<string, Stored>();
  readonly #dirty = new Set<string>();
  readonly #positions = new Map<string, number>();
  #timeMs = Number.NEGATIVE_INFINITY;

  constructor(store: StateStore, codec: RowCodec) {
    this.#store = store;
    this.#codec = codec;
  }

  /** Reads what the store holds. */
  async open(): Promise<void> {
    for await (const { key, value } of this.#store.scan({})) {
      const name = key.toString();
      if (name.startsWith(POSITION_PREFIX))
        this.#positions.set(name.slice(POSITION_PREFIX.length), value.readDoubleLE(0));
      else if (key.equals(TIME_KEY)) this.#timeMs = value.readDoubleLE(0);
      else
        this.#rows.set(name, {
          value: value.subarray(PLACE_BYTES),
          partition: value.readInt32LE(0),
          offset: value.readDoubleLE(4),
          found: null,
        });
    }
    // kept rows were written by an earlier process: this one has not seen their schemas
    await this.#codec.prepare(Array.from(this.#rows.values(), ({ value }) => value));
  }

  /** Event time up to which rows were applied. */
  get timeMs(): number {
    return this.#timeMs;
  }

  /** Where to go on reading, by `topic/partition`. */
  get positions(): ReadonlyMap<string, number> {
    return this.#positions;
  }

  apply(view: string, entityKey: string, value: Buffer, partition: number, offset: number): void {
    const key = `${view}\0${entityKey}`;
    this.#rows.set(key, { value, partition, offset, found: null });
    this.#dirty.add(key);
  }

  row(view: string, entityKey: string): FoundRow | undefined {
    const stored = this.#rows.get(`${view}\0${entityKey}`);
    if (stored === undefined) return undefined;
    stored.found ??= { row: this.#codec.decode(stored.value), partition: stored.partition, offset: stored.offset };
    return stored.found;
  }

  get size(): number {
    return this.#rows.size;
  }

  /** All or nothing: the changed rows with the positions and the time that they stand for. */
  async flush(positions: ReadonlyMap<string, number>, timeMs: number): Promise<void> {
    const writes: StoreWrite[] = [];
    for (const key of this.#dirty) {
      const stored = this.#rows.get(key);
      if (stored === undefined) continue;
      const place = Buffer.allocUnsafe(PLACE_BYTES);
      place.writeInt32LE(stored.partition, 0);
      place.writeDoubleLE(stored.offset, 4);
      writes.push({ key: Buffer.from(key), value: Buffer.concat([place, stored.value]) });
    }
    this.#dirty.clear();
    for (const [partition, offset] of positions) {
      if (this.#positions.get(partition) === offset) continue;
      this.#positions.set(partition, offset);
      writes.push({ key: Buffer.from(POSITION_PREFIX + partition), value: doubleBytes(offset) });
    }
    this.#timeMs = timeMs;
    if (writes.length > 0) await this.#store.write([...writes, { key: TIME_KEY, value: doubleBytes(timeMs) }]);
  }

  async close(): Promise<void> {
    await this.#store.close();
  }
}

function doubleBytes(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(8);
  bytes.writeDoubleLE(value, 0);
  return bytes;
}
