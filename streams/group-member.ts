// The member's side of a group, apart from how requests travel: heartbeats go on all the time; beside them the listener lets go of
// what was revoked, is acknowledged, and only then takes over what is new.
import { Failure } from '../schemas/failure.ts';
import { type Clock } from './clock.ts';
import { type AssignmentListener, type TopicPartition, type UnitPartition, partitionId } from './log.ts';

export interface HeartbeatRequest {
  readonly memberId: string;
  readonly epoch: number;
  readonly instanceId: string | null;
  /** null: as before */
  readonly topics: readonly string[] | null;
  readonly rebalanceTimeoutMs: number | null;
  /** what the member has now; null: as it said last */
  readonly owned: readonly TopicPartition[] | null;
  /** the copies that it keeps; null: as it said last */
  readonly standbys?: readonly UnitPartition[] | null;
}

export interface HeartbeatAnswer {
  readonly epoch: number;
  readonly intervalMs: number;
  /** null: as before */
  readonly assignment: readonly TopicPartition[] | null;
  /** null: as before */
  readonly standbys?: readonly UnitPartition[] | null;
}

/** taken: another member has our instance id, dead or alive */
export type HeartbeatFailure = 'thrown out' | 'again' | 'taken' | 'fatal';

/** How heartbeats travel. */
export interface GroupProtocol {
  heartbeat(request: HeartbeatRequest): Promise<HeartbeatAnswer>;
  /** what a heartbeat's failure means: the group has thrown this member out; try again; or nothing that time would mend */
  meaningOf(error: unknown): HeartbeatFailure;
  /** whether a call failed because the broker knows a newer epoch of this member */
  isStale(error: unknown): boolean;
  /**
   * Ends the membership of whoever has this instance id.
   * @param memberId only when it is this member; null: whoever it is
   * @returns whether the place is free now
   */
  replace?(instanceId: string, memberId: string | null): Promise<boolean>;
}

export interface GroupMemberOptions {
  readonly group: string;
  readonly topics: readonly string[];
  readonly instanceId: string | null;
  readonly memberId: string;
  readonly clock: Clock;
  readonly protocol: GroupProtocol;
}

interface Target {
  readonly partitions: readonly TopicPartition[];
  readonly standbys: readonly UnitPartition[];
}

/** How long a member may take to let go of partitions; draining and committing take far less. */
const REBALANCE_TIMEOUT_MS = 60_000;
const JOIN_EPOCH = 0;
const LEAVE_EPOCH = -1;
/** A static member that leaves with it may come back. */
export const LEAVE_STATIC_EPOCH = -2;
const RETRY_STEP_MS = 100;
const STALE_ATTEMPTS_MAX = 5;

export class GroupMember {
  readonly #options: GroupMemberOptions;
  readonly #stop = new AbortController();
  #listener: AssignmentListener | null = null;
  #epoch = JOIN_EPOCH;
  /** grows each time the group throws this member out */
  #life = 0;
  #intervalMs = 1000;
  #owned = new Map<string, TopicPartition>();
  #standbys: readonly UnitPartition[] = [];
  #standbysTold = true;
  #hasJoined = false;
  #target: Target | null = null;
  #reconciling: Promise<void> | null = null;
  #ownedChanged = true;
  /** an answer was lost: it may have told a new epoch, or an assignment, that the broker tells again only to who says everything anew */
  #answerLost = false;
  #loop: Promise<void> = Promise.resolve();
  #wake: AbortController = new AbortController();
  #beat: Promise<void> | null = null;

  constructor(options: GroupMemberOptions) {
    this.#options = options;
  }

  /** @throws what no further heartbeat would mend */
  async start(listener: AssignmentListener): Promise<void> {
    this.#listener = listener;
    await this.#heartbeat();
    this.#loop = this.#run();
  }

  async #run(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      const waitMs = this.#epoch === JOIN_EPOCH ? RETRY_STEP_MS : this.#intervalMs;
      await this.#options.clock.sleep(waitMs, AbortSignal.any([this.#stop.signal, this.#wake.signal]));
      this.#wake = new AbortController();
      // who was thrown out has to let go of everything before it is given anything again
      if (this.#epoch === JOIN_EPOCH) await this.#reconciling;
      if (this.#stop.signal.aborted) return;
      try {
        await this.#heartbeat();
      } catch (error) {
        this.#thrownOut();
        this.#listener?.refused?.(error);
        return;
      }
    }
  }

  /** One heartbeat at a time. */
  #heartbeat(): Promise<void> {
    this.#beat ??= this.#beatOnce().finally(() => {
      this.#beat = null;
    });
    return this.#beat;
  }

  async #beatOnce(): Promise<void> {
    const { memberId, instanceId, topics, protocol } = this.#options;
    const joining = this.#epoch === JOIN_EPOCH;
    const tellAll = joining || this.#answerLost;
    const tellOwned = tellAll || this.#ownedChanged;
    this.#ownedChanged = false;
    try {
      const answer = await protocol.heartbeat({
        memberId,
        epoch: this.#epoch,
        instanceId,
        topics: tellAll ? topics : null,
        rebalanceTimeoutMs: tellAll ? REBALANCE_TIMEOUT_MS : null,
        owned: tellOwned ? [...this.#owned.values()] : null,
        standbys: tellOwned ? this.#standbys : null,
      });
      this.#answerLost = false;
      this.#hasJoined = true;
      this.#epoch = answer.epoch;
      this.#intervalMs = answer.intervalMs;
      if (answer.assignment !== null) this.#target = { partitions: answer.assignment, standbys: answer.standbys ?? [] };
      this.#reconcile();
    } catch (error) {
      this.#answerLost = true;
      await this.#heartbeatFailed(error);
    }
  }

  async #heartbeatFailed(error: unknown): Promise<void> {
    const { clock, protocol } = this.#options;
    switch (protocol.meaningOf(error)) {
      case 'thrown out':
        this.#thrownOut();
        return;
      case 'taken':
        return this.#replace();
      case 'again':
        return clock.sleep(RETRY_STEP_MS, this.#stop.signal);
      case 'fatal':
        throw error;
    }
  }

  /**
   * Who comes last is the instance: what was killed, or is a zombie, still has a session, which must not be waited for. Who was a
   * member before, and finds its place taken by another, is the zombie itself.
   */
  async #replace(): Promise<void> {
    const { clock, instanceId, memberId, group, protocol } = this.#options;
    const free =
      instanceId === null || protocol.replace === undefined
        ? null
        : await protocol.replace(instanceId, this.#hasJoined ? memberId : null).catch(() => null);
    if (free === false)
      throw new Failure('fenced', `Another process took the place of instance ${instanceId} in the group ${group}.`, {
        fix: 'Give each process an instance name of its own (MILLRACE_INSTANCE).',
      });
    if (free === null) await clock.sleep(RETRY_STEP_MS, this.#stop.signal);
  }

  // The listener is not awaited here: it may be waiting for a commit that waits for a heartbeat.
  #thrownOut(): void {
    const lost = [...this.#owned.values()];
    this.#owned = new Map();
    this.#standbys = [];
    this.#standbysTold = false;
    this.#target = null;
    this.#epoch = JOIN_EPOCH;
    this.#life += 1;
    this.#ownedChanged = true;
    if (lost.length === 0) return;
    const before = this.#reconciling ?? Promise.resolve();
    this.#reconcileBy(before.then(() => this.#listener?.lost(lost)));
  }

  #reconcile(): void {
    if (this.#reconciling !== null || this.#target === null || this.#stop.signal.aborted) return;
    // heartbeats go on meanwhile; the acknowledgement is the next one after it
    this.#reconcileBy(this.#reconcileTo(this.#target));
  }

  #reconcileBy(work: Promise<void>): void {
    const reconciling = work
      .catch(() => undefined)
      .finally(() => {
        if (this.#reconciling === reconciling) this.#reconciling = null;
        this.#wake.abort();
      });
    this.#reconciling = reconciling;
  }

  async #reconcileTo(target: Target): Promise<void> {
    const wanted = new Map(target.partitions.map((partition) => [partitionId(partition), partition]));
    const revoked = [...this.#owned].filter(([id]) => !wanted.has(id)).map(([, partition]) => partition);
    if (revoked.length > 0) {
      await this.#listener?.revoked(revoked);
      for (const partition of revoked) this.#owned.delete(partitionId(partition));
      this.#ownedChanged = true;
    }
    // a standby that is to be worked on hands its state over: the listener hears of that first
    const added = [...wanted].filter(([id]) => !this.#owned.has(id)).map(([, partition]) => partition);
    if (added.length > 0 && revoked.length === 0) {
      for (const partition of added) this.#owned.set(partitionId(partition), partition);
      this.#ownedChanged = true;
      await this.#listener?.assigned(added);
    }
    if (this.#target !== target) return;
    await this.#keepStandbys(target.standbys);
    if (this.#target === target && revoked.length === 0) this.#target = null;
  }

  async #keepStandbys(standbys: readonly UnitPartition[]): Promise<void> {
    const idsOf = (units: readonly UnitPartition[]): string =>
      units
        .map(({ unit, partition }) => `${unit}/${partition}`)
        .sort()
        .join();
    if (this.#standbysTold && idsOf(standbys) === idsOf(this.#standbys)) return;
    this.#standbys = standbys;
    this.#standbysTold = true;
    this.#ownedChanged = true;
    await this.#listener?.standbys?.(standbys);
  }

  /**
   * Runs `call` with the newest generation. When the broker has moved on to a newer one, that is fetched and the call is repeated:
   * our partitions are not given away before we have acknowledged it.
   * @throws Failure `fenced` when this member was thrown out
   */
  async withGeneration(
    call: (memberId: string, epoch: number, instanceId: string | null) => Promise<void>,
  ): Promise<void> {
    const { memberId, instanceId, protocol, clock } = this.#options;
    const life = this.#life;
    for (let attempt = 0; ; attempt += 1) {
      const epoch = this.#epoch;
      try {
        this.#requireLife(life);
        return await call(memberId, epoch, instanceId);
      } catch (error) {
        if (!protocol.isStale(error) || attempt >= STALE_ATTEMPTS_MAX) throw error;
        // a member that was thrown out has a newer generation too, for which these offsets must not count
        this.#requireLife(life);
        await this.#heartbeat();
        if (this.#epoch === epoch) await clock.sleep(RETRY_STEP_MS);
      }
    }
  }

  #requireLife(life: number): void {
    if (this.#epoch === JOIN_EPOCH || this.#life !== life)
      throw new Failure('fenced', `This member was thrown out of the group ${this.#options.group}.`);
  }

  /** @param comesBack what a static member has waits for it until its session is over */
  async close(comesBack = false): Promise<void> {
    if (this.#stop.signal.aborted) return;
    this.#stop.abort();
    await this.#loop;
    await this.#beat?.catch(() => undefined);
    if (this.#epoch === JOIN_EPOCH) return;
    const { memberId, instanceId, protocol } = this.#options;
    const epoch = instanceId !== null && comesBack ? LEAVE_STATIC_EPOCH : LEAVE_EPOCH;
    // when this fails the broker notices by itself that the session is over
    await protocol
      .heartbeat({ memberId, epoch, instanceId, topics: null, rebalanceTimeoutMs: null, owned: null })
      .catch(() => undefined);
  }
}
