// The tasks of one instance: made beside everything else for the partitions that the group gave, activated when they are ready,
// dropped with the partitions that it took.
import { type Unit } from './assignment-units.ts';
import { type CheckpointStorage } from './checkpoints/checkpoint-storage.ts';
import { fromCheckpoint } from './checkpoints/from-checkpoint.ts';
import { TaskCheckpoints } from './checkpoints/task-checkpoints.ts';
import { type WrittenEnds } from './commit.ts';
import { type DescribedApplication, describeApplication } from './describe-application.ts';
import { type DirectTask } from './direct-task.ts';
import { CalledOff, LocalStates } from './local-states.ts';
import { type StateName, isDamaged } from './local-store.ts';
import {
  type KeptState,
  type Log,
  type LogAdmin,
  type LogReader,
  type Membership,
  type TopicPartition,
  type UnitPartition,
  partitionId,
} from './log.ts';
import { type ApplicationSpec, type SubTopology } from './processor.ts';
import { Purge } from './purge.ts';
import { StateQueries } from './queries/state-queries.ts';
import { type StateStores } from './store.ts';
import { type Task, type TaskInput } from './task.ts';
import { type MadeTask, TaskMaker, type TaskMakerOptions } from './task-maker.ts';
import { type WatermarkFollower } from './watermark-follower.ts';

// Above this many queued records a partition is paused, below a quarter of it resumed: bounds memory while lanes wait for each other.
const QUEUED_RECORDS_MAX = 2000;

export type RunningTask = Task | DirectTask;

export interface TaskSetOptions extends TaskMakerOptions {
  readonly log: Log;
  readonly stores: StateStores;
  /** decoded state that tasks keep in memory, all together; what must be wholly in memory does not count */
  readonly cacheBytesMax: number;
  /** where checkpoints of the states go, so that a machine without them need not read whole changelogs; absent: nowhere */
  readonly checkpoints?: {
    readonly storage: CheckpointStorage;
    readonly intervalMs: number;
  };
  /** how often what was committed of internal topics is deleted; absent: every half minute */
  readonly purgeIntervalMs?: number;
  /** Told what the one who runs it may want to know. */
  notice?(text: string): void;
}

export interface TaskSetParts {
  readonly reader: LogReader;
  readonly admin: LogAdmin;
  readonly membership: Membership;
  readonly follower: WatermarkFollower;
  readonly ends: WrittenEnds;
  readonly units: readonly Unit[];
  /** a task could not be made, or a copy not be kept */
  failed(error: unknown): void;
}

/** A task that is being made. */
interface Start {
  readonly name: string;
  readonly reads: readonly TopicPartition[];
  readonly state: StateName | null;
  readonly abort: AbortController;
  /** resolves when it is made, or given up; never rejects */
  readonly done: Promise<void>;
  made: MadeTask | null;
}

export class TaskSet {
  /** what the application reads, keeps and writes: the same all its life */
  readonly description: DescribedApplication;
  readonly #options: TaskSetOptions;
  readonly #parts: TaskSetParts;
  readonly #states: LocalStates;
  readonly #maker: TaskMaker;
  readonly #checkpoints: TaskCheckpoints | null;
  readonly #purge: Purge;
  readonly #tasks = new Map<string, RunningTask>();
  readonly #starts = new Map<string, Start>();
  /** by the task's name; null: it has none */
  readonly #stateOf = new Map<string, StateName | null>();
  readonly #held = new Map<string, TopicPartition>();
  readonly #paused = new Set<string>();
  /** by the task's name: up to where it is to look at each row when it is made anew */
  readonly #checkedTo = new Map<string, ReadonlyMap<string, number>>();
  readonly queries: StateQueries;

  constructor(options: TaskSetOptions, parts: TaskSetParts) {
    this.#options = options;
    this.description = describeApplication(options.spec, (store) => options.changelogTopic(store));
    this.#parts = parts;
    const { admin, failed } = parts;
    const { stores, clock, checkpoints } = options;
    const notice = (text: string): void => options.notice?.(text);
    this.#checkpoints =
      checkpoints === undefined ? null : new TaskCheckpoints({ ...checkpoints, clock, notice, admin });
    this.#states = new LocalStates({
      ...{ stores, reader: options.log.reader(), admin, clock, failed, notice },
      ...(checkpoints === undefined
        ? {}
        : {
            fromCheckpoint: (state, bounds, signal) =>
              fromCheckpoint({ stores, storage: checkpoints.storage, clock, notice }, state, bounds, signal),
          }),
    });
    this.#purge = new Purge({ ...options, admin, notice });
    this.#maker = new TaskMaker(options, { ...parts, states: this.#states });
    this.queries = new StateQueries(options, () => this.all);
  }

  get all(): readonly RunningTask[] {
    return [...this.#tasks.values()];
  }

  get size(): number {
    return this.#tasks.size;
  }

  get states(): LocalStates {
    return this.#states;
  }

  /** Names of the tasks that are being made. */
  get starting(): readonly string[] {
    return [...this.#starts.keys()];
  }

  /** Whether there is anything to commit. */
  get isDirty(): boolean {
    return this.all.some((task) => task.dirty);
  }

  /** Whether records wait for their turn, or for their time. */
  get hasQueued(): boolean {
    return this.all.some((task) => task.inputs.some((input) => task.queued(input) > 0));
  }

  /** Nothing is queued, nothing is to be committed, no task is being made. */
  get isQuiet(): boolean {
    return this.#starts.size === 0 && !this.isDirty && !this.hasQueued;
  }

  async assigned(partitions: readonly TopicPartition[], commit: () => Promise<void>): Promise<void> {
    for (const partition of partitions) this.#held.set(partitionId(partition), partition);
    await this.makeMissing(commit);
  }

  /** The partitions are gone: their tasks are dropped as they are. */
  async lost(partitions: readonly TopicPartition[]): Promise<void> {
    for (const partition of partitions) this.#held.delete(partitionId(partition));
    const ids = new Set(partitions.map(partitionId));
    await this.#callOff([...this.#starts.values()].filter(({ reads }) => reads.some((at) => ids.has(partitionId(at)))));
    await this.drop(this.all.filter((task) => partitions.some((partition) => task.reads(partition))));
  }

  async #callOff(starts: readonly Start[]): Promise<void> {
    for (const { abort } of starts) abort.abort();
    for (const start of starts) {
      await start.done;
      this.#starts.delete(start.name);
      await start.made?.task.close();
      if (start.state !== null) this.#states.release(start.state);
    }
  }

  async drop(tasks: readonly RunningTask[]): Promise<void> {
    for (const task of tasks) {
      this.#tasks.delete(task.name);
      for (const input of task.inputs) {
        this.#parts.reader.unassign(input);
        this.#paused.delete(partitionId(input));
      }
      const state = this.#stateOf.get(task.name) ?? null;
      if (state !== null) await this.#checkpoints?.remove(state);
      await task.close();
      this.#stateOf.delete(task.name);
      if (state !== null) this.#states.release(state);
    }
    this.#shareCache();
  }

  /**
   * The task goes back to what was committed, and does the same again, looking after each step whether its rows fit into a record: the
   * input that makes one too large is set aside. Looking costs as much as writing each row, so nobody does it before it is needed.
   */
  async redo(task: Task): Promise<void> {
    this.#options.notice?.(
      `${task.name}: a row is larger than the log takes; its records are taken again, one by one.`,
    );
    this.#checkedTo.set(task.name, task.readTo);
    await this.drop([task]);
    await this.makeMissing(() => Promise.resolve());
  }

  #takeCheckedTo(name: string): ReadonlyMap<string, number> | null {
    const checkedTo = this.#checkedTo.get(name) ?? null;
    this.#checkedTo.delete(name);
    return checkedTo;
  }

  /** Begins to make the tasks for what is held and not worked on yet. */
  async makeMissing(commit: () => Promise<void>): Promise<void> {
    for (const topology of this.#options.spec.subTopologies) {
      const held = [...this.#held.values()].filter(({ topic }) => topology.topics.includes(topic));
      if (topology.kind !== 'direct' && topology.single) {
        await this.#makeSingle(topology, held, commit);
        continue;
      }
      for (const [number, reads] of Map.groupBy(held, ({ partition }) => partition)) {
        const name = `${topology.name}-${number}`;
        if (reads.length < topology.topics.length || this.#tasks.has(name)) continue;
        this.#start(name, reads, this.#stateNamed(topology, number), (signal) =>
          topology.kind === 'direct'
            ? this.#maker.direct(topology, reads[0] ?? { topic: '', partition: number }, this.#cacheShare(), signal)
            : this.#maker.merged(topology, number, reads, this.#cacheShare(), signal, this.#takeCheckedTo(name)),
        );
      }
    }
  }

  async #makeSingle(
    topology: SubTopology<never>,
    held: readonly TopicPartition[],
    commit: () => Promise<void>,
  ): Promise<void> {
    const { name } = topology;
    const starting = this.#starts.get(name);
    const existing = this.all.find((task) => task.topologyName === name);
    if (existing !== undefined && held.every((partition) => existing.reads(partition))) return;
    if (starting !== undefined && idsOf(starting.reads) === idsOf(held)) return;
    if (starting !== undefined) await this.#callOff([starting]);
    if (existing !== undefined) {
      await commit();
      await this.drop([existing]);
    }
    if (held.length === 0) return;
    const state = this.#stateNamed(topology, 0);
    this.#start(name, held, state, (signal) => this.#maker.merged(topology, 0, held, this.#cacheShare(), signal));
  }

  /** Of one task: each that keeps a state gets the same, whether it runs or is to be made of what is held. */
  #cacheShare(): number {
    const held = [...this.#held.values()];
    const tasksOf = (topology: ApplicationSpec['subTopologies'][number]): number => {
      if (topology.store === null) return 0;
      const own = held.filter(({ topic }) => topology.topics.includes(topic));
      const partitions = new Set(own.map(({ partition }) => partition)).size;
      return topology.kind !== 'direct' && topology.single ? Math.min(partitions, 1) : partitions;
    };
    const tasks = this.#options.spec.subTopologies.reduce((sum, topology) => sum + tasksOf(topology), 0);
    return this.#options.cacheBytesMax / Math.max(1, tasks);
  }

  /** What was made when there were more tasks, or fewer, gets its share of now. */
  #shareCache(): void {
    const share = this.#cacheShare();
    for (const task of this.#tasks.values()) if (task.kind === 'merged') task.state?.limitTo(share);
  }

  #stateNamed({ store }: { readonly store: { readonly name: string } | null }, partition: number): StateName | null {
    return store === null ? null : this.#maker.stateOf(store, partition);
  }

  #start(
    name: string,
    reads: readonly TopicPartition[],
    state: StateName | null,
    make: (signal: AbortSignal) => Promise<MadeTask>,
  ): void {
    if (this.#starts.has(name)) return;
    if (state !== null) this.#states.claim(state);
    const abort = new AbortController();
    const making = make(abort.signal);
    const start: Start = {
      ...{ name, reads, state, abort, made: null },
      done: making.then(
        (made) => {
          start.made = made;
        },
        (error: unknown) => {
          if (!(error instanceof CalledOff)) this.#parts.failed(error);
        },
      ),
    };
    this.#starts.set(name, start);
  }

  /**
   * Tasks that are ready begin to work. Only between handling what a poll brought and the next poll: what was polled for a task's
   * predecessor is not for it.
   */
  async activate(): Promise<void> {
    const before = this.#tasks.size;
    for (const { name, state, made } of [...this.#starts.values()]) {
      if (made === null) continue;
      const { task, store, starts } = made;
      if (task.kind === 'merged') await this.#noteEnds(task);
      this.#starts.delete(name);
      this.#tasks.set(task.name, task);
      this.#stateOf.set(task.name, state);
      if (state !== null && store !== null) this.#checkpoints?.add(state, store);
      for (const { input, offset } of starts) this.#parts.reader.assign(input, offset);
    }
    if (this.#tasks.size > before) this.#shareCache();
  }

  /**
   * What the task's predecessor wrote ends here, for its last commit was over when the committed offsets were read. A mark that did
   * not speak of it would promise that it was read already.
   */
  async #noteEnds({ outputLanes }: Task): Promise<void> {
    const { admin, ends } = this.#parts;
    if (outputLanes.length === 0) return;
    for (const { highWatermark, ...at } of await admin.offsets(outputLanes))
      ends.set(partitionId(at), Math.max(highWatermark, ends.get(partitionId(at)) ?? 0));
  }

  /** Keeps copies of the states of these units, and of no others. */
  async standbys(wanted: readonly UnitPartition[]): Promise<void> {
    await this.#states.follow(
      wanted.flatMap(({ unit, partition }) =>
        this.#storesOf(unit, partition).map((store) => this.#maker.stateOf(store, partition)),
      ),
    );
  }

  #storesOf(unit: string, partition: number): { readonly name: string }[] {
    const subTopologies = this.#parts.units.find(({ name }) => name === unit)?.subTopologies ?? [];
    return subTopologies.flatMap((topology) => {
      // a task with all partitions has one state
      const isOne = topology.kind !== 'direct' && topology.single && partition > 0;
      return topology.store === null || isOne ? [] : [topology.store];
    });
  }

  /** What is kept here of each unit's states, for the group to know where work can go on soonest. */
  async kept(): Promise<KeptState[]> {
    const positions = new Map((await this.#states.kept()).map(({ name, position }) => [name, position]));
    const numbers = new Set([...positions.keys()].map((name) => Number(name.slice(name.lastIndexOf('-') + 1))));
    return this.#parts.units.flatMap(({ name: unit }) =>
      [...numbers].flatMap((partition) => {
        const known = this.#storesOf(unit, partition).flatMap((store) => {
          const position = positions.get(this.#maker.stateOf(store, partition).name);
          return position === undefined ? [] : [position];
        });
        return known.length === 0 ? [] : [{ unit, partition, position: known.reduce((sum, one) => sum + one, 0) }];
      }),
    );
  }

  /** Pauses inputs whose queues are long, resumes those whose queues are short again, and has deleted what nobody needs. */
  regulate(): void {
    this.#purge.whenDue(this.all);
    for (const task of this.#tasks.values()) {
      for (const input of task.inputs) {
        const id = partitionId(input);
        if (!this.#paused.has(id)) {
          if (!wantsPause(task, input)) continue;
          this.#paused.add(id);
          this.#parts.reader.pause(input);
        } else if (wantsMore(task, input)) {
          this.#paused.delete(id);
          this.#parts.reader.resume(input);
        }
      }
    }
  }

  /** Drops everything. @param ending why the instance ends: a store that turned out to be damaged must not be met again */
  async close(ending: unknown): Promise<void> {
    await this.#checkpoints?.close();
    await this.#callOff([...this.#starts.values()]);
    await this.drop(this.all).finally(() => this.#states.close());
    if (isDamaged(ending) && ending.field !== '') await this.#options.stores.destroy(ending.field);
  }
}

function idsOf(partitions: readonly TopicPartition[]): string {
  return partitions.map(partitionId).sort().join();
}

// Lanes of one partition may be far apart: the one that is waited for lies behind those that are queued.
function wantsPause(task: RunningTask, input: TaskInput): boolean {
  if (task.kind === 'direct') return task.wantsPause();
  return task.queued(input) > QUEUED_RECORDS_MAX && !task.starves(input);
}

function wantsMore(task: RunningTask, input: TaskInput): boolean {
  if (task.kind === 'direct') return task.wantsMore();
  return task.queued(input) < QUEUED_RECORDS_MAX / 4 || task.starves(input);
}
