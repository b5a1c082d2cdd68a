// From a role's context to what its applications share.
import { join } from 'node:path';
import { Gauge } from 'prom-client';
import { type Application } from '../../streams/application.ts';
import { FOREVER_MS, NEVER_MS } from '../../streams/lane.ts';
import { type RoleContext } from './context.ts';
import { type EngineParts } from './engine-options.ts';

export function engineParts({ settings, role, instance, clock, kafka, codec, topics }: RoleContext): EngineParts {
  return {
    log: kafka,
    clock,
    codec,
    names: topics,
    stateDir: join(settings.dataDir, 'state', `${role}-${instance}`),
    role,
    instance,
    commitIntervalMs: settings.commitIntervalMs,
    live: settings.time === 'live',
  };
}

/** Lag, event time and counts of each application, for /metrics. */
export function measureApplications(context: RoleContext, applications: ReadonlyMap<string, Application>): void {
  const registers = [context.metrics];
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
  gauge('millrace_application_state_keys', 'Keys in the state stores', (application) =>
    application.status().tasks.reduce((sum, task) => sum + task.keys, 0),
  );
  gauge(
    'millrace_application_event_time_seconds',
    'Event time of the slowest task that has one; NaN: none',
    (application) => eventTimeS(application.status().tasks),
  );
  countTopics(registers, applications);
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
