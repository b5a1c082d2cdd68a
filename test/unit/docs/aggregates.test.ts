// docs/aggregates.md says of each function what the catalogue says of it.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { AGGREGATE_FUNCTIONS, parseAggregate } from '../../../schemas/aggregate-declaration.ts';
import { aggregateOf } from '../../../streams/aggregates/catalogue.ts';
import { codesOf, tablesOf } from './markdown.ts';

const text = readFileSync(new URL('../../../docs/aggregates.md', import.meta.url), 'utf8');

const PARAMETERS: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  last_k: { k: 2 },
  quantile: { q: 0.5 },
  top_k: { k: 1 },
  histogram: { bounds: [0, 1] },
  share: { above: 0 },
  ratio: { denominator: 'other' },
  decayed_sum: { half_life: '1s' },
  decayed_mean: { half_life: '1s' },
};

test('docs/aggregates.md has every aggregate function, its error and whether it can be retracted', () => {
  const rows = tablesOf(text)[0]?.rows ?? [];
  assert.deepEqual(
    rows.map(([name = '']) => codesOf(name)[0]),
    AGGREGATE_FUNCTIONS,
  );
  for (const [name = '', , about, kept, retraction] of rows) {
    const functionName = codesOf(name)[0] ?? '';
    const aggregate = aggregateOf(parseAggregate({ function: functionName, ...PARAMETERS[functionName] }));
    assert.equal(about, aggregate.about);
    const places = [
      ...(aggregate.kind === 'numeric' ? ['declared windows'] : []),
      'windows of a stream',
      ...(aggregate.retraction === 'none' ? [] : ['groups of a table']),
    ];
    assert.equal(kept, places.join(', '));
    assert.equal(retraction, aggregate.retraction);
  }
});
