// The local stores of one instance: brought up to the end of their changelogs for tasks that start, several at once and beside
// everything else; followed on and on as standby copies of what others work on; handed over from the one to the other.
import { untilRead } from './changelog-end.ts';
import { ChangelogFollower, type FollowedChangelog } from './changelog-follower.ts';
import { type Clock } from './clock.ts';
import {
  type ChangelogBounds,
  type LocalStoreParts,
  type OpenedStore,
  type StateName,
  boundsOf,
  isDamaged,
  openLocalStore,
  unreachedBy,
} from './local-store.ts';
import { type LogReader } from './log.ts';
import { Standby } from './standby.ts';
import { outdatedBy } from './state/forgotten-deletions.ts';
import { storedPosition } from './state/position.ts';
import { type StateStore } from './store.ts';
import { Failure } from '../schemas/failure.ts';

/** Stores that are restored at the same time: they share one reader, and the changes that wait in memory. */
const RESTORES_MAX = 8;

export interface StateProgress {
  readonly name: string;
  readonly role: 'restoring' | 'standby';
  /** changelog offset that was reached */
  readonly position: number;
  /** changelog offset that is waited for; null: none */
  readonly end: number | null;
  readonly records: number;
}

export interface KeptStore {
  readonly name: string;
  /** the first changelog offset that it has not got */
  readonly position: number;
}

export interface LocalStatesParts extends LocalStoreParts {
  readonly reader: LogReader;
  readonly clock: Clock;
  /** a copy could not be kept */
  failed(error: unknown): void;
}

/** What a task that starts wants with its store. @param isEmpty nothing was ever written to it */
export type UseStore<T> = (store: StateStore, isEmpty: boolean) => Promise<T>;

/** The restore was called off: its task is not wanted any more. */
export class CalledOff extends Error {}

/** Does not wait for `pending` once the signal is aborted. @throws CalledOff then */
export async function unlessCalledOff<T>(pending: Promise<T>, signal: AbortSignal): Promise<T> {
  const calledOff = Promise.withResolvers<never>();
  const callOff = (): void => calledOff.reject(new CalledOff());
  if (signal.aborted) callOff();
  signal.addEventListener('abort', callOff, { once: true });
  try {
    return await Promise.race([pending, calledOff.promise]);
  } finally {
    signal.removeEventListener('abort', callOff);
  }
}

export class LocalStates {
  readonly #parts: LocalStatesParts;
  readonly #follower: ChangelogFollower;
  readonly #standbys = new Map<string, Standby>();
  readonly #restoring = new Map<string, FollowedChangelog>();
  /** states of tasks that are made or run: their copies are not closed, nor opened */
  readonly #claimed = new Set<string>();
  readonly #closing = new Map<string, Promise<void>>();
  #wanted: readonly StateName[] = [];
  #places = RESTORES_MAX;
  #waiting: (() => void)[] = [];
  /** stores are looked into: nobody else may open them meanwhile */
  #looking: Promise<unknown> = Promise.resolve();
  /** changelog records read before tasks could start; what a standby had read before does not count */
  restoredRecords = 0;

  constructor(parts: LocalStatesParts) {
    this.#parts = parts;
    this.#follower = new ChangelogFollower(parts);
  }

  /** From now on the state is its task's: what is kept of it waits to be handed over. */
  claim({ name }: StateName): void {
    this.#claimed.add(name);
  }

  /** The task has closed its state, or never had it. */
  release({ name }: StateName): void {
    if (this.#claimed.delete(name)) this.#settle();
  }

  /** For a state that was claimed. @throws CalledOff once `signal` is aborted; the store is closed then */
  async restore<T>(state: StateName, signal: AbortSignal, use: UseStore<T>): Promise<T> {
    await this.#looking;
    await this.#closing.get(state.name);
    const standby = this.#standbys.get(state.name);
    if (standby !== undefined) {
      const taken = await this.#promote(standby, signal, use);
      if (taken !== null) return taken;
    }
    await this.#place(signal);
    try {
      return await openLocalStore(this.#parts, state, signal, (opened) =>
        this.#restoreInto(state, opened, signal, use),
      );
    } finally {
      this.#places += 1;
      const waiting = this.#waiting;
      this.#waiting = [];
      for (const wake of waiting) wake();
    }
  }

  async #place(signal: AbortSignal): Promise<void> {
    while (this.#places === 0) {
      await new Promise<void>((resolve) => {
        this.#waiting.push(resolve);
        signal.addEventListener('abort', () => resolve(), { once: true });
      });
      if (signal.aborted) throw new CalledOff();
    }
    this.#places -= 1;
  }

  async #restoreInto<T>(
    { name, changelog }: StateName,
    { store, position, bounds }: OpenedStore,
    signal: AbortSignal,
    use: UseStore<T>,
  ): Promise<T> {
    const followed = this.#follower.follow(changelog, store, position, bounds);
    this.#restoring.set(name, followed);
    const callOff = (): unknown => followed.finishAt(0).catch(() => undefined);
    signal.addEventListener('abort', callOff, { once: true });
    try {
      await untilRead(
        followed.finishAt(signal.aborted ? 0 : bounds.end),
        { changelog, next: () => followed.next, endsAt: (now) => this.#endsAt(name, followed, now) },
        this.#parts,
      );
    } finally {
      signal.removeEventListener('abort', callOff);
      this.#restoring.delete(name);
    }
    this.restoredRecords += followed.records;
    if (signal.aborted) throw new CalledOff();
    return use(store, position.nextOffset === 0 && followed.records === 0);
  }

  #endsAt(name: string, followed: FollowedChangelog, now: ChangelogBounds): void {
    if (followed.until === null || now.end >= followed.until) return;
    this.#parts.notice(
      `The changelog of ${name} has lost its tail: it ended at ${followed.until}, and ends at ${now.end} now. What it lost is lost.`,
    );
    followed.endedAt(now);
    followed.finishAt(now.end).catch(() => undefined);
  }

  /** @returns null: the copy is of no use */
  async #promote<T>(standby: Standby, signal: AbortSignal, use: UseStore<T>): Promise<T | null> {
    const { name, changelog } = standby.state;
    this.#standbys.delete(name);
    const before = standby.records;
    const callOff = (): unknown => standby.handOverNow().catch(() => undefined);
    signal.addEventListener('abort', callOff, { once: true });
    let store: StateStore | null = null;
    try {
      // before the bounds: afterwards it may have read what was written since
      const stood = standby.position;
      const bounds = await boundsOf(this.#parts, changelog);
      const unreached = unreachedBy(bounds, stood);
      const isWanted = !signal.aborted && unreached === null;
      store = await untilRead(
        isWanted ? standby.handOverAt(bounds) : standby.handOverNow(),
        {
          changelog,
          next: () => standby.position.nextOffset,
          endsAt: (now) => standby.handOverAt(now).catch(() => undefined),
        },
        this.#parts,
      );
      if (signal.aborted) throw new CalledOff();
      if (unreached !== null)
        throw new Failure('damaged_state', `The copy ${name} ${unreached}.`, {
          field: name,
          fix: 'Nothing to do: it is thrown away and comes back from the changelog.',
        });
      // it had to begin anew meanwhile, and waits for whoever asks for the bounds anew
      if (standby.position.nextOffset < bounds.end) {
        await store.close();
        return null;
      }
      this.restoredRecords += standby.records - before;
      return await use(store, standby.position.nextOffset === 0);
    } catch (error) {
      await store?.close();
      if (!isDamaged(error)) throw error;
      this.#parts.notice(`${error.message} It is restored from its changelog.`);
      await this.#parts.stores.destroy(name);
      return null;
    } finally {
      signal.removeEventListener('abort', callOff);
    }
  }

  /** Keeps copies of these states, and of no others. Resolves when those that are not kept any more are closed. */
  async follow(wanted: readonly StateName[]): Promise<void> {
    this.#wanted = wanted;
    await this.#looking;
    this.#settle();
    await Promise.all(this.#closing.values());
  }

  /** Closes copies that are not wanted, begins those that are; what belongs to tasks is left alone. */
  #settle(): void {
    const names = new Set(this.#wanted.map(({ name }) => name));
    for (const [name, standby] of this.#standbys) {
      if (names.has(name) || this.#claimed.has(name)) continue;
      this.#standbys.delete(name);
      const closing = standby.close().finally(() => this.#closing.delete(name));
      this.#closing.set(name, closing);
    }
    for (const state of this.#wanted)
      if (!this.#standbys.has(state.name) && !this.#claimed.has(state.name)) this.#begin(state);
  }

  #begin(state: StateName): void {
    const standby = new Standby(state, { ...this.#parts, follower: this.#follower }, this.#closing.get(state.name));
    this.#standbys.set(state.name, standby);
    standby.ended.catch((error: unknown) => {
      if (this.#standbys.get(state.name) !== standby) return;
      this.#standbys.delete(state.name);
      this.#parts.failed(error);
    });
  }

  /** How far the stores are that lie here and are not used now. */
  kept(): Promise<KeptStore[]> {
    const kept = this.#lookIntoStores();
    this.#looking = kept.catch(() => undefined);
    return kept;
  }

  async #lookIntoStores(): Promise<KeptStore[]> {
    const { stores } = this.#parts;
    const unused = (await stores.names()).filter(
      (name) => !this.#standbys.has(name) && !this.#claimed.has(name) && !this.#closing.has(name),
    );
    const kept = await Promise.all(unused.map((name) => this.#lookInto(name)));
    return kept.filter((one) => one !== null);
  }

  async #lookInto(name: string): Promise<KeptStore | null> {
    try {
      const store = await this.#parts.stores.open(name);
      const { nextOffset, asOfMs } = await storedPosition(store).finally(() => store.close());
      const isOutdated = outdatedBy(asOfMs, this.#parts.clock.nowMs()) !== null;
      return { name, position: isOutdated ? 0 : nextOffset };
    } catch {
      // damaged: of no use to who might start a task
      return null;
    }
  }

  progress(): StateProgress[] {
    return [
      ...[...this.#restoring].map(([name, { next, until, records }]) => ({
        ...{ name, role: 'restoring' as const, position: next, end: until, records },
      })),
      ...[...this.#standbys].map(([name, { position, records }]) => ({
        ...{ name, role: 'standby' as const, position: position.nextOffset, end: null, records },
      })),
    ];
  }

  async close(): Promise<void> {
    await this.follow([]);
    await this.#follower.close();
  }
}
