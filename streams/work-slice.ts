// A task's share of one round: what it needs from its store, and as many records as there is time for.
import { type Clock } from './clock.ts';
import { type RunningTask } from './task-set.ts';

/** All at once, so that the store of one is read while another works; each waits for its own in `workSlice`, which throws what failed. */
export function withReadsBegun(tasks: readonly RunningTask[]): readonly RunningTask[] {
  for (const task of tasks) if (task.kind === 'direct') task.prepare().catch(() => undefined);
  return tasks;
}

/** @returns whether more is ready. @throws whatever the store or the processor throws */
export async function workSlice(task: RunningTask, clock: Clock, shareMs: number): Promise<boolean> {
  if (task.kind === 'direct') await task.prepare();
  const startedMs = clock.monotonicMs();
  const isOver = (): boolean => clock.monotonicMs() - startedMs > shareMs || task.isFull;
  if (task.kind === 'direct') return task.process(isOver);
  for (;;) {
    const loading = task.prepare();
    if (loading !== null) await loading;
    const more = task.process(isOver);
    // an instant that was begun is finished before anything else: nothing of the task could be committed until then
    if (!task.lacksState) return more;
  }
}
