// docs/metrics.md and the source agree on what there is.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { registered } from '../grafana/registered.ts';
import { codesOf, tablesOf } from './markdown.ts';

const text = readFileSync(new URL('../../../docs/metrics.md', import.meta.url), 'utf8');
const rows = tablesOf(text)
  .filter(({ columns }) => columns[0] === 'metric')
  .flatMap((table) => table.rows);

test('every metric of our own is described, and no other is', async () => {
  const series = await registered();
  const own = [...series]
    .filter((name) => name.startsWith('millrace_'))
    .map((name) => {
      const histogram = name.replace(/_(bucket|sum|count)$/, '');
      return series.has(`${histogram}_bucket`) ? histogram : name;
    });
  const described = rows.map(([name = '']) => codesOf(name)[0]);
  assert.equal(new Set(described).size, described.length, 'each once');
  assert.deepEqual([...described].sort(), [...new Set(own)].sort());
});

test('each says what it is', () => {
  for (const row of rows) assert.ok((row.at(-1) ?? '').length > 15, row[0]);
});
