// Makes tasks: where their inputs go on, their state brought up to the end of its changelog, their processor. Runs beside everything
// else; a task takes records only once the application has activated it.
import { type Clock } from './clock.ts';
import { type DirectSubTopology } from './direct.ts';
import { DirectTask } from './direct-task.ts';
import { type FailurePolicies } from './failure-policies.ts';
import { loadState } from './load-state.ts';
import { type LocalStates, unlessCalledOff } from './local-states.ts';
import { type StateName } from './local-store.ts';
import { type LogAdmin, type Membership, type TopicPartition, partitionId } from './log.ts';
import { type ApplicationSpec, type SubTopology } from './processor.ts';
import { RowTable } from './state/row-table.ts';
import { type StateStore } from './store.ts';
import { Task, type TaskInput } from './task.ts';
import { Timers } from './timers.ts';
import { type WatermarkFollower } from './watermark-follower.ts';
import { type SchemaRegistry } from '../schemas/codec.ts';
import { Failure } from '../schemas/failure.ts';

export interface MadeTask {
  readonly task: Task | DirectTask;
  /** the task's; null: it has no state */
  readonly store: StateStore | null;
  /** where each input is read from */
  readonly starts: readonly { readonly input: TaskInput; readonly offset: number }[];
}

export interface TaskMakerOptions {
  readonly spec: ApplicationSpec;
  readonly clock: Clock;
  readonly live: boolean;
  readonly policies: FailurePolicies;
  /** for direct tasks whose values name a schema */
  readonly schemas: Pick<SchemaRegistry, 'schemaOf'> | null;
  changelogTopic(store: string): string;
}

export interface TaskMakerParts {
  readonly admin: LogAdmin;
  readonly membership: Membership;
  readonly follower: WatermarkFollower;
  readonly states: LocalStates;
}

export class TaskMaker {
  readonly #options: TaskMakerOptions;
  readonly #parts: TaskMakerParts;

  constructor(options: TaskMakerOptions, parts: TaskMakerParts) {
    this.#options = options;
    this.#parts = parts;
  }

  stateOf(store: { readonly name: string }, partition: number): StateName {
    const { spec } = this.#options;
    const changelog = { topic: this.#options.changelogTopic(store.name), partition };
    return { name: `${spec.id}.${store.name}-${partition}`, changelog };
  }

  /**
   * Offsets first, then the changelog's end: no transaction with these offsets is open then, so that nothing of what they speak of
   * comes behind the end.
   */
  async direct(
    topology: DirectSubTopology,
    at: TopicPartition,
    cacheBytesMax: number,
    signal: AbortSignal,
  ): Promise<MadeTask> {
    const [committed] = await unlessCalledOff(this.#parts.membership.committed([at]), signal);
    const input: TaskInput = { ...at, offset: Math.max(committed?.offset ?? 0, 0), metadata: '', global: false };
    const { spec, clock, schemas, policies } = this.#options;
    const { store } = topology;
    const state = store === null ? null : this.stateOf(store, at.partition);
    const restored =
      store === null || state === null
        ? null
        : await this.#parts.states.restore(state, signal, async (opened, isEmpty) => ({
            opened,
            rows: new RowTable(opened, store.serde, cacheBytesMax, isEmpty),
          }));
    return orClosed(restored?.opened ?? null, async (opened) => {
      const task = new DirectTask({
        ...{ application: spec.id, topology },
        ...{ input, rows: restored?.rows ?? null, changelog: state?.changelog ?? null, clock, schemas, policies },
      });
      return { task, store: opened, starts: [{ input, offset: input.offset }] };
    });
  }

  async merged(
    topology: SubTopology<never>,
    partition: number,
    held: readonly TopicPartition[],
    cacheBytesMax: number,
    signal: AbortSignal,
    checkedTo: ReadonlyMap<string, number> | null = null,
  ): Promise<MadeTask> {
    const { membership, follower, states } = this.#parts;
    const { spec, live, policies, clock } = this.#options;
    const inputs: TaskInput[] = sortInputs(await unlessCalledOff(membership.committed(held), signal)).map((input) => ({
      ...input,
      offset: Math.max(input.offset, 0),
      global: false,
    }));
    inputs.push(...(await unlessCalledOff(this.#globalInputs(topology), signal)));
    const { store } = topology;
    const named = store === null ? null : this.stateOf(store, partition);
    const restored =
      store === null || named === null
        ? null
        : await states.restore(named, signal, async (opened) => ({
            opened,
            ...(await loadState(topology, opened, store.serde, named.changelog, cacheBytesMax, signal)),
          }));
    const { state, timers } = restored ?? { state: null, timers: new Timers() };
    return orClosed(restored?.opened ?? null, async (opened) => {
      const task = new Task({
        ...{ application: spec.id, topology, partition, inputs, live, follower, state, timers, policies, clock },
        checkedTo,
      });
      const globalPositions = await task.start(topology);
      const starts = inputs.map((input) => {
        const offset = globalPositions.get(partitionId(input)) ?? input.offset;
        if (input.global) task.startGlobal(input, offset);
        return { input, offset };
      });
      return { task, store: opened, starts };
    });
  }

  async #globalInputs({ globalTopics }: SubTopology<never>): Promise<TaskInput[]> {
    const counts = await this.#parts.admin.partitionsOf(globalTopics);
    return globalTopics.flatMap((topic) => {
      const count = counts.get(topic);
      if (count === undefined)
        throw new Failure('unknown_name', `The topic ${topic} does not exist.`, { fix: 'Apply its definition first.' });
      return Array.from({ length: count }, (_, partition) => ({
        ...{ topic, partition, offset: 0, metadata: '', global: true },
      }));
    });
  }
}

/** A task that cannot be made leaves no store open. */
async function orClosed<T>(store: StateStore | null, make: (store: StateStore | null) => Promise<T>): Promise<T> {
  try {
    return await make(store);
  } catch (error) {
    await store?.close();
    throw error;
  }
}

function sortInputs<T extends TopicPartition>(inputs: readonly T[]): T[] {
  return [...inputs].sort((a, b) => (a.topic === b.topic ? a.partition - b.partition : a.topic < b.topic ? -1 : 1));
}
