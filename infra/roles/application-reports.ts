// What the applications of one process tell of themselves: asked by `millrace status` and by the console over HTTP.
import { type Application } from '../../streams/application.ts';
import { type ApplicationStatus } from '../../streams/application-status.ts';
import { type DescribedApplication, localStoreName } from '../../streams/describe-application.ts';
import { type TaskStatus, knownTimeMs } from '../../streams/task-status.ts';
import { type ApplicationReport, type InstanceReport, type TaskReport } from '../../serving/console/topology.ts';
import { storeSizes } from '../rocksdb/open-databases.ts';

export class ApplicationReports {
  readonly #role: string;
  readonly #instance: string;
  readonly #watched: ReadonlyMap<string, Application>[] = [];

  constructor(role: string, instance: string) {
    this.#role = role;
    this.#instance = instance;
  }

  /** From now on these are told of, and what is added to them. */
  watch(applications: ReadonlyMap<string, Application>): void {
    this.#watched.push(applications);
  }

  get applications(): readonly Application[] {
    return this.#watched.flatMap((group) => [...group.values()]);
  }

  async read(): Promise<InstanceReport> {
    const sizes = await storeSizes();
    return {
      role: this.#role,
      instance: this.#instance,
      applications: this.applications.map((application) => applicationReport(application.status(), sizes)),
    };
  }
}

function applicationReport(
  { description, tasks, processed, written, commits, commitMs, restoredRecords, states }: ApplicationStatus,
  sizes: ReadonlyMap<string, number>,
): ApplicationReport {
  return {
    ...description,
    ...{ processed, written, commits, commitMs, restoredRecords },
    tasks: tasks.map((task) => taskReport(description, task, sizes)),
    states,
  };
}

function taskReport(
  description: DescribedApplication,
  task: TaskStatus,
  sizes: ReadonlyMap<string, number>,
): TaskReport {
  const { name, subTopology, partition, timeMs, processed, queued, lag, keys } = task;
  return {
    ...{ name, subTopology, partition, processed, queued, lag, keys },
    eventTimeMs: knownTimeMs(timeMs),
    stateBytes: stateBytes(description, task, sizes),
  };
}

/** Bytes of a task's local stores; null: it has none, or none is on this disk. */
export function stateBytes(
  { id, subTopologies }: DescribedApplication,
  { subTopology, partition }: Pick<TaskStatus, 'subTopology' | 'partition'>,
  sizes: ReadonlyMap<string, number>,
): number | null {
  const described = subTopologies.find(({ name }) => name === subTopology);
  if (described === undefined) return null;
  const { store, folds } = described;
  const names = [...(store === null ? [] : [localStoreName(id, store.name, partition)]), ...folds];
  const known = names.flatMap((name) => sizes.get(name) ?? []);
  return known.length === 0 ? null : known.reduce((sum, size) => sum + size, 0);
}
