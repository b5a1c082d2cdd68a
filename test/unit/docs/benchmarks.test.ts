// The README's benchmarks are those of test/bench/results, and of nothing else.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { benchTable, writtenBetween } from '../../../infra/testing/bench-table.ts';

const root = new URL('../../../', import.meta.url).pathname;

test('the figures are those of the results (after a new run: node infra/testing/bench-table.ts)', () => {
  assert.equal(writtenBetween(readFileSync(`${root}README.md`, 'utf8')), benchTable(root));
});
