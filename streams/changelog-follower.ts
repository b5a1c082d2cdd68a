// Reads changelogs into local stores: as far as a task that starts needs, or on and on, for standby copies. All of them through
// one reader, beside whatever else the instance does; memory is bounded for all together.
import { type Clock } from './clock.ts';
import { type Fetched, type LogAdmin, type LogReader, type TopicPartition, partitionId } from './log.ts';
import { NewestChanges } from './newest-changes.ts';
import { Renewal } from './renewal.ts';
import { RENEWED_EVERY_MS, outdatedWhileReadBy } from './state/forgotten-deletions.ts';
import { type StatePosition, positionWrite } from './state/position.ts';
import { type StateStore, type StoreWrite } from './store.ts';
import { Failure } from '../schemas/failure.ts';

/** How long a change of what is followed may have to wait for a poll under way. */
const POLL_MS = 20;
/** Changes that are kept in memory before they are written, so that a key that changed often is written once. */
const BUFFERED_BYTES_MAX = 32 * 1024 * 1024;
/** A copy that is followed on and on is written after so many polls: what a crash makes it read again is no more than theirs. */
const POLLS_PER_WRITE = 25;
/** Rows of one write to the store. */
const WRITE_ROWS_MAX = 5000;

/** Where a changelog ended at a time (ChangelogBounds). */
interface KnownEnd {
  readonly end: number;
  readonly atMs: number;
}

export class FollowedChangelog {
  readonly changelog: TopicPartition;
  readonly #store: StateStore;
  readonly #changes = new NewestChanges();
  readonly #settled = Promise.withResolvers<void>();
  #next: number;
  #written: number;
  #asOfMs: number;
  #writtenAsOfMs: number;
  /** once it is reached, the state is as of then */
  #knownEnd: KnownEnd | null = null;
  #until: number | null = null;
  #pollsSinceWrite = 0;
  /** of the fetches that the changes lie in */
  bufferedBytes = 0;
  /** changelog records read so far */
  records = 0;

  constructor(changelog: TopicPartition, store: StateStore, { nextOffset, asOfMs }: StatePosition) {
    this.changelog = changelog;
    this.#store = store;
    this.#next = this.#written = nextOffset;
    this.#asOfMs = this.#writtenAsOfMs = asOfMs;
    // whoever waits for the end hears of a failure; nobody has to
    this.#settled.promise.catch(() => undefined);
  }

  /** the first offset that was not read yet */
  get next(): number {
    return this.#next;
  }

  /** what is read has everything as of then */
  get position(): StatePosition {
    return { nextOffset: this.#next, logEnd: this.#next, asOfMs: this.#asOfMs };
  }

  /** Tells where the changelog ended at a time. */
  endedAt(known: KnownEnd): void {
    this.#knownEnd = known;
    this.#lookAtEnd();
  }

  get awaitsKnownEnd(): boolean {
    return this.#knownEnd !== null;
  }

  #lookAtEnd(): void {
    if (this.#knownEnd === null || this.#next < this.#knownEnd.end) return;
    this.#asOfMs = Math.max(this.#asOfMs, this.#knownEnd.atMs);
    this.#knownEnd = null;
  }

  /** where the following ends; null: not at all */
  get until(): number | null {
    return this.#until;
  }

  /**
   * Ends the following once everything before `until` is in the store, or as soon as possible with 0. The store is left alone then.
   * @throws what the log or the store threw
   */
  finishAt(until: number): Promise<void> {
    this.#until = Math.min(until, this.#until ?? until);
    return this.#settled.promise;
  }

  /** resolves when the following is over, rejects with what the log or the store threw */
  get finished(): Promise<void> {
    return this.#settled.promise;
  }

  /**
   * @throws Failure `damaged_state` when the changelog does not go on where the store stands: its rows may be of what is gone there; or
   * when it may have forgotten deletions before this was read
   */
  take({ topic, partition, slabs, nextOffset, isGap = false }: Fetched, nowMs: number): void {
    // a store without anything begins wherever the changelog does
    if (isGap && this.#next > 0)
      throw new Failure(
        'damaged_state',
        `A state stands at ${this.#next} of its changelog ${topic}/${partition}, which does not reach there: it begins at ${nextOffset} now, or was cut short.`,
        { fix: 'Nothing to do: the state is thrown away and restored from what there is.' },
      );
    const outdated = outdatedWhileReadBy(this.#asOfMs, nowMs);
    if (outdated !== null)
      throw new Failure('damaged_state', `A state that is read from ${topic}/${partition} ${outdated}.`, {
        fix: 'Nothing to do: the state is thrown away and restored from the beginning of its changelog.',
      });
    for (const slab of slabs) {
      this.records += slab.count;
      // the whole fetch stays in memory as long as one of its values does
      this.bufferedBytes += slab.data.length;
      this.#changes.take(slab);
    }
    this.#next = nextOffset;
    this.#lookAtEnd();
  }

  get isFinished(): boolean {
    return this.#until !== null && this.#next >= this.#until;
  }

  isWriteDue(): boolean {
    this.#pollsSinceWrite += 1;
    return this.#until === null && this.#hasNews && this.#pollsSinceWrite >= POLLS_PER_WRITE;
  }

  get #hasNews(): boolean {
    const isRenewed = this.#next > 0 && this.#asOfMs - this.#writtenAsOfMs >= RENEWED_EVERY_MS;
    return this.#next !== this.#written || isRenewed;
  }

  /** In several writes; the position comes after all of them: a crash before it begins again where this call began. */
  async write(): Promise<void> {
    this.#pollsSinceWrite = 0;
    if (!this.#hasNews) return;
    const { position } = this;
    await this.#store.write([...(await this.#writeMost()), positionWrite(position)]);
    this.#written = position.nextOffset;
    this.#writtenAsOfMs = position.asOfMs;
    this.#changes.clear();
    this.bufferedBytes = 0;
  }

  /**
   * One write is made ready while the one before it is on its way: no key is in two of them.
   * @returns what is left
   */
  async #writeMost(): Promise<StoreWrite[]> {
    let writes: StoreWrite[] = [];
    let last: Promise<void> = Promise.resolve();
    try {
      for (const write of this.#changes.writes()) {
        if (writes.length === WRITE_ROWS_MAX) {
          const begun = this.#store.write(writes);
          // who waits for the one before may hear of its failure first
          begun.catch(() => undefined);
          const before = last;
          last = begun;
          writes = [];
          await before;
        }
        writes.push(write);
      }
    } finally {
      await last;
    }
    return writes;
  }

  settle(error?: unknown): void {
    if (error === undefined) this.#settled.resolve();
    else this.#settled.reject(error);
  }
}

export interface ChangelogFollowerParts {
  readonly reader: LogReader;
  readonly admin: Pick<LogAdmin, 'offsets'>;
  readonly clock: Clock;
}

export class ChangelogFollower {
  readonly #parts: ChangelogFollowerParts;
  readonly #reader: LogReader;
  readonly #followed = new Map<string, FollowedChangelog>();
  #beginning: FollowedChangelog[] = [];
  #loop: Promise<void> | null = null;
  #closed = false;
  readonly #renewal: Renewal;
  #renewing: Promise<void> | null = null;

  constructor(parts: ChangelogFollowerParts) {
    this.#parts = parts;
    this.#reader = parts.reader;
    this.#renewal = new Renewal(parts.clock);
  }

  /**
   * @param position where the store stands
   * @param known where the changelog ended last
   */
  follow(changelog: TopicPartition, store: StateStore, position: StatePosition, known: KnownEnd): FollowedChangelog {
    const followed = new FollowedChangelog(changelog, store, position);
    followed.endedAt(known);
    this.#beginning.push(followed);
    this.#start();
    return followed;
  }

  #start(): void {
    this.#loop ??= this.#run().finally(() => {
      this.#loop = null;
      if (this.#beginning.length > 0) this.#start();
    });
  }

  async #run(): Promise<void> {
    try {
      while (await this.#begin()) {
        this.#renewWhenDue();
        // what is followed changes only between polls: a poll brings nothing that was meant for another store
        for (const part of await this.#reader.poll(POLL_MS)) this.#take(part);
        for (const followed of [...this.#followed.values()]) await this.#attend(followed);
      }
    } catch (error) {
      for (const followed of [...this.#followed.values(), ...this.#beginning]) followed.settle(error);
      this.#followed.clear();
      this.#beginning = [];
    }
  }

  #take(part: Fetched): void {
    const followed = this.#followed.get(partitionId(part));
    try {
      followed?.take(part, this.#parts.clock.nowMs());
    } catch (error) {
      // a changelog with a gap does not end the others' following
      if (followed !== undefined) this.#end(followed, error);
    }
  }

  /** Copies that nothing is written to are renewed too: they have reached what was the end at a time. */
  #renewWhenDue(): void {
    if (this.#renewing !== null || !this.#renewal.take()) return;
    this.#renewing = this.#renew().finally(() => {
      this.#renewing = null;
    });
  }

  async #renew(): Promise<void> {
    const atMs = this.#parts.clock.nowMs();
    const waiting = [...this.#followed.values()].filter(({ awaitsKnownEnd }) => !awaitsKnownEnd);
    try {
      const bounds = await this.#parts.admin.offsets(waiting.map(({ changelog }) => changelog));
      const ends = new Map(bounds.map((one) => [partitionId(one), one.highWatermark]));
      for (const followed of waiting) {
        const end = ends.get(partitionId(followed.changelog));
        if (end !== undefined && !followed.awaitsKnownEnd) followed.endedAt({ end, atMs });
      }
    } catch {
      // the copies are older than they might be, and are asked for again in an hour
    }
  }

  /** @returns whether there is anything to follow */
  async #begin(): Promise<boolean> {
    const beginning = this.#beginning;
    this.#beginning = [];
    for (const followed of beginning) {
      if (this.#closed || followed.isFinished) {
        await followed.write().then(
          () => followed.settle(),
          (error: unknown) => followed.settle(error),
        );
        continue;
      }
      this.#followed.set(partitionId(followed.changelog), followed);
      this.#reader.assign(followed.changelog, followed.next);
    }
    return this.#followed.size > 0;
  }

  async #attend(followed: FollowedChangelog): Promise<void> {
    const finished = followed.isFinished || this.#closed;
    try {
      if (finished || followed.isWriteDue() || this.#isFull(followed)) await followed.write();
      if (finished) this.#end(followed);
    } catch (error) {
      // one damaged store does not end the others' following
      this.#end(followed, error);
    }
  }

  /** Whether this one takes too much of what all may take together. */
  #isFull(followed: FollowedChangelog): boolean {
    return followed.bufferedBytes * this.#followed.size >= BUFFERED_BYTES_MAX;
  }

  #end(followed: FollowedChangelog, error?: unknown): void {
    this.#followed.delete(partitionId(followed.changelog));
    this.#reader.unassign(followed.changelog);
    followed.settle(error);
  }

  /** Resolves when every store is left alone. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#loop;
    await this.#renewing;
    await this.#reader.close();
  }
}
