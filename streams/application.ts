// One instance of an application: joins the group, keeps a task per partition it was given, and takes records from fetch to
// commit in batches. All its tasks share one session.
import { type Watermark } from '../schemas/events.generated.ts';
import { type ApplicationStatus, type StopOptions, statusOf } from './application-status.ts';
import { unitsOf } from './assignment-units.ts';
import { requireFewLanes, requireOneReader } from './check-spec.ts';
import { type CommitParts, type WrittenEnds, appendDrawn, commitDrawn } from './commit.ts';
import { CommitClock } from './commit-clock.ts';
import { drawTasks } from './draw-tasks.ts';
import {
  type Fetched,
  type LogAdmin,
  type LogReader,
  type Membership,
  type MembershipOptions,
  type TopicPartition,
  type TransactionSession,
  partitionId,
} from './log.ts';
import { requireUnmoved } from './moved-parts.ts';
import { OutputsAhead } from './outputs-ahead.ts';
import { type StateQueries } from './queries/state-queries.ts';
import { SetAsideNotices } from './set-aside-notices.ts';
import { TaskSet, type TaskSetOptions } from './task-set.ts';
import { WatermarkFollower } from './watermark-follower.ts';
import { withReadsBegun, workSlice } from './work-slice.ts';

// One slice of processing; heartbeats and fetches get their turn after it.
const SLICE_MS = 40;
const POLL_MS = 20;
/** Records end it: only timers by the wall clock, a change of the assignment and the end have to wait. */
const QUIET_POLL_MS = 50;
/** after which the broker aborts a transaction that nobody ends */
const TRANSACTION_TIMEOUT_MS = 60_000;
const STOP_WITHIN_MS = 30_000;
const ABORT_WITHIN_MS = 2000;

export interface ApplicationOptions extends TaskSetOptions, Pick<MembershipOptions, 'address' | 'standbyReplicas'> {
  /**
   * Tells this instance from others of the same application; the same again after a restart. Whoever comes last is the instance: it
   * ends its predecessor's transaction, takes its place in the group, and finds its state.
   */
  readonly instance: string;
  readonly guarantee: 'exactly-once' | 'at-least-once';
  readonly commitIntervalMs: number;
  /** false: inputs are merged by event time with the help of marks; true: taken as they arrive */
  readonly live: boolean;
  /**
   * without replay: an input of which nothing has come for so long holds nothing up, and a task of which all are so goes on by the wall
   * clock; null: none ever is
   */
  readonly idleTimeoutMs: number | null;
  /** null: nothing is merged by event time, nobody tells or reads marks */
  readonly watermarksTopic: string | null;
  /** told how long each commit took */
  committed?(tookMs: number): void;
  /** Fetches the schemas that `decode` will need. */
  prepare(values: readonly (Buffer | null)[]): Promise<void>;
  decodeWatermarks(value: Buffer): readonly Watermark[];
  readonly deadLetterRecord: CommitParts['deadLetterRecord'];
  watermarkRecord(writer: string, marks: readonly Watermark[]): ReturnType<CommitParts['watermarkRecord']>;
}

export class Application {
  readonly queries: StateQueries;
  readonly #options: ApplicationOptions;
  readonly #tasks: TaskSet;
  readonly #ends: WrittenEnds = new Map();
  readonly #follower = new WatermarkFollower();
  readonly #lagOf = new Map<string, number>();
  readonly #takenFrom = new Map<string, number>();
  readonly #writtenTo = new Map<string, number>();
  readonly #reader: LogReader;
  readonly #admin: LogAdmin;
  readonly #membership: Membership;
  readonly #clock: CommitClock;
  readonly #setAside: SetAsideNotices;
  /** commits may be under way while records are processed: everything is drawn from the tasks at one moment */
  readonly #overlaps: boolean;
  #session: TransactionSession | null = null;
  #turn: Promise<unknown> = Promise.resolve();
  #committing: Promise<void> | null = null;
  /** at least once; null: outputs go with their commit */
  #ahead: OutputsAhead | null = null;
  #failure: Error | null = null;
  #stopping = false;
  #closing = false;
  #comesBack = false;
  #finished: Promise<void> | null = null;
  #processed = 0;
  #written = 0;

  /** @throws Failure `invalid_definition` */
  constructor(options: ApplicationOptions) {
    requireOneReader(options.spec);
    requireFewLanes(options.spec);
    this.#options = options;
    this.#reader = options.log.reader();
    this.#admin = options.log.admin();
    const { spec, instance, standbyReplicas, address } = options;
    const units = unitsOf(spec.subTopologies, (store) => options.changelogTopic(store));
    this.#membership = options.log.membership({
      group: spec.id,
      topics: units.flatMap(({ topics }) => topics),
      ...{ instanceId: instance, units, keptStates: () => this.#tasks.kept() },
      ...(standbyReplicas === undefined ? {} : { standbyReplicas }),
      ...(address === undefined ? {} : { address }),
    });
    this.#tasks = new TaskSet(options, {
      ...{ reader: this.#reader, admin: this.#admin, membership: this.#membership },
      ...{ follower: this.#follower, ends: this.#ends, units },
      failed: (error) => this.#fail(error),
    });
    this.queries = this.#tasks.queries;
    this.#overlaps = options.spec.subTopologies.every(({ kind }) => kind === 'direct');
    const { clock } = options;
    this.#setAside = new SetAsideNotices({ id: spec.id, clock, notice: (text) => options.notice?.(text) });
    this.#clock = new CommitClock(options.clock, options.commitIntervalMs, options.guarantee === 'at-least-once');
  }

  /** Resolves once the group was joined; `finished` tells the end. @throws Failure `invalid_definition` as `requireUnmoved` does */
  async start(): Promise<void> {
    const { log, instance, guarantee, spec } = this.#options;
    await requireUnmoved(spec, this.#admin);
    // making the session first ends whatever a killed predecessor left open
    this.#session =
      guarantee === 'exactly-once'
        ? await log.transactions(`${this.#transactions}${instance}`, TRANSACTION_TIMEOUT_MS)
        : await log.atLeastOnce();
    if (guarantee === 'at-least-once' && this.#overlaps) this.#ahead = this.#outputsAhead(this.#session);
    await this.#readWatermarks();
    await this.#membership.start({
      assigned: (partitions) => this.#assigned(partitions),
      revoked: (partitions) => this.#changing(() => this.#revoked(partitions)),
      lost: (partitions) => this.#changing(() => this.#lost(partitions)),
      // copies are no tasks: their coming and going disturbs nobody
      standbys: async (units) => (this.#closing ? undefined : this.#tasks.standbys(units)),
      refused: (error) => this.#fail(error),
    });
    this.#finished = this.#run();
    // the caller awaits `finished`; until then a failure must not count as unhandled
    this.#finished.catch(() => undefined);
  }

  /** Transactional ids begin so; an id must not begin with the whole of another application's. */
  get #transactions(): string {
    return `${this.#options.spec.id}/`;
  }

  /** Rejects when the instance had to give up; its state is in the log, a new instance goes on from there. */
  get finished(): Promise<void> {
    return this.#finished ?? Promise.resolve();
  }

  /**
   * Handles no further record, commits what was handled, and leaves the group.
   * @returns whether that was done in time; otherwise close the log, so that nothing goes on trying
   */
  async stop({ withinMs = STOP_WITHIN_MS, comesBack = false }: StopOptions = {}): Promise<boolean> {
    this.#comesBack = comesBack;
    this.#stopping = true;
    const over = new AbortController();
    const ended = this.finished.catch(() => undefined).then(() => true);
    const late = this.#options.clock.sleep(withinMs, over.signal).then(() => false);
    const inTime = await Promise.race([ended, late]);
    over.abort();
    return inTime;
  }

  status(): ApplicationStatus {
    return {
      ...statusOf(this.#tasks, this.#lagOf),
      ...{ processed: this.#processed, written: this.#written },
      ...{ takenFrom: this.#takenFrom, writtenTo: this.#writtenTo, setAside: this.#setAside.byCode },
      ...{ commits: this.#clock.commits, commitMs: this.#clock.spentMs },
    };
  }

  async #readWatermarks(): Promise<void> {
    const topic = this.#options.watermarksTopic;
    if (topic === null) return;
    const at = { topic, partition: 0 };
    const [bounds] = await this.#admin.offsets([at]);
    const end = bounds?.end ?? 0;
    let position = bounds?.start ?? 0;
    this.#reader.assign(at, position);
    // what the newest fetch tells counts: a broker that was not in sync may have become leader, and its log be shorter
    while (position < Math.min(end, this.#reader.endOf(at) ?? end)) {
      for (const fetched of await this.#reader.poll(POLL_MS)) {
        await this.#takeWatermarks(fetched);
        position = fetched.nextOffset;
      }
    }
  }

  async #takeWatermarks(fetched: Fetched): Promise<void> {
    await this.#options.prepare(fetched.records.map((record) => record.value));
    for (const { value } of fetched.records)
      if (value !== null) this.#follower.apply(this.#options.decodeWatermarks(value));
  }

  #exclusively<T>(action: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(action);
    this.#turn = turn.catch(() => undefined);
    return turn;
  }

  /**
   * A change of the assignment. One that fails leaves partitions that nobody works on: the instance gives up. One that comes while
   * the instance closes finds no tasks any more, and makes none.
   */
  async #changing(action: () => Promise<void>): Promise<void> {
    try {
      await this.#exclusively(async () => {
        if (!this.#closing) await action();
      });
    } catch (error) {
      this.#fail(error);
      throw error;
    }
  }

  async #run(): Promise<void> {
    let more = false;
    let ending: unknown = null;
    try {
      while (!this.#stopping) {
        const longestMs = this.#tasks.isQuiet ? QUIET_POLL_MS : POLL_MS;
        const fetched = await this.#reader.poll(more ? 0 : this.#clock.waitMs(longestMs, this.#tasks.isDirty));
        more = await this.#exclusively(() => this.#round(fetched));
      }
      await this.#exclusively(() => this.#commitEverything());
    } catch (error) {
      ending = error;
      this.#ahead?.hold();
      throw error;
    } finally {
      await this.#committing?.catch(() => undefined);
      this.#setAside.tell();
      if (ending !== null) await this.#abort();
      await this.#exclusively(() => {
        this.#closing = true;
        return this.#tasks.close(ending);
      })
        .finally(() => this.#membership.close(this.#comesBack))
        .finally(() => this.#session?.close())
        .finally(() => Promise.all([this.#reader.close(), this.#admin.close()]));
    }
  }

  /** What is open must not be waited for by others, but the end not wait for it for long. */
  async #abort(): Promise<void> {
    const over = new AbortController();
    const aborted = this.#session?.abort().catch(() => undefined);
    const sent = this.#ahead?.settled().catch(() => undefined);
    await Promise.race([Promise.all([aborted, sent]), this.#options.clock.sleep(ABORT_WITHIN_MS, over.signal)]);
    over.abort();
  }

  async #round(fetched: readonly Fetched[]): Promise<boolean> {
    if (this.#failure !== null) throw this.#failure;
    await this.#intake(fetched);
    const isStarting = this.#tasks.starting.length > 0;
    for (const task of this.#tasks.all)
      if (task.kind === 'merged') task.look((at) => this.#reader.endOf(at), this.#options.idleTimeoutMs, isStarting);
    const more = await this.#process();
    await this.#commitWhenDue(more);
    this.#setAside.tellWhenDue();
    this.#tasks.regulate();
    await this.#tasks.activate();
    return more;
  }

  async #process(): Promise<boolean> {
    const { clock } = this.#options;
    let more = false;
    // equal shares: tasks that feed one repartition topic must not run far ahead of each other
    const shareMs = SLICE_MS / Math.max(1, this.#tasks.size);
    for (const task of withReadsBegun(this.#tasks.all)) {
      const before = task.steppedCount;
      more = (await workSlice(task, clock, shareMs)) || more;
      this.#processed += task.steppedCount - before;
    }
    return more;
  }

  async #intake(fetched: readonly Fetched[]): Promise<void> {
    for (const part of fetched) {
      if (part.topic === this.#options.watermarksTopic) {
        await this.#takeWatermarks(part);
        continue;
      }
      const tasks = this.#tasks.all.filter((task) => task.reads(part));
      if (tasks.some(({ kind }) => kind === 'merged'))
        await this.#options.prepare(part.records.map((record) => record.value));
      for (const task of tasks) task.take(part);
      this.#lagOf.set(partitionId(part), part.endOffset - part.nextOffset);
      const count = part.slabs.reduce((sum, slab) => sum + slab.count, 0);
      this.#takenFrom.set(part.topic, (this.#takenFrom.get(part.topic) ?? 0) + count);
    }
  }

  async #commitWhenDue(more: boolean): Promise<void> {
    const full = this.#tasks.all.some(({ isFull }) => isFull);
    if (!this.#overlaps) {
      if (full || this.#clock.isDue()) await this.#commit();
      return;
    }
    // without transactions outputs are seen when they are appended: nobody should wait for the offsets
    this.#ahead?.send();
    // more than a transaction's worth waits for the one under way
    if (full && this.#committing !== null) await this.#committing;
    const isIdle = !more && !this.#tasks.hasQueued;
    if (this.#committing === null && (full || this.#clock.isDue() || (isIdle && this.#clock.isWorthIt())))
      this.#commit().catch((error: unknown) => this.#fail(error));
  }

  #fail(error: unknown): void {
    this.#failure ??= error instanceof Error ? error : new Error(String(error));
  }

  #outputsAhead(session: TransactionSession): OutputsAhead {
    return new OutputsAhead({
      tasks: () => this.#tasks.all.filter((task) => task.kind === 'direct'),
      append: async (drawn) => {
        this.#written += await appendDrawn(drawn, this.#commitParts(session), this.#ends);
        for (const one of drawn) this.#setAside.took(one.drawn.deadLetters);
      },
    });
  }

  #commitParts(session: TransactionSession): CommitParts {
    const { spec } = this.#options;
    return {
      session,
      membership: this.#membership,
      writtenTo: this.#writtenTo,
      deadLetterRecord: this.#options.deadLetterRecord,
      watermarkRecord: (taskName, marks) => this.#options.watermarkRecord(`${spec.id}/${taskName}`, marks),
    };
  }

  /** What is there now, after the commit under way. */
  async #commitEverything(): Promise<void> {
    await this.#committing;
    if (this.#failure !== null) throw this.#failure;
    await this.#commit();
  }

  #commit(): Promise<void> {
    const committing = this.#commitOnce().finally(() => {
      if (this.#committing === committing) this.#committing = null;
    });
    this.#committing = committing;
    return committing;
  }

  async #commitOnce(): Promise<void> {
    const session = this.#session;
    this.#clock.begin();
    const dirty = this.#tasks.all.filter((task) => task.dirty);
    if (session === null || dirty.length === 0) return;
    for (const task of dirty) if (task.kind === 'merged') await task.flush();
    const { drawn, oversized } = drawTasks(dirty);
    this.#ahead?.hold();
    await this.#ahead?.settled();
    const committed = commitDrawn(drawn, this.#commitParts(session), this.#ends);
    this.#ahead?.release();
    this.#written += await committed;
    for (const one of drawn) this.#setAside.took(one.drawn.deadLetters);
    this.#clock.end(this.#options.committed);
    for (const task of oversized) await this.#tasks.redo(task);
  }

  #assigned(partitions: readonly TopicPartition[]): Promise<void> {
    // a killed owner's open transaction would be waited for until its time is over; where this is not allowed, it is
    if (this.#options.guarantee === 'exactly-once')
      this.#membership.endAbandoned?.(this.#transactions).catch(() => undefined);
    return this.#changing(() => this.#tasks.assigned(partitions, () => this.#commitEverything()));
  }

  async #revoked(partitions: readonly TopicPartition[]): Promise<void> {
    await this.#commitEverything();
    await this.#lost(partitions);
    // a task with all partitions goes on with those that are left
    await this.#tasks.makeMissing(() => this.#commitEverything());
  }

  async #lost(partitions: readonly TopicPartition[]): Promise<void> {
    await this.#committing?.catch(() => undefined);
    await this.#tasks.lost(partitions);
    for (const partition of partitions) this.#lagOf.delete(partitionId(partition));
  }
}
