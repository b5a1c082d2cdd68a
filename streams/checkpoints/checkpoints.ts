// Checkpoints of a store: taken now and then, so that a machine without the store starts from the newest and reads only the tail of
// the changelog.
//
// Taking one:
//  1. `begin` starts a scan between two commits, when the store holds just what lies before the changelog offset `header.offset`;
//     `beginAtPosition` at any time, for the position is one of the rows. From its first row on the scan sees this moment, whatever is
//     written later (StateStore.scan), so the commits go on;
//  2. the rows are written as they come, and nothing is there under the checkpoint's name before all are;
//  3. `prune` deletes all but the newest few, `dropBeyond` those of another log that had this name.
// A process that ends anywhere in between leaves the earlier checkpoints as they were.
//
// Restoring, for a store that has no position of its own (there is none, or it is torn):
//  1. what is there under its name is destroyed;
//  2. the newest checkpoint that fits is written into the empty store, block by block, each checked before it is written;
//  3. the position comes last, in a write of its own. A process that ends before it leaves a store without a position: begin again.
// One that does not fit, or is torn or damaged, is skipped and said so; then the next older one is tried from 1 on. None is left: the
// changelog is read from its beginning.
//
// What must be true of the changelog: it remembers deletions for longer than a checkpoint may be old (`delete.retention.ms`). From one
// that is older, a key could come back whose deletion has been compacted away; `asOfFromMs` keeps those out. How old a checkpoint is
// its store says: one that is taken today of a store that stands still may be of yesterday.
import { Failure } from '../../schemas/failure.ts';
import { type TopicPartition } from '../log.ts';
import { POSITION_KEY, positionIn } from '../state/position.ts';
import { type StateStore, type StateStores, type StoreWrite } from '../store.ts';
import { type CheckpointHeader, type Row, encodeCheckpoint, openCheckpoint } from './checkpoint-format.ts';
import { type CheckpointStorage } from './checkpoint-storage.ts';

export interface KeptCheckpoint {
  readonly name: string;
  readonly offset: number;
  readonly bytes: number;
}

/** A checkpoint whose moment is fixed and whose rows are still to be written. The store stays open until one of the two is done. */
export interface BegunCheckpoint {
  readonly offset: number;
  write(signal?: AbortSignal): Promise<KeptCheckpoint>;
  abandon(): Promise<void>;
}

export interface RestoreOptions {
  readonly stores: StateStores;
  readonly store: string;
  readonly changelog: {
    readonly topic: string;
    readonly partition: number;
    /** its start: what a checkpoint lacks before it was deleted there; absent: 0 */
    readonly start?: number;
    /** its end: what a checkpoint knows beyond it is of another topic that had this name */
    readonly end: number;
  };
  /** checkpoints of earlier states are not used: now, less what the changelog remembers deletions for; epoch ms */
  readonly asOfFromMs: number;
  /** the rows that make the store's position, written last */
  position(header: CheckpointHeader): readonly StoreWrite[];
  readonly signal?: AbortSignal;
}

export interface Skipped {
  readonly name: string;
  readonly failure: Failure;
}

export interface RestoredCheckpoint {
  /** open, at `header.offset` */
  readonly store: StateStore;
  readonly header: CheckpointHeader;
  readonly rows: number;
}

// 2^53 has 16 digits: names sort as offsets do
const OFFSET_DIGITS = 16;
const SUFFIX = '.checkpoint';
/** Each fetch waits for a slice of processing: fewer fetches, but rows may be large, and those of one fetch are in memory together. */
const SCAN_ROWS = 256;

export class Checkpoints {
  readonly #storage: CheckpointStorage;

  constructor(storage: CheckpointStorage) {
    this.#storage = storage;
  }

  /** @param own keys of the store's own rows, which are not part of the checkpoint (its position) */
  async begin(store: StateStore, header: CheckpointHeader, own: readonly Buffer[]): Promise<BegunCheckpoint> {
    const scan = store.scan({})[Symbol.asyncIterator]();
    const first: IteratorResult<Row, unknown> = await scan.next();
    return this.#begun(header, first.done === true ? [] : [first.value], scan, own);
  }

  /** @returns null: the store has no position, nothing was ever written to its changelog */
  async beginAtPosition(
    store: StateStore,
    header: Omit<CheckpointHeader, 'offset' | 'asOfMs'>,
  ): Promise<BegunCheckpoint | null> {
    const scan = store.scan({ rowsAtATime: SCAN_ROWS })[Symbol.asyncIterator]();
    // the position comes among the first rows: hardly a key lies before it
    const before: Row[] = [];
    for (;;) {
      const next: IteratorResult<Row, unknown> = await scan.next();
      if (next.done === true || Buffer.compare(next.value.key, POSITION_KEY) > 0) break;
      if (next.value.key.equals(POSITION_KEY)) {
        const { nextOffset: offset, asOfMs } = positionIn(next.value.value);
        return this.#begun({ ...header, offset, asOfMs }, before, scan, []);
      }
      before.push(next.value);
    }
    await scan.return?.();
    return null;
  }

  #begun(
    header: CheckpointHeader,
    before: readonly Row[],
    scan: AsyncIterator<Row>,
    own: readonly Buffer[],
  ): BegunCheckpoint {
    const name = `${folderOf(header)}${String(header.offset).padStart(OFFSET_DIGITS, '0')}${SUFFIX}`;
    let isAbandoned = false;
    return {
      offset: header.offset,
      write: async (signal) => {
        const chunks = encodeCheckpoint(
          header,
          rowsOf(before, scan, own, () => isAbandoned),
        );
        try {
          return { name, offset: header.offset, bytes: await this.#storage.put(name, chunks, signal) };
        } finally {
          await scan.return?.();
        }
      },
      abandon: async () => {
        isAbandoned = true;
        await scan.return?.();
      },
    };
  }

  /** The newest first. */
  async list(changelog: TopicPartition): Promise<readonly KeptCheckpoint[]> {
    const folder = folderOf(changelog);
    const found = await this.#storage.list(folder);
    return found
      .filter(({ name }) => name.endsWith(SUFFIX))
      .map(({ name, bytes }) => ({ name, bytes, offset: Number(name.slice(folder.length, -SUFFIX.length)) }))
      .filter(({ offset }) => Number.isSafeInteger(offset))
      .sort((a, b) => b.offset - a.offset);
  }

  async newest(changelog: TopicPartition): Promise<KeptCheckpoint | null> {
    const [newest] = await this.list(changelog);
    return newest ?? null;
  }

  /** Deletes all but the newest `keep`; two at least, since the newest may turn out to be damaged. Gives the names of what went. */
  async prune(changelog: TopicPartition, keep: number): Promise<readonly string[]> {
    const old = (await this.list(changelog)).slice(Math.max(keep, 2)).map(({ name }) => name);
    for (const name of old) await this.#storage.delete(name);
    return old;
  }

  /**
   * Deletes those that know more than the changelog: they are of a log that had its name before. Left alone they would pass for the
   * newest, and for good ones once the new log has grown past them. Gives the names of what went.
   */
  async dropBeyond(changelog: TopicPartition, end: number): Promise<readonly string[]> {
    const foreign = (await this.list(changelog)).filter(({ offset }) => offset > end).map(({ name }) => name);
    for (const name of foreign) await this.#storage.delete(name);
    return foreign;
  }

  /** @returns null where no checkpoint could be used: the store is empty then, and closed */
  async restore(
    options: RestoreOptions,
  ): Promise<{ readonly restored: RestoredCheckpoint | null; readonly skipped: readonly Skipped[] }> {
    const skipped: Skipped[] = [];
    await options.stores.destroy(options.store);
    for (const { name } of await this.list(options.changelog)) {
      try {
        return { restored: await this.#restoreFrom(name, options), skipped };
      } catch (failure) {
        await options.stores.destroy(options.store);
        // what says nothing about the checkpoint (no disk left, no network, told to stop) would say the same of the next one
        if (!(failure instanceof Failure) || !SKIPPED_CODES.includes(failure.code)) throw failure;
        skipped.push({ name, failure });
      }
    }
    return { restored: null, skipped };
  }

  async #restoreFrom(name: string, options: RestoreOptions): Promise<RestoredCheckpoint> {
    const { header, blocks, close } = await openCheckpoint(name, this.#storage.get(name));
    let store: StateStore | null = null;
    try {
      checkFits(name, header, options);
      store = await options.stores.open(options.store);
      let rows = 0;
      for await (const block of blocks) {
        options.signal?.throwIfAborted();
        await store.write(block);
        rows += block.length;
      }
      await store.write(options.position(header));
      return { store, header, rows };
    } catch (failure) {
      await store?.close();
      await close();
      throw failure;
    }
  }
}

/** Of this checkpoint: it is damaged, does not fit, or somebody has pruned it meanwhile. */
const SKIPPED_CODES: readonly string[] = ['undecodable_record', 'conflict', 'unknown_name'];

function folderOf({ topic, partition }: TopicPartition): string {
  return `${encodeURIComponent(`${topic}-${partition}`)}/`;
}

async function* rowsOf(
  before: readonly Row[],
  scan: AsyncIterator<Row>,
  own: readonly Buffer[],
  isAbandoned: () => boolean,
): AsyncIterable<Row> {
  const isOwn = (row: Row): boolean => own.some((key) => key.equals(row.key));
  for (const row of before) if (!isOwn(row)) yield row;
  for (;;) {
    const next: IteratorResult<Row, unknown> = await scan.next();
    // a scan that is given up ends as one that has come to its end: it must not pass for the whole store
    if (isAbandoned()) throw new Failure('conflict', 'The checkpoint was given up while it was written.');
    if (next.done === true) return;
    if (!isOwn(next.value)) yield next.value;
  }
}

/** @throws Failure `conflict` */
function checkFits(name: string, header: CheckpointHeader, { store, changelog, asOfFromMs }: RestoreOptions): void {
  const { topic, partition, start = 0, end } = changelog;
  const unfit = (problem: string): Failure =>
    new Failure('conflict', `The checkpoint ${name} ${problem}.`, {
      fix: 'Nothing: an older one is used, or the changelog alone. It goes when newer ones are taken.',
    });
  if (header.store !== store) throw unfit(`is one of ${header.store}, not of ${store}`);
  if (header.topic !== topic || header.partition !== partition)
    throw unfit(`belongs to the changelog ${header.topic}/${header.partition}, not to ${topic}/${partition}`);
  if (header.offset > end) throw unfit(`is at offset ${header.offset} of a changelog that ends at ${end}`);
  if (header.offset < start) throw unfit(`is at offset ${header.offset} of a changelog that begins at ${start}`);
  if (header.asOfMs === undefined) throw unfit('does not say as of when it is: an older version has written it');
  if (header.asOfMs < asOfFromMs)
    throw unfit(`is older than the changelog remembers deletions, by ${asOfFromMs - header.asOfMs} ms`);
}
