// What instances tell of themselves, put together.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ApplicationReport, type InstanceReport, topologyState } from '../../../../serving/console/topology.ts';

const subTopologies = [
  ...['route', 'window'].map((name) => ({
    ...{ name, steps: [], sources: [`before-${name}`], globalSources: [], store: null, folds: [] },
    ...{ sinks: [`behind-${name}`], isSingle: false },
  })),
];

function report(id: string, tasks: Readonly<Record<string, number>>): ApplicationReport {
  return {
    ...{ id, subTopologies, processed: 10, written: 5, commits: 2, commitMs: 30, restoredRecords: 1, states: [] },
    tasks: Object.entries(tasks).map(([name, processed]) => ({
      ...{ name, subTopology: name.split('-')[0] ?? '', partition: Number(name.split('-')[1]), processed },
      ...{ queued: 0, lag: 0, keys: 0, eventTimeMs: null, stateBytes: null },
    })),
  };
}

function instance(number: number, ...applications: readonly ApplicationReport[]): InstanceReport {
  return { role: 'features', instance: String(number), applications };
}

test('tasks of all instances stand together, in the order of the data; counts are sums, a commit takes the mean', () => {
  const instances = [
    instance(0, report('b', { 'window-1': 1, 'route-0': 1 })),
    instance(1, report('b', { 'window-0': 1, 'route-1': 1 }), report('a', {})),
  ];
  const state = topologyState({ atMs: 5, instances }, null);
  assert.deepEqual(
    state.map(({ id, tasks }) => [id, tasks.map(({ name, at }) => `${name} ${at}`)]),
    [
      ['a', []],
      ['b', ['route-0 features 0', 'route-1 features 1', 'window-0 features 1', 'window-1 features 0']],
    ],
  );
  const [, both] = state;
  assert.deepEqual(
    [both?.processed, both?.written, both?.commits, both?.commitMs, both?.restoredRecords],
    [20, 10, 4, 15, 2],
  );
  assert.match(both?.words ?? '', /^b\n {2}route {7}before-route\n/);
});

test('a rate is what came in between; a task that is new, or whose process began anew, has none yet', () => {
  const before = { atMs: 1000, instances: [instance(0, report('b', { 'route-0': 100, 'route-1': 900 }))] };
  const now = { atMs: 3000, instances: [instance(0, report('b', { 'route-0': 500, 'route-1': 10, 'route-2': 7 }))] };
  const rates = topologyState(now, before)[0]?.tasks.map(({ perSecond }) => perSecond);
  assert.deepEqual(rates, [200, null, null]);
  // the same number at another instance is another task
  const moved = { atMs: 3000, instances: [instance(1, report('b', { 'route-0': 500 }))] };
  assert.deepEqual(
    topologyState(moved, before)[0]?.tasks.map(({ perSecond }) => perSecond),
    [null],
  );
});

test('without a commit there is no mean', () => {
  const none = { ...report('b', {}), commits: 0, commitMs: 0 };
  assert.equal(topologyState({ atMs: 0, instances: [instance(0, none)] }, null)[0]?.commitMs, null);
});
