// What goes to one member together.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { unitsOf } from '../../../streams/assignment-units.ts';
import { type ApplicationSpec } from '../../../streams/processor.ts';

const stage = (name: string, topics: readonly string[], store: string | null, single = false): unknown => ({
  ...{ name, topics, single, store: store === null ? null : { name: store } },
});
const units = (...stages: readonly unknown[]) =>
  unitsOf(stages as ApplicationSpec['subTopologies'], (store) => `changelog.${store}`).map(
    ({ name, topics, changelogs, isCopartitioned }) => ({ name, topics, changelogs, isCopartitioned }),
  );

test('each sub-topology is a unit of its own', () => {
  assert.deepEqual(units(stage('route', ['in'], null), stage('window', ['again'], 'windows')), [
    { name: 'route', topics: ['in'], changelogs: [], isCopartitioned: true },
    { name: 'window', topics: ['again'], changelogs: ['changelog.windows'], isCopartitioned: true },
  ]);
});

test('those that share a topic, by others too, are one, whatever the order they are declared in', () => {
  const [a, b, c] = [stage('a', ['x'], 'a'), stage('b', ['y'], null), stage('c', ['y', 'x'], 'c', true)];
  const one = [
    { name: 'a+b+c', topics: ['x', 'y'], changelogs: ['changelog.a', 'changelog.c'], isCopartitioned: false },
  ];
  assert.deepEqual(units(a, b, c), one);
  assert.deepEqual(units(c, b, a), one);
});
