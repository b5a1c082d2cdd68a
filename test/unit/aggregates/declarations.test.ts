// Declarations: what they become, and which are refused with the field's name.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseAggregate, readAggregate } from '../../../schemas/aggregate-declaration.ts';
import { Failure } from '../../../schemas/failure.ts';
import { Fields } from '../../../schemas/reading.ts';

test('declarations become plain data with their defaults', () => {
  assert.deepEqual(parseAggregate({ function: 'quantile', q: 0.99 }), { function: 'quantile', q: 0.99, k: 200 });
  assert.deepEqual(parseAggregate({ function: 'stddev' }), { function: 'stddev', of: 'sample' });
  assert.deepEqual(parseAggregate({ function: 'top_k', k: 3 }), { function: 'top_k', k: 3, counters: 100 });
  assert.deepEqual(parseAggregate({ function: 'top_k', k: 50 }), { function: 'top_k', k: 50, counters: 500 });
  assert.deepEqual(parseAggregate({ function: 'decayed_sum', half_life: '90m' }), {
    function: 'decayed_sum',
    half_life_ms: 5_400_000,
  });
  assert.deepEqual(parseAggregate({ function: 'share', equals: true }), { function: 'share', equals: 1 });
  assert.deepEqual(parseAggregate({ function: 'share', equals: '' }), { function: 'share', equals: '' });
});

test('a declaration inside a feature leaves the other fields to its reader', () => {
  const fields = new Fields('features[2]', {
    name: 'p99',
    function: 'quantile',
    q: 0.99,
    field: 'amount',
    window: '1h',
  });
  assert.equal(readAggregate(fields).function, 'quantile');
  assert.throws(() => fields.end(), { field: 'features[2].name' });
});

const REFUSED: readonly (readonly [string, unknown])[] = [
  ['', 'count'],
  ['function', {}],
  ['function', { function: 'quantil', q: 0.5 }],
  ['function', { function: 'toString' }],
  ['q', { function: 'quantile' }],
  ['q', { function: 'quantile', q: 1.01 }],
  ['q', { function: 'quantile', q: Number.NaN }],
  ['q', { function: 'quantile', q: '0.5' }],
  ['k', { function: 'quantile', q: 0.5, k: 7 }],
  ['k', { function: 'last_k' }],
  ['k', { function: 'last_k', k: 1.5 }],
  ['k', { function: 'top_k', k: 0 }],
  ['counters', { function: 'top_k', k: 10, counters: 9 }],
  ['of', { function: 'stddev', of: 'samples' }],
  ['bounds', { function: 'histogram' }],
  ['bounds', { function: 'histogram', bounds: [] }],
  ['bounds', { function: 'histogram', bounds: 3 }],
  ['bounds[1]', { function: 'histogram', bounds: [1, '2'] }],
  ['bounds[2]', { function: 'histogram', bounds: [1, 2, 2] }],
  ['bounds[0]', { function: 'histogram', bounds: [Infinity] }],
  ['equals', { function: 'share' }],
  ['equals', { function: 'share', equals: [] }],
  ['equals', { function: 'share', equals: 1, above: 0 }],
  ['above', { function: 'share', above: 'x' }],
  ['at_least', { function: 'share', above: 0, at_least: 0 }],
  ['at_most', { function: 'share', above: 2, at_most: 2 }],
  ['below', { function: 'share', at_least: 2, below: 2 }],
  ['at_most', { function: 'share', at_least: 2, at_most: 1 }],
  ['denominator', { function: 'ratio' }],
  ['half_life', { function: 'decayed_mean' }],
  ['half_life', { function: 'decayed_mean', half_life: '0s' }],
  ['half_life', { function: 'decayed_mean', half_life: 60 }],
  ['q', { function: 'sum', q: 0.5 }],
];

for (const [field, declaration] of REFUSED)
  test(`${JSON.stringify(declaration)} is refused for ${field === '' ? 'being no mapping' : field}`, () => {
    assert.throws(
      () => parseAggregate(declaration),
      (failure) =>
        failure instanceof Failure &&
        failure.code === 'invalid_definition' &&
        failure.field === field &&
        failure.fix !== '',
    );
  });
