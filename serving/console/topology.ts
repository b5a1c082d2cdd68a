// What the instances of the platform's applications tell of themselves, put together: for each application its sub-topologies
// and topics as a graph, and its tasks, wherever they run, with rates.
import { type DescribedApplication, describeInWords } from '../../streams/describe-application.ts';
import { type Drawing, drawingOf } from './layers.ts';

export interface TaskReport {
  readonly name: string;
  readonly subTopology: string;
  readonly partition: number;
  /** epoch ms; null: it only routes, has seen nothing yet, or its inputs are over */
  readonly eventTimeMs: number | null;
  /** records since the start of its process */
  readonly processed: number;
  /** records that were fetched and wait */
  readonly queued: number;
  /** records that were not fetched yet */
  readonly lag: number;
  readonly keys: number;
  /** null: it keeps nothing on this disk */
  readonly stateBytes: number | null;
}

/** A state that is brought up to the end of its changelog, or a copy that follows it. */
export interface StateReport {
  readonly name: string;
  readonly role: 'restoring' | 'standby';
  /** changelog offsets; end null: it follows */
  readonly position: number;
  readonly end: number | null;
  readonly records: number;
}

export interface ApplicationReport extends DescribedApplication {
  readonly processed: number;
  readonly written: number;
  readonly commits: number;
  readonly commitMs: number;
  readonly restoredRecords: number;
  readonly tasks: readonly TaskReport[];
  readonly states: readonly StateReport[];
}

/** One process, or thread, of the platform. */
export interface InstanceReport {
  readonly role: string;
  readonly instance: string;
  readonly applications: readonly ApplicationReport[];
}

export interface Sample {
  /** monotonic */
  readonly atMs: number;
  readonly instances: readonly InstanceReport[];
}

export interface TaskState extends TaskReport {
  /** where it runs: role and instance */
  readonly at: string;
  /** null: it was not there before, or was not asked twice */
  readonly perSecond: number | null;
}

export interface ApplicationState extends DescribedApplication {
  readonly drawing: Drawing;
  readonly words: string;
  /** by sub-topology in the order of the data, then by number */
  readonly tasks: readonly TaskState[];
  readonly states: readonly (StateReport & { readonly at: string })[];
  /** of all instances */
  readonly processed: number;
  readonly written: number;
  readonly commits: number;
  /** mean; null: none yet */
  readonly commitMs: number | null;
  readonly restoredRecords: number;
}

/** @param before an earlier sample, for rates; null: none */
export function topologyState(now: Sample, before: Sample | null): ApplicationState[] {
  const reports = now.instances.flatMap(({ role, instance, applications }) =>
    applications.map((application) => ({ at: placeOf(role, instance), application })),
  );
  const earlier = before === null ? new Map<string, number>() : processedOf(before);
  const sinceMs = before === null ? 0 : now.atMs - before.atMs;
  return [...Map.groupBy(reports, ({ application }) => application.id)]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([id, parts]) => {
      const [first] = parts;
      if (first === undefined) return [];
      const { subTopologies } = first.application;
      const order = new Map(subTopologies.map(({ name }, index) => [name, index]));
      const tasks = parts.flatMap(({ at, application }) =>
        application.tasks.map((task) => ({
          ...task,
          at,
          perSecond: perSecond(task.processed, earlier.get(taskId(at, id, task.name)), sinceMs),
        })),
      );
      tasks.sort(
        (a, b) =>
          (order.get(a.subTopology) ?? 0) - (order.get(b.subTopology) ?? 0) ||
          a.partition - b.partition ||
          (a.at < b.at ? -1 : 1),
      );
      return [
        {
          ...{ id, subTopologies, tasks },
          drawing: drawingOf(subTopologies),
          words: describeInWords({ id, subTopologies }),
          states: parts.flatMap(({ at, application }) => application.states.map((state) => ({ ...state, at }))),
          ...totals(parts.map(({ application }) => application)),
        },
      ];
    });
}

function totals(reports: readonly ApplicationReport[]) {
  const sum = (of: (report: ApplicationReport) => number): number =>
    reports.reduce((total, report) => total + of(report), 0);
  const commits = sum((report) => report.commits);
  return {
    processed: sum((report) => report.processed),
    written: sum((report) => report.written),
    commits,
    commitMs: commits === 0 ? null : sum((report) => report.commitMs) / commits,
    restoredRecords: sum((report) => report.restoredRecords),
  };
}

function processedOf({ instances }: Sample): ReadonlyMap<string, number> {
  return new Map(
    instances.flatMap(({ role, instance, applications }) =>
      applications.flatMap(({ id, tasks }) =>
        tasks.map((task): [string, number] => [taskId(placeOf(role, instance), id, task.name), task.processed]),
      ),
    ),
  );
}

/** A count that has become smaller began anew: its process was restarted. */
function perSecond(count: number, before: number | undefined, sinceMs: number): number | null {
  return before === undefined || count < before || sinceMs <= 0 ? null : ((count - before) * 1000) / sinceMs;
}

const placeOf = (role: string, instance: string): string => `${role} ${instance}`;
const taskId = (at: string, application: string, task: string): string => `${at}/${application}/${task}`;
