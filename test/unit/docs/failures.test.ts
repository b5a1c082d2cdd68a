// docs/failures.md, the closed list of codes and their HTTP statuses agree.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { FAILURE_CODES, Failure, type FailureCode } from '../../../schemas/failure.ts';
import { STATUS } from '../../../serving/problem.ts';
import { codesOf, tablesOf } from './markdown.ts';

const text = readFileSync(new URL('../../../docs/failures.md', import.meta.url), 'utf8');
const rows = tablesOf(text).find(({ columns }) => columns[0] === 'code')?.rows ?? [];

test('every code is described, in the order of the list, and no other is', () => {
  assert.deepEqual(
    rows.map(([code = '']) => codesOf(code)[0]),
    [...FAILURE_CODES],
  );
});

test('the statuses are those of the gateway', () => {
  for (const [code = '', status] of rows)
    assert.equal(Number(status), STATUS[codesOf(code)[0] as FailureCode], `status of ${code}`);
});

test('what the caller is to correct is hopeless as it is, and nothing else', () => {
  for (const [code = '', , advice = ''] of rows)
    assert.equal(
      new Failure(codesOf(code)[0] as FailureCode, '').isHopeless,
      advice.startsWith('correct'),
      `advice of ${code}`,
    );
});

test('each says what the caller should do, and what it means', () => {
  for (const [code, , advice = '', meaning = ''] of rows) {
    assert.match(advice, /^(correct|wait|mend|report|look)/, `advice of ${code}`);
    assert.ok(meaning.length > 30, `meaning of ${code}`);
  }
});
