// A copy of a state that another instance works on: its changelog is followed into the local store, so that taking over needs the
// last moment's changes only.
import { type ChangelogFollower, type FollowedChangelog } from './changelog-follower.ts';
import { type LocalStoreParts, type StateName, openLocalStore } from './local-store.ts';
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
      openLocalStore(parts, state, this.#givenUp.signal, async ({ store, position }) => {
        const isAnew = this.#followed !== null;
        this.#followed = null;
        // `until` is of before: the changelog may not reach there any more
        if (isAnew && this.#until !== null) return store;
        this.#followed = parts.follower.follow(state.changelog, store, position);
        if (this.#until !== null) await this.#followed.finishAt(this.#until);
        else await this.#followed.finished;
        return store;
      }),
    );
  }

  /** changelog offset up to which it has everything */
  get position(): number {
    return this.#followed?.next ?? 0;
  }

  get records(): number {
    return this.#followed?.records ?? 0;
  }

  /** rejects when the copy cannot be kept; resolves when it was handed over */
  get ended(): Promise<unknown> {
    return this.#run;
  }

  /** @returns the store, with everything before `end`; it is the caller's then */
  handOver(end: number): Promise<StateStore> {
    this.#until = Math.min(end, this.#until ?? end);
    if (this.#until === 0) this.#givenUp.abort();
    this.#followed?.finishAt(this.#until).catch(() => undefined);
    return this.#run;
  }

  async close(): Promise<void> {
    const store = await this.handOver(0).catch(() => null);
    await store?.close();
  }
}
