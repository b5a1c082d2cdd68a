// A copy of a state that another instance works on: its changelog is followed into the local store, so that taking over needs the
// last moment's changes only.
import { type ChangelogFollower, type FollowedChangelog } from './changelog-follower.ts';
import { type ChangelogBounds, type LocalStoreParts, type StateName, openLocalStore } from './local-store.ts';
import { NO_POSITION, type StatePosition } from './state/position.ts';
import { type StateStore } from './store.ts';

export interface StandbyParts extends LocalStoreParts {
  readonly follower: ChangelogFollower;
}

export class Standby {
  readonly state: StateName;
  readonly #run: Promise<StateStore>;
  /** ends the reading of a checkpoint */
  readonly #givenUp = new AbortController();
  #followed: FollowedChangelog | null = null;
  #until: number | null = null;

  /** @param before the store may be opened only when this is over */
  constructor(state: StateName, parts: StandbyParts, before: Promise<void> = Promise.resolve()) {
    this.state = state;
    // a store that turns out to be damaged is followed anew from the beginning
    this.#run = before.then(() =>
      openLocalStore(parts, state, this.#givenUp.signal, async ({ store, position, bounds }) => {
        const isAnew = this.#followed !== null;
        this.#followed = null;
        // `until` is of before: the changelog may not reach there any more
        if (isAnew && this.#until !== null) return store;
        this.#followed = parts.follower.follow(state.changelog, store, position, bounds);
        if (this.#until !== null) await this.#followed.finishAt(this.#until);
        else await this.#followed.finished;
        return store;
      }),
    );
  }

  /** up to where it has everything */
  get position(): StatePosition {
    return this.#followed?.position ?? NO_POSITION;
  }

  get records(): number {
    return this.#followed?.records ?? 0;
  }

  /** rejects when the copy cannot be kept; resolves when it was handed over */
  get ended(): Promise<unknown> {
    return this.#run;
  }

  /** @returns the store, with everything before the end; it is the caller's then */
  handOverAt(bounds: ChangelogBounds): Promise<StateStore> {
    this.#followed?.endedAt(bounds);
    return this.#handOver(bounds.end);
  }

  /** @returns the store, as soon as possible; it is the caller's then */
  handOverNow(): Promise<StateStore> {
    return this.#handOver(0);
  }

  #handOver(end: number): Promise<StateStore> {
    this.#until = Math.min(end, this.#until ?? end);
    if (this.#until === 0) this.#givenUp.abort();
    this.#followed?.finishAt(this.#until).catch(() => undefined);
    return this.#run;
  }

  async close(): Promise<void> {
    const store = await this.handOverNow().catch(() => null);
    await store?.close();
  }
}
