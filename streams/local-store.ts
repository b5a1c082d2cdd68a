// Opens the local store of a task, as far as it can be trusted. One that is damaged, or that stands where its changelog does not
// reach (it belongs to another log, or what it lacks was deleted there), or that is so old that its changelog may have forgotten
// deletions since, is thrown away: it comes back from the changelog.
import { Failure } from '../schemas/failure.ts';
import { type Clock } from './clock.ts';
import { type LogAdmin, type TopicPartition } from './log.ts';
import { RENEWED_EVERY_MS, outdatedBy } from './state/forgotten-deletions.ts';
import { type StatePosition, renewPosition, storedPosition } from './state/position.ts';
import { type StateStore, type StateStores } from './store.ts';

export interface OpenedStore {
  readonly store: StateStore;
  /** where to read on: at 0 for an empty one, as of now, for it has all that was written before there was anything */
  readonly position: StatePosition;
  readonly bounds: ChangelogBounds;
}

export interface LocalStoreParts {
  readonly stores: StateStores;
  readonly admin: LogAdmin;
  readonly clock: Clock;
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
  /** where the changelog ends, transactions that are open or have just been committed included: their changes must not be missed */
  readonly end: number;
  /** wall clock, epoch ms, before they were asked for: what was written before it lies before `end` */
  readonly atMs: number;
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
  { stores, notice, fromCheckpoint, ...parts }: LocalStoreParts,
  { name, changelog }: StateName,
  signal: AbortSignal,
  use: (opened: OpenedStore) => Promise<T>,
): Promise<T> {
  let bounds = await boundsOf(parts, changelog);
  let mayHaveCheckpoint = fromCheckpoint !== undefined;
  const anew = async (): Promise<void> => {
    mayHaveCheckpoint = false;
    await stores.destroy(name);
    // a changelog that was cut off, on either side, is one reason for coming here
    bounds = await boundsOf(parts, changelog);
    await fromCheckpoint?.({ name, changelog }, bounds, signal);
  };
  const useIfReached = async (store: StateStore): Promise<T | null> => {
    const position = await storedPosition(store);
    if (position.nextOffset === 0 && mayHaveCheckpoint) return null;
    const unreached = unreachedBy(bounds, position);
    if (unreached === null) return use({ store, position: await renewed(store, position, bounds), bounds });
    notice(`The state store ${name} ${unreached}: it is restored anew.`);
    return null;
  };
  const damaged = (failure: Failure): void => notice(`${failure.message} It is restored from its changelog.`);
  return openOrEmpty(stores, name, useIfReached, damaged, anew);
}

export async function boundsOf(
  { admin, clock }: { readonly admin: Pick<LogAdmin, 'offsets'>; readonly clock: Clock },
  changelog: TopicPartition,
): Promise<ChangelogBounds> {
  const atMs = clock.nowMs();
  const [bounds] = await admin.offsets([changelog]);
  return { start: bounds?.start ?? 0, end: bounds?.highWatermark ?? 0, atMs };
}

/**
 * What is wrong with a state that stands there, said of it; null: nothing. One that has nothing begins wherever the changelog does, and
 * one that lacks nothing is as new as the changelog.
 */
export function unreachedBy(bounds: ChangelogBounds, position: StatePosition): string | null {
  const { start, end, atMs } = bounds;
  const { nextOffset, asOfMs } = position;
  if (nextOffset === 0) return null;
  if (nextOffset < start || nextOffset > end)
    return `stands at ${nextOffset}, its changelog reaches from ${start} to ${end}`;
  return lacksNothing(bounds, position) ? null : outdatedBy(asOfMs, atMs);
}

/** Of a state that lacks nothing: it is as of now. */
async function renewed(store: StateStore, position: StatePosition, bounds: ChangelogBounds): Promise<StatePosition> {
  if (!lacksNothing(bounds, position)) return position;
  if (bounds.atMs - position.asOfMs >= RENEWED_EVERY_MS) await renewPosition(store, bounds.atMs);
  return { ...position, asOfMs: bounds.atMs };
}

/** Whether nothing was written since: there is nothing that could have been forgotten. */
function lacksNothing({ end }: ChangelogBounds, { nextOffset, logEnd }: StatePosition): boolean {
  return nextOffset === 0 || end <= logEnd;
}

export function isDamaged(error: unknown): error is Failure {
  return error instanceof Failure && error.code === 'damaged_state';
}
