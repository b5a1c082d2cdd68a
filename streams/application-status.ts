// What an application tells of itself, for metrics and for who watches it; and how it is told to stop.
import { type FailureCode } from '../schemas/failure.ts';
import { type DescribedApplication } from './describe-application.ts';
import { type StateProgress } from './local-states.ts';
import { type TaskSet } from './task-set.ts';
import { type TaskStatus, taskStatus } from './task-status.ts';

/** Counters since the start, for metrics. */
export interface ApplicationStatus {
  /** what it reads, keeps and writes */
  readonly description: DescribedApplication;
  readonly tasks: readonly TaskStatus[];
  readonly processed: number;
  readonly written: number;
  /** records taken in and appended (changelogs, marks and dead letters too), by topic */
  readonly takenFrom: ReadonlyMap<string, number>;
  readonly writtenTo: ReadonlyMap<string, number>;
  /** records that were set aside as dead letters, by the code of their failure */
  readonly setAside: ReadonlyMap<FailureCode, number>;
  readonly commits: number;
  readonly commitMs: number;
  /** tasks that are not running yet: their states are being restored */
  readonly starting: readonly string[];
  /** how far states are restored, and standby copies follow */
  readonly states: readonly StateProgress[];
  /** changelog records that tasks had to wait for */
  readonly restoredRecords: number;
  /** records between the positions and the ends that were seen last */
  readonly lag: number;
}

export interface StopOptions {
  /** After that the instance gives up: what was not committed by then never happened, and is done by others. 30 s unless given. */
  readonly withinMs?: number;
  /**
   * The partitions wait for this instance until its session in the group is over: nothing moves when it is restarted. Otherwise
   * others take them over at once.
   */
  readonly comesBack?: boolean;
}

/** @param lagOf by partition */
export function statusOf(
  tasks: TaskSet,
  lagOf: ReadonlyMap<string, number>,
): Pick<ApplicationStatus, 'description' | 'tasks' | 'starting' | 'states' | 'restoredRecords' | 'lag'> {
  return {
    description: tasks.description,
    tasks: tasks.all.map((task) => taskStatus(task, lagOf)).sort(inOrder),
    starting: tasks.starting,
    states: tasks.states.progress(),
    restoredRecords: tasks.states.restoredRecords,
    lag: [...lagOf.values()].reduce((sum, lag) => sum + lag, 0),
  };
}

// tasks start in the order in which their states are there: not the same twice
function inOrder(one: TaskStatus, other: TaskStatus): number {
  if (one.subTopology === other.subTopology) return one.partition - other.partition;
  return one.subTopology < other.subTopology ? -1 : 1;
}
