// One instance of an application: joins the group, keeps a task per partition it was given, and takes records from fetch to
// commit in batches. All its tasks share one transactional session.
import { type Watermark } from '../schemas/events.generated.ts';
import { Failure } from '../schemas/failure.ts';
import { type Clock } from './clock.ts';
import { type CommitParts, type WrittenEnds, commitTasks } from './commit.ts';
import {
  type Fetched,
  type Log,
  type LogAdmin,
  type LogReader,
  type Membership,
  type TopicPartition,
  type TransactionSession,
  partitionId,
} from './log.ts';
import { type ApplicationSpec, type SubTopology } from './processor.ts';
import { restoreState } from './restore.ts';
import { type StateStores } from './store.ts';
import { Task, type TaskInput } from './task.ts';
import { TaskState } from './task-state.ts';
import { WatermarkFollower } from './watermark-follower.ts';

// Above this many queued records a partition is paused, below a quarter of it resumed: bounds memory while lanes wait for each other.
const QUEUED_RECORDS_MAX = 2000;
// Outputs that are committed before the interval is over: bounds a transaction.
const OUTPUT_RECORDS_MAX = 10000;
// One slice of processing; heartbeats and fetches get their turn after it.
const SLICE_MS = 40;
const POLL_MS = 20;

export interface ApplicationOptions {
  readonly spec: ApplicationSpec;
  readonly log: Log;
  readonly clock: Clock;
  readonly stores: StateStores;
  /** tells this instance from others of the same application; the same again after a restart */
  readonly instance: string;
  readonly commitIntervalMs: number;
  /** false: inputs are merged by event time with the help of marks; true: taken as they arrive */
  readonly live: boolean;
  /** without replay: after this long without records, time goes on by the wall clock; null: never */
  readonly idleTimeoutMs: number | null;
  readonly watermarksTopic: string;
  changelogTopic(store: string): string;
  /** Fetches the schemas that `decode` will need. */
  prepare(values: readonly (Buffer | null)[]): Promise<void>;
  decodeWatermarks(value: Buffer): readonly Watermark[];
  readonly deadLetterRecord: CommitParts['deadLetterRecord'];
  watermarkRecord(writer: string, marks: readonly Watermark[]): ReturnType<CommitParts['watermarkRecord']>;
}

/** Counters since the start, for metrics. */
export interface ApplicationStatus {
  readonly tasks: readonly {
    readonly name: string;
    readonly timeMs: number;
    readonly processed: number;
    readonly queued: number;
    readonly keys: number;
  }[];
  readonly processed: number;
  readonly written: number;
  /** records taken in and appended (changelogs, marks and dead letters too), by topic */
  readonly takenFrom: ReadonlyMap<string, number>;
  readonly writtenTo: ReadonlyMap<string, number>;
  readonly commits: number;
  readonly commitMs: number;
  readonly restoredRecords: number;
  /** records between the positions and the ends that were seen last */
  readonly lag: number;
}

export class Application {
  readonly #options: ApplicationOptions;
  readonly #topologyOf = new Map<string, SubTopology<never>>();
  readonly #tasks = new Map<string, Task>();
  readonly #held = new Map<string, TopicPartition>();
  readonly #paused = new Set<string>();
  readonly #ends: WrittenEnds = new Map();
  readonly #follower = new WatermarkFollower();
  readonly #lagOf = new Map<string, number>();
  readonly #takenFrom = new Map<string, number>();
  readonly #writtenTo = new Map<string, number>();
  readonly #reader: LogReader;
  readonly #restoreReader: LogReader;
  readonly #admin: LogAdmin;
  readonly #membership: Membership;
  #session: TransactionSession | null = null;
  #turn: Promise<unknown> = Promise.resolve();
  #stopping = false;
  #finished: Promise<void> | null = null;
  #lastCommitMs = 0;
  #lastRecordMs = 0;
  #processed = 0;
  #written = 0;
  #commits = 0;
  #commitMs = 0;
  #restored = 0;

  constructor(options: ApplicationOptions) {
    this.#options = options;
    for (const topology of options.spec.subTopologies)
      for (const topic of topology.topics) this.#topologyOf.set(topic, topology);
    this.#reader = options.log.reader();
    this.#restoreReader = options.log.reader();
    this.#admin = options.log.admin();
    this.#membership = options.log.membership({
      group: options.spec.id,
      topics: [...this.#topologyOf.keys()],
      instanceId: null,
    });
  }

  /** Resolves once the group was joined; `finished` tells the end. */
  async start(): Promise<void> {
    const { log, spec, instance, clock } = this.#options;
    // making the session first ends whatever a killed predecessor left open
    this.#session = await log.transactions(`${spec.id}-${instance}`, 60_000);
    await this.#readWatermarks();
    this.#lastCommitMs = clock.monotonicMs();
    await this.#membership.start({
      assigned: (partitions) => this.#exclusively(() => this.#assigned(partitions)),
      revoked: (partitions) => this.#exclusively(() => this.#revoked(partitions)),
      lost: (partitions) => this.#exclusively(() => this.#lost(partitions)),
    });
    this.#finished = this.#run();
    // the caller awaits `finished`; until then a failure must not count as unhandled
    this.#finished.catch(() => undefined);
  }

  /** Rejects when the instance had to give up; its state is in the log, a new instance goes on from there. */
  get finished(): Promise<void> {
    return this.#finished ?? Promise.resolve();
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    await this.#finished?.catch(() => undefined);
  }

  status(): ApplicationStatus {
    const tasks = [...this.#tasks.values()].map((task) => ({
      name: task.name,
      timeMs: task.timeMs,
      processed: task.steppedCount,
      queued: task.inputs.reduce((sum, input) => sum + task.queued(input), 0),
      keys: task.state?.size ?? 0,
    }));
    return {
      tasks,
      processed: this.#processed,
      written: this.#written,
      takenFrom: this.#takenFrom,
      writtenTo: this.#writtenTo,
      commits: this.#commits,
      commitMs: this.#commitMs,
      restoredRecords: this.#restored,
      lag: [...this.#lagOf.values()].reduce((sum, lag) => sum + lag, 0),
    };
  }

  async #readWatermarks(): Promise<void> {
    const at = { topic: this.#options.watermarksTopic, partition: 0 };
    const [bounds] = await this.#admin.offsets([at]);
    const end = bounds?.end ?? 0;
    let position = bounds?.start ?? 0;
    this.#reader.assign(at, position);
    while (position < end) {
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

  async #run(): Promise<void> {
    let more = false;
    try {
      while (!this.#stopping) {
        const fetched = await this.#reader.poll(more ? 0 : POLL_MS);
        more = await this.#exclusively(() => this.#round(fetched));
      }
      await this.#exclusively(() => this.#commit());
    } finally {
      await this.#exclusively(() => this.#dropTasks([...this.#tasks.values()]));
      await this.#membership.close();
      await this.#session?.close();
      await Promise.all([this.#reader.close(), this.#restoreReader.close(), this.#admin.close()]);
    }
  }

  async #round(fetched: readonly Fetched[]): Promise<boolean> {
    await this.#intake(fetched);
    const { clock } = this.#options;
    let more = false;
    this.#letIdleTimePass();
    // equal shares: tasks that feed one repartition topic must not run far ahead of each other
    const shareMs = SLICE_MS / Math.max(1, this.#tasks.size);
    for (const task of this.#tasks.values()) {
      const before = task.steppedCount;
      const startedMs = clock.monotonicMs();
      const isOver = (): boolean => clock.monotonicMs() - startedMs > shareMs;
      more = task.process(() => isOver() || task.outputCount > OUTPUT_RECORDS_MAX) || more;
      this.#processed += task.steppedCount - before;
    }
    const outputs = [...this.#tasks.values()].reduce((sum, task) => sum + task.outputCount, 0);
    if (outputs > OUTPUT_RECORDS_MAX || clock.monotonicMs() - this.#lastCommitMs >= this.#options.commitIntervalMs)
      await this.#commit();
    this.#regulate();
    return more;
  }

  async #intake(fetched: readonly Fetched[]): Promise<void> {
    for (const part of fetched) {
      if (part.topic === this.#options.watermarksTopic) {
        await this.#takeWatermarks(part);
        continue;
      }
      await this.#options.prepare(part.records.map((record) => record.value));
      for (const task of this.#tasks.values()) if (task.reads(part)) task.take(part, part.records, part.nextOffset);
      this.#lagOf.set(partitionId(part), part.endOffset - part.nextOffset);
      this.#takenFrom.set(part.topic, (this.#takenFrom.get(part.topic) ?? 0) + part.records.length);
      if (part.records.length > 0) this.#lastRecordMs = this.#options.clock.monotonicMs();
    }
  }

  #letIdleTimePass(): void {
    const { idleTimeoutMs, clock } = this.#options;
    if (idleTimeoutMs === null || clock.monotonicMs() - this.#lastRecordMs < idleTimeoutMs) return;
    for (const task of this.#tasks.values()) task.idleTo(clock.nowMs() - idleTimeoutMs);
  }

  async #commit(): Promise<void> {
    const { clock, spec } = this.#options;
    this.#lastCommitMs = clock.monotonicMs();
    if (this.#session === null) return;
    const parts: CommitParts = {
      session: this.#session,
      membership: this.#membership,
      follower: this.#follower,
      writtenTo: this.#writtenTo,
      deadLetterRecord: this.#options.deadLetterRecord,
      watermarkRecord: (taskName, marks) => this.#options.watermarkRecord(`${spec.id}/${taskName}`, marks),
    };
    const tasks = [...this.#tasks.values()];
    const dirty = tasks.some((task) => task.dirty);
    this.#written += await commitTasks(tasks, parts, this.#ends);
    if (dirty) {
      this.#commits += 1;
      this.#commitMs += clock.monotonicMs() - this.#lastCommitMs;
    }
  }

  #regulate(): void {
    for (const task of this.#tasks.values()) {
      for (const input of task.inputs) {
        const id = partitionId(input);
        const queued = task.queued(input);
        if (!this.#paused.has(id)) {
          // lanes of one partition may be far apart: the one that is waited for lies behind those that are queued
          if (queued <= QUEUED_RECORDS_MAX || task.starves(input)) continue;
          this.#paused.add(id);
          this.#reader.pause(input);
        } else if (queued < QUEUED_RECORDS_MAX / 4 || task.starves(input)) {
          this.#paused.delete(id);
          this.#reader.resume(input);
        }
      }
    }
  }

  async #assigned(partitions: readonly TopicPartition[]): Promise<void> {
    for (const partition of partitions) this.#held.set(partitionId(partition), partition);
    await this.#makeMissingTasks();
  }

  async #revoked(partitions: readonly TopicPartition[]): Promise<void> {
    await this.#commit();
    await this.#lost(partitions);
    // a task with all partitions goes on with those that are left
    await this.#makeMissingTasks();
  }

  async #lost(partitions: readonly TopicPartition[]): Promise<void> {
    for (const partition of partitions) this.#held.delete(partitionId(partition));
    await this.#dropTasks(
      [...this.#tasks.values()].filter((task) => partitions.some((partition) => task.reads(partition))),
    );
  }

  async #dropTasks(tasks: readonly Task[]): Promise<void> {
    for (const task of tasks) {
      this.#tasks.delete(task.name);
      for (const input of task.inputs) {
        this.#reader.unassign(input);
        this.#paused.delete(partitionId(input));
        this.#lagOf.delete(partitionId(input));
      }
      await task.close();
    }
  }

  async #makeMissingTasks(): Promise<void> {
    for (const topology of this.#options.spec.subTopologies) {
      const held = [...this.#held.values()].filter(({ topic }) => topology.topics.includes(topic));
      if (topology.single) await this.#makeSingle(topology, held);
      else await this.#makePartitioned(topology, held);
    }
  }

  async #makeSingle(topology: SubTopology<never>, held: readonly TopicPartition[]): Promise<void> {
    const existing = [...this.#tasks.values()].find((task) => task.topologyName === topology.name);
    if (existing !== undefined) {
      if (held.every((partition) => existing.reads(partition))) return;
      await this.#commit();
      await this.#dropTasks([existing]);
    }
    if (held.length > 0) await this.#make(topology, 0, held);
  }

  async #makePartitioned(topology: SubTopology<never>, held: readonly TopicPartition[]): Promise<void> {
    for (const number of new Set(held.map(({ partition }) => partition))) {
      const inputs = held.filter(({ partition }) => partition === number);
      if (inputs.length === topology.topics.length && !this.#tasks.has(`${topology.name}-${number}`))
        await this.#make(topology, number, inputs);
    }
  }

  async #make(topology: SubTopology<never>, partition: number, held: readonly TopicPartition[]): Promise<void> {
    const committed = await this.#membership.committed(held);
    const inputs: TaskInput[] = sortInputs(committed).map((input) => ({
      ...input,
      offset: Math.max(input.offset, 0),
      global: false,
    }));
    const counts = await this.#admin.partitionsOf(topology.globalTopics);
    for (const topic of topology.globalTopics) {
      const count = counts.get(topic);
      if (count === undefined)
        throw new Failure('unknown_name', `The topic ${topic} does not exist.`, { fix: 'Apply its definition first.' });
      for (let number = 0; number < count; number += 1)
        inputs.push({ topic, partition: number, offset: 0, metadata: '', global: true });
    }
    const task = new Task({
      topology,
      partition,
      inputs,
      live: this.#options.live,
      follower: this.#follower,
      state: await this.#openState(topology, partition),
    });
    const globalPositions = await task.start(topology);
    this.#tasks.set(task.name, task);
    for (const input of inputs) {
      const offset = globalPositions.get(partitionId(input)) ?? input.offset;
      if (input.global) task.startGlobal(input, offset);
      this.#reader.assign(input, offset);
    }
  }

  async #openState(topology: SubTopology<never>, partition: number): Promise<TaskState<never> | null> {
    if (topology.store === null) return null;
    const { spec, stores, changelogTopic } = this.#options;
    const changelog = { topic: changelogTopic(topology.store.name), partition };
    const store = await stores.open(`${spec.id}.${topology.store.name}-${partition}`);
    const state = new TaskState(store, topology.store.serde, changelog);
    this.#restored += await restoreState(state, changelog, this.#restoreReader, this.#admin);
    return state;
  }
}

function sortInputs<T extends TopicPartition>(inputs: readonly T[]): T[] {
  return [...inputs].sort((a, b) => (a.topic === b.topic ? a.partition - b.partition : a.topic < b.topic ? -1 : 1));
}
