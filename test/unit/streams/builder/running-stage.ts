// The first stage of a compiled topology in a task of its own, live, without a log: what it writes is kept here, its changelog too.
import { systemClock } from '../../../../infra/clock.ts';
import { compile } from '../../../../streams/builder/compile.ts';
import { type DeclaredTopology } from '../../../../streams/builder/declaration.ts';
import { DEFAULT_POLICIES } from '../../../../streams/failure-policies.ts';
import { type LogRecord, type NewRecord } from '../../../../streams/log.ts';
import { type LoadedState, loadState } from '../../../../streams/load-state.ts';
import { memoryStores } from '../../../../streams/memory-store.ts';
import { type SubTopology } from '../../../../streams/processor.ts';
import { type DeadLettered } from '../../../../streams/task-commit.ts';
import { positionWrite } from '../../../../streams/state/position.ts';
import { Task } from '../../../../streams/task.ts';
import { Timers } from '../../../../streams/timers.ts';
import { WatermarkFollower } from '../../../../streams/watermark-follower.ts';

export interface Sent {
  readonly key: string;
  readonly value: unknown;
}

export class RunningStage {
  #topology: SubTopology<never>;
  readonly #topic: string;
  /** compacted, as the log would do in the end */
  readonly #changelog = new Map<string, { key: Buffer; value: Buffer }>();
  #task: Task;
  #offset = 0;
  #progress = { offset: 0, metadata: '' };
  readonly outputs: NewRecord[] = [];
  readonly letters: DeadLettered[] = [];

  private constructor(topology: SubTopology<never>, task: Task) {
    this.#topology = topology;
    this.#topic = topology.topics[0] ?? '';
    this.#task = task;
  }

  static async of(declared: DeclaredTopology): Promise<RunningStage> {
    const first = firstStage(declared);
    return new RunningStage(first, await taskOf(first, [], { offset: 0, metadata: '' }));
  }

  /** Keys whose state is kept. */
  get keys(): number {
    return this.#task.keys;
  }

  get timeMs(): number {
    return this.#task.timeMs;
  }

  /** Bytes of the states, as the changelog has them. */
  get stateBytes(): readonly Buffer[] {
    return [...this.#changelog.values()].map(({ value }) => value);
  }

  send(events: readonly Sent[]): void {
    const at = { topic: this.#topic, partition: 0 };
    const records = events.map(({ key, value }, index): LogRecord => ({
      ...at,
      offset: this.#offset + index,
      timestampMs: 0,
      key: Buffer.from(key),
      value: Buffer.from(JSON.stringify(value)),
      headers: [],
    }));
    this.#offset += records.length;
    this.#task.take({ ...at, records, slabs: [], nextOffset: this.#offset, endOffset: this.#offset });
    this.#task.process(() => false);
  }

  /** No news up to this time. */
  idleTo(timeMs: number): void {
    this.#task.idleTo(timeMs);
    this.#task.process(() => false);
  }

  /** As the application does it, but into memory. */
  async commit(): Promise<void> {
    await this.#task.flush();
    const { records, changes, deadLetters, offsets, committed } = this.#task.draw();
    this.outputs.push(...records);
    for (const { key, value } of changes.records) {
      if (value === null) this.#changelog.delete(String(key));
      else this.#changelog.set(String(key), { key: Buffer.from(key ?? ''), value });
    }
    this.letters.push(...deadLetters);
    const [own] = offsets;
    if (own !== undefined) this.#progress = { offset: own.offset, metadata: own.metadata };
    await committed({ nextOffset: this.#changelog.size, logEnd: this.#changelog.size });
  }

  /** After a commit: the task ends, its state folder is lost, another one restores from the changelog. @param as changed meanwhile */
  async restart(as?: DeclaredTopology): Promise<void> {
    await this.#task.close();
    if (as !== undefined) this.#topology = firstStage(as);
    this.#task = await taskOf(this.#topology, [...this.#changelog.values()], this.#progress);
  }

  async close(): Promise<void> {
    await this.#task.close();
  }
}

function firstStage(declared: DeclaredTopology): SubTopology<never> {
  const { spec } = compile(declared, {
    partitions: new Map(),
    internalTopic: (name) => name,
    changelogTopic: (application, store) => `${application}.${store}`,
  });
  const [first] = spec.subTopologies;
  if (first === undefined || first.kind === 'direct') throw new Error('the topology has no merged stage');
  return first;
}

async function taskOf(
  topology: SubTopology<never>,
  changelog: readonly { key: Buffer; value: Buffer }[],
  progress: { readonly offset: number; readonly metadata: string },
): Promise<Task> {
  const { store, topics } = topology;
  let loaded: LoadedState | null = null;
  if (store !== null) {
    const opened = await memoryStores().open(store.name);
    const at = { nextOffset: changelog.length, logEnd: changelog.length, asOfMs: 0 };
    await opened.write([...changelog, positionWrite(at)]);
    const kept = { topic: `changelog of ${store.name}`, partition: 0 };
    loaded = await loadState(topology, opened, store.serde, kept, Infinity);
  }
  const task = new Task({
    application: 'test',
    topology,
    partition: 0,
    inputs: topics.map((topic) => ({ topic, partition: 0, global: false, ...progress })),
    live: true,
    follower: new WatermarkFollower(),
    ...(loaded ?? { state: null, timers: new Timers() }),
    policies: DEFAULT_POLICIES,
    clock: systemClock,
  });
  await task.start(topology);
  return task;
}
