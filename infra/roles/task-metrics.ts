// What each task tells of itself, for /metrics: a series for each that runs here.
import { Gauge, type Registry } from 'prom-client';
import { type Application } from '../../streams/application.ts';
import { type DescribedApplication, localStoreName } from '../../streams/describe-application.ts';
import { type StateProgress } from '../../streams/local-states.ts';
import { type TaskStatus, knownTimeMs } from '../../streams/task-status.ts';
import { storeSizes } from '../rocksdb/open-databases.ts';
import { stateBytes } from './application-reports.ts';

/** null: the task has no such thing */
type Read = (task: TaskStatus, of: DescribedApplication, sizes: ReadonlyMap<string, number>) => number | null;

export function measureTasks(registry: Registry, applications: ReadonlyMap<string, Application>): void {
  const gauge = (name: string, help: string, value: Read): void => {
    new Gauge({
      ...{ name, help, labelNames: ['application', 'task'], registers: [registry] },
      async collect() {
        const sizes = await storeSizes();
        // a task that went to another instance is told of there
        this.reset();
        for (const [application, running] of applications) {
          const { tasks, description } = running.status();
          for (const task of tasks) {
            const told = value(task, description, sizes);
            if (told !== null) this.set({ application, task: task.name }, told);
          }
        }
      },
    });
  };
  gauge('millrace_task_event_time_seconds', 'Event time that a task has come to; no series: it has none', (task) => {
    const timeMs = knownTimeMs(task.timeMs);
    return timeMs === null ? null : timeMs / 1000;
  });
  gauge('millrace_task_lag_records', 'Records of its partitions that a task has not fetched yet', (task) => task.lag);
  gauge('millrace_task_queued_records', 'Records that were fetched and wait', (task) => task.queued);
  gauge('millrace_task_processed_records', 'Records processed since the task began here', (task) => task.processed);
  gauge('millrace_task_state_keys', 'Keys in the state of a task; of direct tasks: in memory', (task) => task.keys);
  gauge(
    'millrace_task_state_bytes',
    'Bytes of the local stores of a task; no series: it has none',
    (task, description, sizes) => stateBytes(description, task, sizes),
  );
}

/** How far the states of tasks that start are restored: series end when their tasks run. */
export function measureRestores(registry: Registry, applications: ReadonlyMap<string, Application>): void {
  const gauge = (name: string, help: string, value: (state: StateProgress) => number): void => {
    new Gauge({
      ...{ name, help, labelNames: ['application', 'task'], registers: [registry] },
      collect() {
        this.reset();
        for (const [application, running] of applications) {
          const { states, description } = running.status();
          for (const [task, state] of restoredFor(description, states)) this.set({ application, task }, value(state));
        }
      },
    });
  };
  gauge('millrace_task_restored_records', 'Changelog records read so far for a task that starts', (s) => s.records);
  gauge(
    'millrace_task_restore_left_records',
    'Changelog offsets that a task that starts has to wait for',
    ({ position, end }) => (end === null ? 0 : Math.max(0, end - position)),
  );
}

/** States that are being restored, by the task that waits for them; standby copies are nobody's to wait for. */
export function restoredFor(
  { id, subTopologies }: DescribedApplication,
  states: readonly StateProgress[],
): [task: string, state: StateProgress][] {
  return states
    .filter(({ role }) => role === 'restoring')
    .flatMap((state): [string, StateProgress][] => {
      const partition = Number(/-(\d+)$/.exec(state.name)?.[1]);
      const of = subTopologies.find(
        ({ store }) => store !== null && localStoreName(id, store.name, partition) === state.name,
      );
      return of === undefined ? [] : [[`${of.name}-${partition}`, state]];
    });
}
