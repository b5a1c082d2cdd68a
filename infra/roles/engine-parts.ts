// From a role's context to what its applications share.
import { join } from 'node:path';
import { Gauge, Histogram, type Registry } from 'prom-client';
import { type Application } from '../../streams/application.ts';
import { FOREVER_MS, NEVER_MS } from '../../streams/lane.ts';
import { type RoleContext } from './context.ts';
import { type EngineParts } from './engine-options.ts';
import { measureStores } from './rocksdb-metrics.ts';
import { measureRestores, measureTasks } from './task-metrics.ts';

/** @param application as metrics name it */
export function engineParts(context: RoleContext, application: string): EngineParts {
  const { settings, role, instance, address, clock, kafka, codec, topics, metrics, logger } = context;
  return {
    log: kafka,
    clock,
    codec,
    names: topics,
    stateDir: join(settings.dataDir, 'state', `${role}-${instance}`),
    role,
    instance,
    standbyReplicas: settings.standbyReplicas,
    address,
    stateCacheMb: settings.stateCacheMb,
    checkpoints: settings.checkpoints,
    notice: (text) => logger.warn(text),
    commitIntervalMs: settings.commitIntervalMs,
    live: settings.time === 'live',
    committed: commitTimer(metrics, application),
  };
}

/** Buckets around the commit interval, which is half a second unless set. */
const COMMIT_BUCKETS_S = [0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10];

/** Takes how long each commit of an application took; one histogram for all of a process. */
export function commitTimer(registry: Registry, application: string): (tookMs: number) => void {
  const known = registry.getSingleMetric('millrace_application_commit_duration_seconds');
  const histogram =
    known instanceof Histogram
      ? known
      : new Histogram({
          name: 'millrace_application_commit_duration_seconds',
          help: 'From drawing what a commit holds to the end of all its parts',
          labelNames: ['application'],
          registers: [registry],
          buckets: COMMIT_BUCKETS_S,
        });
  return (tookMs) => histogram.observe({ application }, tookMs / 1000);
}

/** Below the time after which a role that does not stop is ended. */
const STOP_WITHIN_MS = 6000;

/** One that has a name of its own is expected back: its partitions wait for it, and nothing moves when it is restarted. */
export async function stopApplications(
  { settings }: RoleContext,
  applications: ReadonlyMap<string, Application>,
): Promise<void> {
  const how = { withinMs: STOP_WITHIN_MS, comesBack: settings.instance !== '' };
  await Promise.all([...applications.values()].map((application) => application.stop(how)));
}

/** What can be asked of: its registry for /metrics, its reports for who watches. */
export type Observing = Pick<RoleContext, 'metrics' | 'reports' | 'clock'>;

/** Lag, event time and counts of each application and task, for /metrics; and what the console and `millrace status` show. */
export function measureApplications(
  { metrics, reports, clock }: Observing,
  applications: ReadonlyMap<string, Application>,
): void {
  const registers = [metrics];
  reports.watch(applications);
  measureTasks(metrics, applications);
  measureRestores(metrics, applications);
  measureStores(metrics, clock);
  const gauge = (name: string, help: string, value: (application: Application) => number): void => {
    new Gauge({
      name,
      help,
      labelNames: ['application'],
      registers,
      collect() {
        for (const [id, application] of applications) this.set({ application: id }, value(application));
      },
    });
  };
  gauge(
    'millrace_application_lag_records',
    'Records between the position and the end of the inputs',
    (application) => application.status().lag,
  );
  gauge(
    'millrace_application_processed_records',
    'Records processed since the start',
    (application) => application.status().processed,
  );
  gauge(
    'millrace_application_written_records',
    'Records written since the start',
    (application) => application.status().written,
  );
  gauge(
    'millrace_application_commits',
    'Transactions committed since the start',
    (application) => application.status().commits,
  );
  gauge(
    'millrace_application_commit_seconds',
    'Time spent in commits since the start',
    (application) => application.status().commitMs / 1000,
  );
  gauge(
    'millrace_application_restored_records',
    'Changelog records read to restore state',
    (application) => application.status().restoredRecords,
  );
  gauge(
    'millrace_application_starting_tasks',
    'Tasks whose states are being restored',
    (application) => application.status().starting.length,
  );
  gauge(
    'millrace_application_standby_states',
    'Copies of states that other instances work on',
    (application) => application.status().states.filter(({ role }) => role === 'standby').length,
  );
  gauge('millrace_application_state_keys', 'Keys in the state stores', (application) =>
    application.status().tasks.reduce((sum, task) => sum + task.keys, 0),
  );
  gauge(
    'millrace_application_event_time_seconds',
    'Event time of the slowest task that has one; NaN: none',
    (application) => eventTimeS(application.status().tasks),
  );
  countTopics(registers, applications);
  countSetAside(registers, applications);
}

// a task that only routes, or has seen nothing yet, has no event time
function eventTimeS(tasks: ReturnType<Application['status']>['tasks']): number {
  const times = tasks.map((task) => task.timeMs).filter((timeMs) => timeMs > NEVER_MS && timeMs < FOREVER_MS);
  return times.length === 0 ? Number.NaN : Math.min(...times) / 1000;
}

function countTopics(registers: RoleContext['metrics'][], applications: ReadonlyMap<string, Application>): void {
  new Gauge({
    name: 'millrace_application_topic_records',
    help: 'Records read from and written to each topic since the start; direction in or out',
    labelNames: ['application', 'topic', 'direction'],
    registers,
    collect() {
      for (const [id, application] of applications) {
        const { takenFrom, writtenTo } = application.status();
        for (const [topic, count] of takenFrom) this.set({ application: id, topic, direction: 'in' }, count);
        for (const [topic, count] of writtenTo) this.set({ application: id, topic, direction: 'out' }, count);
      }
    },
  });
}

function countSetAside(registers: RoleContext['metrics'][], applications: ReadonlyMap<string, Application>): void {
  new Gauge({
    name: 'millrace_application_set_aside_records',
    help: 'Records set aside as dead letters since the start, by the code of their failure',
    labelNames: ['application', 'code'],
    registers,
    collect() {
      for (const [id, application] of applications)
        for (const [code, count] of application.status().setAside) this.set({ application: id, code }, count);
    },
  });
}
