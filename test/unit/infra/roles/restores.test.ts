// Which task waits for a state that is being restored.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { restoredFor } from '../../../../infra/roles/task-metrics.ts';

const NONE = { steps: [], sources: [], globalSources: [], folds: [], sinks: [], isSingle: false };

test('states are restored for the task that keeps them; copies that follow, and strangers, are for none', () => {
  const store = { name: 'windows', changelog: 'c' };
  const description = {
    id: 'features.a-1',
    subTopologies: [
      { ...NONE, name: 'route', store: null },
      { ...NONE, name: 'window', store },
    ],
  };
  const state = { role: 'restoring', position: 10, end: 30, records: 7 } as const;
  const told = restoredFor(description, [
    { ...state, name: 'features.a-1.windows-12' },
    { ...state, name: 'features.a-1.windows-3', role: 'standby', end: null },
    { ...state, name: 'features.b.windows-12' },
  ]);
  assert.deepEqual(told, [['window-12', { ...state, name: 'features.a-1.windows-12' }]]);
});
