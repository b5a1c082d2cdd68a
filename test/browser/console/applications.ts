// Running applications with numbers of the test's choice: a view, a scorer, and a user's own with a backlog and many tasks.
import {
  type ApplicationReport,
  type ApplicationState,
  type TaskReport,
  topologyState,
} from '../../../serving/console/topology.ts';
import { type DescribedSubTopology } from '../../../streams/describe-application.ts';

const NONE = { steps: [], globalSources: [], store: null, folds: [], isSingle: false } as const;

function task(subTopology: string, partition: number, more: Partial<TaskReport> = {}): TaskReport {
  return {
    ...{ name: `${subTopology}-${partition}`, subTopology, partition, processed: 1000 * (partition + 1) },
    ...{ queued: 0, lag: 0, keys: 0, eventTimeMs: null, stateBytes: null },
    ...more,
  };
}

function application(
  id: string,
  subTopologies: readonly DescribedSubTopology[],
  tasks: readonly TaskReport[],
): ApplicationReport {
  const counts = { processed: 123_456, written: 7890, commits: 12, commitMs: 420, restoredRecords: 34 };
  return { id, subTopologies, tasks, states: [], ...counts };
}

const AT_MS = Date.UTC(2013, 5, 12, 8, 30);
const REPARTITION = 'millrace.features.origin_weather-repartition';

const view = application(
  'features.origin_weather',
  [
    { ...NONE, name: 'route', sources: ['origin_weather'], sinks: [REPARTITION] },
    {
      ...{ ...NONE, name: 'window', sources: [REPARTITION], sinks: ['millrace.features.origin_weather'] },
      store: { name: 'windows', changelog: 'millrace.features.origin_weather-windows-changelog' },
    },
  ],
  [0, 1, 2, 3].flatMap((partition) => [
    task('route', partition, { lag: partition === 2 ? 123_456 : 0 }),
    task('window', partition, { eventTimeMs: AT_MS, keys: 1234, stateBytes: 4_333_283, queued: 12 }),
  ]),
);

const scorer = application(
  'scoring.flight-delay',
  [
    {
      ...{ ...NONE, name: 'score', sources: ['flight-delay.requests'], sinks: ['flight-delay.predictions'] },
      globalSources: ['origin', 'destination', 'carrier'].map((name) => `millrace.features.${name}_departures`),
      ...{ folds: ['flight-delay'], isSingle: true },
    },
  ],
  [task('score', 0, { eventTimeMs: AT_MS, stateBytes: 987 })],
);

const own = application(
  'a-topology-of-somebody',
  [
    { ...NONE, name: 'stage-0', sources: ['payments'], sinks: ['own.1'], steps: ['filter', 'keyBy'] },
    { ...NONE, name: 'stage-1', sources: ['own.1', 'cards'], sinks: ['own.2', 'alerts', 'own.4'], steps: ['join'] },
    { ...NONE, name: 'stage-2', sources: ['own.2'], sinks: ['own.3'], steps: ['keyBy'] },
    {
      ...NONE,
      name: 'stage-3',
      sources: ['own.3', 'own.4', 'payments-of-a-very-long-name_that-goes-on.and_on'],
      sinks: ['own.5'],
    },
    { ...NONE, name: 'stage-4', sources: ['own.5'], sinks: ['own.1', 'spending'] },
  ],
  Array.from({ length: 12 }, (_, partition) => task('stage-0', partition, { lag: 98_765 + partition })),
);

/** Two samples a second apart: each task has taken a hundred records for each thousand that it had. */
export const busyApplications: readonly ApplicationState[] = (() => {
  const now = [
    { role: 'features', instance: '0', applications: [view] },
    { role: 'scoring', instance: '0', applications: [scorer] },
    { role: 'stream', instance: '0', applications: [own] },
  ];
  const before = now.map((instance) => ({
    ...instance,
    applications: instance.applications.map((one) => ({
      ...one,
      tasks: one.tasks.map((each) => ({ ...each, processed: each.processed * 0.9 })),
    })),
  }));
  return topologyState({ atMs: 1000, instances: now }, { atMs: 0, instances: before });
})();
