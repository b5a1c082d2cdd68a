// A merged task without state, for tests of what tasks do with records.
import { systemClock } from '../../../infra/clock.ts';
import { DEFAULT_POLICIES } from '../../../streams/failure-policies.ts';
import { type SubTopology } from '../../../streams/processor.ts';
import { Task, type TaskInput } from '../../../streams/task.ts';
import { Timers } from '../../../streams/timers.ts';
import { WatermarkFollower } from '../../../streams/watermark-follower.ts';

/** What their topologies have in common. */
export const STATELESS = {
  lanesOf: () => 1,
  single: false,
  globalTopics: [],
  store: null,
  outputLanes: () => [],
} satisfies Partial<SubTopology>;

/** Started, without marks: nothing is complete before somebody says so. */
export async function statelessTask(
  topology: SubTopology | SubTopology<never>,
  inputs: readonly TaskInput[],
  live = false,
): Promise<Task> {
  // without state, the type of its state says nothing
  const untyped: unknown = topology;
  const task = new Task({
    application: 'test',
    topology: untyped as SubTopology<never>,
    ...{ partition: 0, inputs, live, follower: new WatermarkFollower(), state: null, timers: new Timers() },
    ...{ policies: DEFAULT_POLICIES, clock: systemClock },
  });
  await task.start(untyped as SubTopology<never>);
  return task;
}
