// What a running task tells of itself.
import { FOREVER_MS, NEVER_MS } from './lane.ts';
import { partitionId } from './log.ts';
import { type RunningTask } from './task-set.ts';

export interface TaskStatus {
  readonly name: string;
  readonly subTopology: string;
  readonly partition: number;
  /** event time that it has come to; NEVER_MS or FOREVER_MS: none */
  readonly timeMs: number;
  /** records since its start here */
  readonly processed: number;
  /** records that were fetched and wait */
  readonly queued: number;
  /** records between what was fetched and the ends that were seen last */
  readonly lag: number;
  /** with a changelog in its store; of direct tasks: in memory */
  readonly keys: number;
}

/** @param lagOf by partition */
export function taskStatus(task: RunningTask, lagOf: ReadonlyMap<string, number>): TaskStatus {
  return {
    name: task.name,
    subTopology: task.topologyName,
    partition: task.partition,
    timeMs: task.timeMs,
    processed: task.steppedCount,
    queued: task.inputs.reduce((sum, input) => sum + task.queued(input), 0),
    lag: task.inputs.reduce((sum, input) => sum + (lagOf.get(partitionId(input)) ?? 0), 0),
    keys: task.keys,
  };
}

/** null: a task that only routes, or has seen nothing yet, or whose inputs are over, has no event time */
export function knownTimeMs(timeMs: number): number | null {
  return timeMs > NEVER_MS && timeMs < FOREVER_MS ? timeMs : null;
}
