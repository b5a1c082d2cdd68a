// Runs with the last step of their metrics.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Event } from '../../../../schemas/codec.ts';
import { RunFold } from '../../../../serving/console/run-fold.ts';

const started = (run_id: string, atMs: number): Event => ({
  name: 'RunStarted',
  value: {
    run_id,
    experiment_id: '1',
    run_name: `name of ${run_id}`,
    user_id: '',
    started_at: atMs,
    artifact_uri: '',
    tags: {},
  },
});
const ended = (run_id: string, status: string, atMs: number): Event => ({
  name: 'RunEnded',
  value: { run_id, status, ended_at: atMs },
});
const metric = (run_id: string, key: string, value: number, step: number, timestamp = 0): Event => ({
  name: 'RunMetric',
  value: { run_id, key, value, step, timestamp },
});

function foldOf(...events: readonly Event[]): RunFold {
  const fold = new RunFold();
  for (const event of events) fold.apply(event);
  return fold;
}

const events = [
  started('a', 100),
  metric('a', 'auc', 0.7, 1),
  metric('a', 'auc', 0.8, 2, 5),
  metric('a', 'auc', 0.6, 2, 4),
  metric('a', 'rows', 10, 0),
  ended('a', 'FINISHED', 400),
  started('b', 300),
];

test('newest first; a metric has the value of its last step, of one step the last logged', () => {
  const [b, a] = foldOf(...events).all;
  assert.equal(b?.id, 'b');
  assert.deepEqual([b?.status, b?.endedMs], ['RUNNING', null]);
  assert.deepEqual(a, {
    id: 'a',
    name: 'name of a',
    status: 'FINISHED',
    startedMs: 100,
    endedMs: 400,
    metrics: { auc: 0.8, rows: 10 },
    model: '',
    version: null,
  });
});

test('any order of the events, and reading them twice, gives the same', () => {
  const once = foldOf(...events).all;
  assert.deepEqual(foldOf(...events, ...events).all, once);
  assert.deepEqual(foldOf(...[...events].reverse()).all, once);
});

test('a run of which only metrics are known yet stands at the top', () => {
  assert.deepEqual(
    foldOf(...events, metric('c', 'loss', 1, 0)).all.map(({ id, startedMs }) => [id, startedMs]),
    [
      ['c', null],
      ['b', 300],
      ['a', 100],
    ],
  );
});

test('a run tells which version it made; a version without a run is nobody’s', () => {
  const made = (run_id: string): Event => ({
    name: 'ModelVersionCreated',
    value: {
      model: 'm',
      version: 3,
      source: '',
      run_id,
      created_at: 0,
      description: '',
      weights_sha256: '',
      weights_uri: '',
      inputs: '',
      metrics: {},
      training_set_id: '',
      training_id: '',
      tags: {},
    },
  });
  const fold = foldOf(...events);
  assert.equal(fold.apply(made('a')), true);
  assert.equal(fold.apply(made('')), false);
  assert.deepEqual(
    fold.all.map(({ id, model, version }) => [id, model, version]),
    [
      ['b', '', null],
      ['a', 'm', 3],
    ],
  );
});

test('the list ends after fifty', () => {
  const many = Array.from({ length: 60 }, (_, count) => started(`run-${count}`, count));
  const all = foldOf(...many).all;
  assert.equal(all.length, 50);
  assert.deepEqual([all[0]?.id, all.at(-1)?.id], ['run-59', 'run-10']);
});
