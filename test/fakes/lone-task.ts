// A merged task of a declared topology without a log, over a store that is given: what it writes is told of.
import { systemClock } from '../../infra/clock.ts';
import { compile } from '../../streams/builder/compile.ts';
import { type DeclaredTopology } from '../../streams/builder/declaration.ts';
import { DEFAULT_POLICIES } from '../../streams/failure-policies.ts';
import { loadState } from '../../streams/load-state.ts';
import { type LogRecord, type NewRecord } from '../../streams/log.ts';
import { type StateStore } from '../../streams/store.ts';
import { type TaskState } from '../../streams/task-state.ts';
import { Task } from '../../streams/task.ts';
import { WatermarkFollower } from '../../streams/watermark-follower.ts';
import { workSlice } from '../../streams/work-slice.ts';

export interface Taken {
  readonly topic: string;
  readonly key: string;
  readonly value: Buffer;
  readonly timestampMs: number;
}

export class LoneTask {
  readonly task: Task;
  readonly #state: TaskState<never>;
  readonly #offsets = new Map<string, number>();
  #changelogEnd = 0;
  readonly #written: (records: readonly NewRecord[]) => void;
  commits = 0;

  private constructor(task: Task, state: TaskState<never>, written: (records: readonly NewRecord[]) => void) {
    this.task = task;
    this.#state = state;
    this.#written = written;
  }

  /**
   * Of the topology's first stage; live, on partition 0.
   * @param written told of each commit's outputs
   */
  static async of(
    declared: DeclaredTopology,
    store: StateStore,
    cacheBytesMax: number,
    written: (records: readonly NewRecord[]) => void,
  ): Promise<LoneTask> {
    const { spec } = compile(declared, {
      partitions: new Map(),
      internalTopic: (name) => name,
      changelogTopic: (application, name) => `${application}.${name}`,
    });
    const [topology] = spec.subTopologies;
    if (topology === undefined || topology.kind === 'direct' || topology.store === null)
      throw new Error('the topology has no merged stage that keeps something');
    const changelog = { topic: 'changelog', partition: 0 };
    const loaded = await loadState(topology, store, topology.store.serde, changelog, cacheBytesMax);
    const task = new Task({
      application: 'test',
      ...{ topology, partition: 0, live: true, follower: new WatermarkFollower(), ...loaded },
      inputs: topology.topics.map((topic) => ({ topic, partition: 0, offset: 0, metadata: '', global: false })),
      ...{ policies: DEFAULT_POLICIES, clock: systemClock },
    });
    await task.start(topology);
    return new LoneTask(task, loaded.state, written);
  }

  get state(): TaskState<never> {
    return this.#state;
  }

  take(topic: string, taken: readonly Omit<Taken, 'topic'>[]): void {
    const at = { topic, partition: 0 };
    const from = this.#offsets.get(topic) ?? 0;
    const records = taken.map(({ key, value, timestampMs }, index): LogRecord => ({
      ...{ ...at, offset: from + index, timestampMs, key: Buffer.from(key), value, headers: [] },
    }));
    const nextOffset = from + records.length;
    this.#offsets.set(topic, nextOffset);
    this.task.take({ ...at, records, slabs: [], nextOffset, endOffset: nextOffset });
  }

  /** All that is ready, while nothing else is known to lie in the log, with a commit wherever one is wanted. @param sliceMs between two looks at that */
  async work(sliceMs = 40): Promise<void> {
    this.task.look(({ topic }) => this.#offsets.get(topic) ?? 0, null);
    while (await workSlice(this.task, systemClock, sliceMs)) if (this.task.isFull) await this.commit();
  }

  async commit(): Promise<void> {
    const { records, changes, deadLetters, committed } = this.task.draw();
    if (deadLetters.length > 0) throw new Error('a record was set aside', { cause: deadLetters[0]?.failure });
    this.#changelogEnd += changes.records.length;
    this.commits += 1;
    await committed({ nextOffset: this.#changelogEnd, logEnd: this.#changelogEnd });
    this.#written(records);
  }

  async close(): Promise<void> {
    await this.task.close();
  }
}
