// The disk of one machine: stores that outlive their process, and what may happen to them while nobody has them open.
import { Failure } from '../../schemas/failure.ts';
import { type StateStore, type StateStores, type StoreWrite } from '../../streams/store.ts';
import { type Random } from './random.ts';
import { type SimulatedProcess } from './simulated-process.ts';

export type Rows = ReadonlyMap<string, Buffer>;

/** Told of each write: the store's name and what it holds then; keys as latin1 text. */
export type WriteListener = (store: string, rows: Rows) => void;

interface Kept {
  /** each an atomic batch; what a crash of the machine leaves is a prefix */
  writes: (readonly StoreWrite[])[];
  /** how many batches are on the medium for certain */
  flushed: number;
  /** part: what it keeps for itself can still be read */
  damage: 'none' | 'part' | 'whole';
  openedBy: SimulatedProcess | null;
}

export class Disk {
  readonly #stores = new Map<string, Kept>();
  readonly #written: WriteListener;

  constructor(written: WriteListener) {
    this.#written = written;
  }

  get names(): readonly string[] {
    return [...this.#stores.keys()];
  }

  /** null: damaged */
  rowsOf(name: string): Rows | null {
    const kept = this.#stores.get(name);
    return kept === undefined || kept.damage !== 'none' ? null : foldWrites(kept.writes);
  }

  /** Names of what this process has not closed. */
  openedBy(process: SimulatedProcess): readonly string[] {
    return [...this.#stores].filter(([, kept]) => kept.openedBy === process).map(([name]) => name);
  }

  storesOf(process: SimulatedProcess): StateStores {
    return {
      open: (name) => process.locally(() => this.#open(name, process)),
      destroy: (name) => process.locally(() => void this.#stores.delete(name)),
      names: () => process.locally(() => this.names),
    };
  }

  #open(name: string, process: SimulatedProcess): StateStore {
    const kept = this.#stores.get(name) ?? { writes: [], flushed: 0, damage: 'none', openedBy: null };
    if (kept.openedBy?.alive === true)
      throw new Failure('conflict', `The store ${name} is open already, by ${kept.openedBy.name}.`);
    const damaged = (): Failure => new Failure('damaged_state', `The store ${name} is damaged.`, { field: name });
    if (kept.damage === 'whole') throw damaged();
    kept.openedBy = process;
    this.#stores.set(name, kept);
    const closed = (): void => {
      kept.openedBy = null;
    };
    const sound = (ownKeys: boolean): void => {
      if (kept.damage === 'whole' || (kept.damage === 'part' && !ownKeys)) throw damaged();
    };
    return new DiskStore(kept.writes, process, sound, () => this.#written(name, foldWrites(kept.writes)), closed);
  }

  /** Power is lost: of what was not flushed only a part is there. */
  losePower(random: Random): void {
    for (const kept of this.#stores.values()) {
      kept.writes = kept.writes.slice(0, random.int(Math.min(kept.flushed, kept.writes.length), kept.writes.length));
      kept.flushed = kept.writes.length;
    }
  }

  /** Some of what was written is on the medium now. */
  flush(random: Random): void {
    for (const kept of this.#stores.values()) kept.flushed = random.int(kept.flushed, kept.writes.length);
  }

  delete(name: string): void {
    this.#stores.delete(name);
  }

  damage(name: string, damage: 'part' | 'whole'): void {
    const kept = this.#stores.get(name);
    if (kept !== undefined) kept.damage = damage;
  }

  /** An older copy of a store was put back. */
  putBack(name: string, random: Random): void {
    const kept = this.#stores.get(name);
    if (kept !== undefined) kept.writes = kept.writes.slice(0, random.int(0, kept.writes.length));
  }

  /** Rows from somewhere else, which claim to be far ahead of the log. */
  replaceByStranger(name: string): void {
    const kept = this.#stores.get(name);
    const rows = kept === undefined ? [] : [...foldWrites(kept.writes)];
    // what a store keeps for itself starts with NUL: its position, as a big-endian number
    const own = rows.filter(([key]) => key.startsWith('\0'));
    if (kept === undefined || own.length === 0) return;
    const strange = own.map(([key, value]) => {
      const ahead = Buffer.from(value);
      ahead.writeBigInt64BE(ahead.readBigInt64BE(0) + 1_000_000n, 0);
      return { key: Buffer.from(key, 'latin1'), value: ahead };
    });
    kept.writes = [[...strange, { key: Buffer.from('stranger'), value: Buffer.from('{}') }]];
  }
}

function foldWrites(writes: readonly (readonly StoreWrite[])[]): Map<string, Buffer> {
  const rows = new Map<string, Buffer>();
  for (const batch of writes) {
    for (const { key, value } of batch) {
      if (value === null) rows.delete(key.toString('latin1'));
      else rows.set(key.toString('latin1'), value);
    }
  }
  return rows;
}

class DiskStore implements StateStore {
  readonly #writes: (readonly StoreWrite[])[];
  readonly #process: SimulatedProcess;
  /** @throws Failure `damaged_state` */
  readonly #sound: (ownKeys: boolean) => void;
  readonly #written: () => void;
  readonly #closed: () => void;

  constructor(
    writes: (readonly StoreWrite[])[],
    process: SimulatedProcess,
    sound: (ownKeys: boolean) => void,
    written: () => void,
    closed: () => void,
  ) {
    this.#writes = writes;
    this.#process = process;
    this.#sound = sound;
    this.#written = written;
    this.#closed = closed;
  }

  multiGet(keys: readonly Buffer[]): Promise<readonly (Buffer | null)[]> {
    return this.#process.locally(() => {
      this.#sound(keys.every((key) => key[0] === 0));
      const rows = foldWrites(this.#writes);
      return keys.map((key) => rows.get(key.toString('latin1')) ?? null);
    });
  }

  async write(writes: readonly StoreWrite[]): Promise<void> {
    const batch = writes.map(({ key, value }) => ({
      key: Buffer.from(key),
      value: value === null ? null : Buffer.from(value),
    }));
    await this.#process.locally(() => {
      this.#sound(true);
      this.#writes.push(batch);
      this.#written();
    });
  }

  async *scan(range: { from?: Buffer; to?: Buffer; reverse?: boolean; limit?: number }): AsyncIterable<{
    key: Buffer;
    value: Buffer;
  }> {
    const from = range.from?.toString('latin1');
    const to = range.to?.toString('latin1');
    const rows = await this.#process.locally(() => {
      this.#sound(false);
      return [...foldWrites(this.#writes)];
    });
    const wanted = rows
      .filter(([key]) => (from === undefined || key >= from) && (to === undefined || key < to))
      .sort(([a], [b]) => (a < b ? -1 : 1));
    if (range.reverse === true) wanted.reverse();
    for (const [key, value] of wanted.slice(0, range.limit ?? wanted.length))
      yield { key: Buffer.from(key, 'latin1'), value };
  }

  async close(): Promise<void> {
    await this.#process.locally(() => this.#closed());
  }
}
