// The README's table of settings and the settings agree: every one, with its default.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { KNOWN } from '../../../infra/settings.ts';
import { codesOf, tablesOf } from './markdown.ts';

const text = readFileSync(new URL('../../../README.md', import.meta.url), 'utf8');
const rows = tablesOf(text)
  .filter(({ columns }) => columns[0] === 'setting')
  .flatMap((table) => table.rows);

test('every setting stands in the README, once, and no other does', () => {
  assert.deepEqual(rows.flatMap(([name = '']) => codesOf(name)).sort(), KNOWN.map(({ name }) => String(name)).sort());
});

test('with the default that is taken', () => {
  for (const { name, otherwise } of KNOWN) {
    const told = rows.find(([cell = '']) => codesOf(cell)[0] === name)?.[1] ?? '';
    // a default that is computed is told in words
    if (otherwise !== '') assert.equal(codesOf(told)[0], otherwise, name);
    else assert.doesNotMatch(told, /^`/, `${name} has no fixed default`);
  }
});

test('each is explained', () => {
  for (const [name, , meaning = ''] of rows) assert.ok(meaning.length > 15, name);
});
