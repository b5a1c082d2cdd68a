// Opens the local store of a task, as far as it can be trusted. One that is damaged, or that stands where its changelog does not
// reach (it belongs to another log, or what it lacks was deleted there), is thrown away: it comes back from the changelog.
import { Failure } from '../schemas/failure.ts';
import { type LogAdmin, type TopicPartition } from './log.ts';
import { POSITION_KEY, positionIn } from './state/position.ts';
import { type StateStore, type StateStores } from './store.ts';

export interface OpenedStore {
  readonly store: StateStore;
  /** the next changelog offset that the store has not got; 0 for an empty one */
  readonly position: number;
  /** where the changelog ends, transactions that are open or have just been committed included: their changes must not be missed */
  readonly end: number;
}

export interface LocalStoreParts {
  readonly stores: StateStores;
  readonly admin: LogAdmin;
  /** told when a store is thrown away, and why */
  notice(text: string): void;
  /**
   * Fills a store that is empty from the newest checkpoint that fits, or leaves it empty; it is closed before and after. Ends soon
   * once `signal` is aborted. Absent: there are none.
   */
  fromCheckpoint?(state: StateName, bounds: ChangelogBounds, signal: AbortSignal): Promise<void>;
}

export interface StateName {
  /** of the local store */
  readonly name: string;
  readonly changelog: TopicPartition;
}

export interface ChangelogBounds {
  readonly start: number;
  /** as in OpenedStore */
  readonly end: number;
}

/**
 * @param use reads what the store holds; null: it cannot be used. Called again with an empty one then, and when it is damaged.
 * @param anew makes the store empty, or fills it from elsewhere; the store is closed then
 * @throws what `use` throws; the store is closed then
 */
export async function openOrEmpty<T>(
  stores: StateStores,
  name: string,
  use: (store: StateStore) => Promise<T | null>,
  damaged: (failure: Failure) => void = () => undefined,
  anew: () => Promise<void> = () => stores.destroy(name),
): Promise<T> {
  const kept = await openOnce(stores, name, use).catch((error: unknown) => {
    if (!isDamaged(error)) throw error;
    damaged(error);
    return null;
  });
  if (kept !== null) return kept;
  await anew();
  const used = await openOnce(stores, name, use);
  if (used === null) throw new Failure('internal', `The empty store ${name} cannot be used.`);
  return used;
}

async function openOnce<T>(
  stores: StateStores,
  name: string,
  use: (store: StateStore) => Promise<T | null>,
): Promise<T | null> {
  const store = await stores.open(name);
  let used: T | null = null;
  try {
    used = await use(store);
    return used;
  } finally {
    if (used === null) await store.close();
  }
}

/** @param use reads what the store holds, and what it lacks of its changelog */
export async function openLocalStore<T>(
  { stores, admin, notice, fromCheckpoint }: LocalStoreParts,
  { name, changelog }: StateName,
  signal: AbortSignal,
  use: (opened: OpenedStore) => Promise<T>,
): Promise<T> {
  let bounds = await boundsOf(admin, changelog);
  let mayHaveCheckpoint = fromCheckpoint !== undefined;
  const anew = async (): Promise<void> => {
    mayHaveCheckpoint = false;
    await stores.destroy(name);
    // a changelog that was cut off, on either side, is one reason for coming here
    bounds = await boundsOf(admin, changelog);
    await fromCheckpoint?.({ name, changelog }, bounds, signal);
  };
  const useIfReached = async (store: StateStore): Promise<T | null> => {
    const position = await storedPosition(store);
    if (position === 0 && mayHaveCheckpoint) return null;
    const unreached = unreachedBy(bounds, position);
    if (unreached === null) return use({ store, position, end: bounds.end });
    notice(`The state store ${name} ${unreached}: it is restored anew.`);
    return null;
  };
  const damaged = (failure: Failure): void => notice(`${failure.message} It is restored from its changelog.`);
  return openOrEmpty(stores, name, useIfReached, damaged, anew);
}

export async function boundsOf(admin: Pick<LogAdmin, 'offsets'>, changelog: TopicPartition): Promise<ChangelogBounds> {
  const [bounds] = await admin.offsets([changelog]);
  return { start: bounds?.start ?? 0, end: bounds?.highWatermark ?? 0 };
}

/** What is wrong with a state that stands there, said of it; null: nothing. One that has nothing begins wherever the changelog does. */
export function unreachedBy({ start, end }: ChangelogBounds, position: number): string | null {
  if (position === 0 || (position >= start && position <= end)) return null;
  return `stands at ${position}, its changelog reaches from ${start} to ${end}`;
}

export function isDamaged(error: unknown): error is Failure {
  return error instanceof Failure && error.code === 'damaged_state';
}

export async function storedPosition(store: StateStore): Promise<number> {
  const [position] = await store.multiGet([POSITION_KEY]);
  return position === null || position === undefined ? 0 : positionIn(position);
}
