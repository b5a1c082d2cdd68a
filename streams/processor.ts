// What a processor is to the engine: a pure step from an instant and its state to outputs, made once per task.
import { type Failure } from '../schemas/failure.ts';
import { type DirectSubTopology } from './direct.ts';
import { type FailurePolicies, type FailureStage } from './failure-policies.ts';
import { type Input } from './lane.ts';
import { type Instant } from './merge.ts';
import { type LogRecord, type NewRecord } from './log.ts';
import { type ReadableStore } from './queries/question.ts';
import { type StateSerde, type TaskState } from './task-state.ts';

export type Decoded =
  | { readonly kind: 'input'; readonly lane: number; readonly eventTimeMs: number; readonly value: unknown }
  /** of no concern to this processor */
  | { readonly kind: 'skip' }
  /** goes to the dead letters, whole */
  | { readonly kind: 'refused'; readonly failure: Failure };

/** Where a task writes and how its progress is told: one mark for each. */
export interface OutputLane {
  readonly topic: string;
  readonly partition: number;
  readonly lane: number;
}

/** What the engine gives to a processor. */
export interface TaskContext<V> {
  readonly partition: number;
  /** event time at which this task goes on; NEVER_MS for a new one */
  readonly startMs: number;
  readonly state: TaskState<V>;
  emit(record: NewRecord): void;
  monotonicMs(): number;
  /** wall clock, epoch ms: for what is told of it, never for what is computed from records */
  nowMs(): number;
  readonly policies: FailurePolicies;
  /** At most one timer per key; null removes it. */
  setTimer(key: string, timeMs: number | null): void;
  /** Sets a record aside whole, or gives up, as the policy of the stage says (`process` unless named). */
  deadLetter(record: LogRecord, failure: Failure, stage?: FailureStage): void;
}

export interface Processor {
  /** Synchronous: the schemas of the values have been fetched before. */
  decode(record: LogRecord): Decoded;
  step(instant: Instant): void;
  /** Finishes what `step` left open (a model run); awaited before each commit and now and then between. */
  flush?(): Promise<void>;
  /** Goes on with what it is to try again; false while it waits: nothing is handed to it, and nothing of its task is committed. */
  isReady?(): boolean;
  readonly isWaiting?: boolean;
  /** Keys of the state that it will read for what it has begun, for these inputs and these timers, the most urgent first. */
  keysFor?(inputs: Iterable<Input>, timers: Iterable<string>): Iterable<string>;
  /** It waits for keys of the state that are not in memory. */
  readonly lacksState?: boolean;
  /** Called before records are handed in and at least every few milliseconds without any: for what goes by the wall clock. */
  tick?(): void;
  /** Nothing later than this event time may be taken yet. */
  boundMs?(): number;
  /**
   * Whether it is to look, after each step, that the rows which were changed fit into a record, and to set the input aside where one
   * does not. Absent: such a row ends the instance.
   */
  checkRows?(isOn: boolean): void;
  /** After a commit; positions of the inputs that are not part of the group. */
  committed?(positions: ReadonlyMap<string, number>, timeMs: number): Promise<void>;
  close?(): Promise<void>;
}

/** The parts of a sub-topology that its users have named. */
export interface Parts {
  /** what keeps rows in its store */
  readonly states: readonly string[];
  readonly outputTopics: readonly string[];
}

/** Merged processing: inputs of several partitions and topics, by event time. */
export interface SubTopology<V = unknown> {
  readonly kind?: 'merged';
  readonly name: string;
  /** Topics of the consumer group, co-partitioned; one task per partition, or one for all with `single`. */
  readonly topics: readonly string[];
  /** Lanes in each partition of a topic, 1 unless an internal topic says otherwise. */
  lanesOf(topic: string): number;
  /** Of its topics those that only this application writes and reads: what is committed of them is deleted. Absent: none. */
  readonly internalTopics?: readonly string[];
  /** Topics whose records are taken as they come, in one lane: event time waits for none of them. */
  readonly unawaitedTopics?: readonly string[];
  /** true: one task with all partitions that this instance has been given */
  readonly single: boolean;
  /** Read whole by every instance, outside the group; their positions are the processor's to keep. */
  readonly globalTopics: readonly string[];
  readonly store: { readonly name: string; readonly serde: StateSerde<V> } | null;
  /** Parts of the store that can be read from outside; absent: none. */
  readonly readable?: readonly ReadableStore[];
  /** Names of local stores that are folds of the global topics, and have no changelog; absent: none. For descriptions. */
  readonly folds?: readonly string[];
  /** What is done to a record, in order; absent: the name says it. For descriptions. */
  readonly steps?: readonly string[];
  /** Compared when a changed topology starts; absent: nothing is. */
  readonly parts?: Parts;
  /** Topics that it writes, others than changelogs, marks and dead letters; absent: those of its lanes. For descriptions. */
  readonly outputTopics?: readonly string[];
  /** The state may be in memory in part: its processor asks for what it needs (`keysFor`). Absent: it is in memory wholly. */
  readonly onDemand?: {
    /** The timer that a restored row needs, as the serde writes it. */
    timerOf(row: Buffer): number | null;
    /** Whether the key's value stays in memory. */
    isPinned(key: string): boolean;
  };
  /** @param partitions the task's own: one, or all that a `single` task holds */
  outputLanes(partitions: readonly number[]): readonly OutputLane[];
  create(
    context: TaskContext<V>,
  ): Promise<{ readonly processor: Processor; readonly globalPositions: ReadonlyMap<string, number> }>;
}

export interface ApplicationSpec {
  /** names the consumer group, the transactional ids and the changelogs */
  readonly id: string;
  // each sub-topology has a state type of its own
  readonly subTopologies: readonly (SubTopology<never> | DirectSubTopology)[];
}
