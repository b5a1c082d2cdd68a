// A version that cannot score fails for its own requests only.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Failure, type FailureCode } from '../../../schemas/failure.ts';
import { type Models } from '../../../serving/scoring/models.ts';
import { type ScoreTask, scoreTasks } from '../../../serving/scoring/scorer.ts';

const routing = {
  version: (model: string, version: number) => ({
    model,
    version,
    weightsSha256: `hash-${version}`,
    weightsUri: 'somewhere',
    inputs: [{ name: 'a', kind: 'number' as const }],
  }),
};

function task(id: string, version: number): ScoreTask {
  return {
    request: { requestId: id, eventTimeMs: 5, values: [version], rows: [] },
    arm: { arm: 'champion', model: 'm', version, purpose: 'live', share: 1 },
    purpose: 'live',
  };
}

/** Scores with the input itself; version 2 fails as asked. */
function modelsWhere(failure: Error): Models {
  return {
    run: async (id, rows) => {
      if (id === 'm/2') throw failure;
      return Float64Array.from(rows);
    },
  };
}

test('each request has its prediction or the failure of its version, in the order of the requests', async () => {
  for (const code of ['invalid_model', 'unknown_name'] satisfies FailureCode[]) {
    const failure = new Failure(code, 'no model');
    const tasks = [task('a', 1), task('b', 2), task('c', 3), task('d', 2), task('e', 1)];
    const outcomes = await scoreTasks('e', tasks, routing, modelsWhere(failure));
    assert.deepEqual(
      outcomes.map((outcome) => (outcome instanceof Failure ? outcome.code : [outcome.request_id, outcome.score])),
      [['a', 1], code, ['c', 3], code, ['e', 1]],
    );
  }
});

test('what is not the fault of a version stops the batch: it is tried again', async () => {
  for (const failure of [new Error('the thread has ended'), new Failure('unreachable', 'gone')])
    await assert.rejects(scoreTasks('e', [task('a', 1), task('b', 2)], routing, modelsWhere(failure)), failure);
});
