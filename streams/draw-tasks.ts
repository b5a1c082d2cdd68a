// What a commit takes of the tasks, all at one moment.
import { Failure } from '../schemas/failure.ts';
import { type DrawnTask } from './commit.ts';
import { type DirectTask } from './direct-task.ts';
import { type Task } from './task.ts';

export interface DrawnTasks {
  readonly drawn: readonly DrawnTask[];
  /** a row of theirs is larger than the log takes: nothing of them can be committed, they go back to their last commit */
  readonly oversized: readonly Task[];
}

/** @throws Failure `too_large` where a task has looked at its rows already, or does not know how */
export function drawTasks(tasks: readonly (Task | DirectTask)[]): DrawnTasks {
  const drawn: DrawnTask[] = [];
  const oversized: Task[] = [];
  for (const task of tasks) {
    try {
      drawn.push({ name: task.name, outputLanes: task.outputLanes, drawn: task.draw() });
    } catch (error) {
      const isOversized = error instanceof Failure && error.code === 'too_large';
      if (!isOversized || task.kind === 'direct' || !task.canCheckRows) throw error;
      oversized.push(task);
    }
  }
  return { drawn, oversized };
}
