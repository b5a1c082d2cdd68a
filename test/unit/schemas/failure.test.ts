// The closed list of failures; test/unit/docs/failures.test.ts holds its document to it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FAILURE_CODES, Failure } from '../../../schemas/failure.ts';
import { STATUS } from '../../../serving/problem.ts';

test('every code has a status of a failure, once, and no other has', () => {
  for (const code of FAILURE_CODES) assert.ok(STATUS[code] >= 400 && STATUS[code] < 600, code);
  assert.deepEqual(Object.keys(STATUS).sort(), [...FAILURE_CODES].sort());
  assert.equal(new Set(FAILURE_CODES).size, FAILURE_CODES.length);
});

test('a failure says what is wrong, then what mends it', () => {
  const cause = new Error('why');
  const failure = new Failure('missing_field', 'There is no id.', { field: 'id', fix: 'Give one.', cause });
  assert.deepEqual([failure.advice, failure.field, failure.cause], ['There is no id. Give one.', 'id', cause]);
  assert.deepEqual([new Failure('internal', 'Alas.').advice, new Failure('internal', 'Alas.').field], ['Alas.', '']);
});
