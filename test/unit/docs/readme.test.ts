// What the README shows of files, and names of commands, is there.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { parseDefinitions } from '../../../schemas/parse-definitions.ts';
import { blocksOf, codesOf, sectionOf, tablesOf } from './markdown.ts';

const root = new URL('../../../', import.meta.url).pathname;
const readme = readFileSync(`${root}README.md`, 'utf8');
const example = readFileSync(`${root}examples/payments/definitions.yaml`, 'utf8');
const scripts = (
  JSON.parse(readFileSync(`${root}package.json`, 'utf8')) as { scripts: Readonly<Record<string, string>> }
).scripts;

test('the definition that it shows is the one of the example, which parses', () => {
  const [shown = ''] = blocksOf(sectionOf(readme, 'Your own data in ten minutes'), 'yaml');
  assert.ok(shown.length > 100 && example.includes(shown), shown);
  assert.equal(parseDefinitions([{ name: 'definitions.yaml', text: example }]).length, 8);
});

test('its commands are those of `millrace --help`', () => {
  const { stdout } = spawnSync(process.execPath, [`${root}infra/cli/millrace.ts`, '--help'], { encoding: 'utf8' });
  const known = [...stdout.matchAll(/^ {2}([\w-]+) {2,}/gm)].map(([, name]) => name);
  const rows = tablesOf(readme).find(({ columns }) => columns[0] === 'command' && columns.length === 2)?.rows ?? [];
  const told = rows.flatMap(([cell = '']) => codesOf(cell)).map((code) => code.split(' ')[0]);
  assert.ok(known.length > 10);
  assert.deepEqual([...told].sort(), [...known].sort());
});

test('its npm commands are in package.json, and every kind of test has one', () => {
  const named = [...readme.matchAll(/npm (?:run )?(test:\w+|start|test|bench)\b/g)].map(([, name = '']) => name);
  assert.deepEqual(
    named.filter((name) => scripts[name] === undefined),
    [],
  );
  for (const name of Object.keys(scripts).filter((script) => script.startsWith('test:')))
    assert.ok(named.includes(name), `${name} is not in the README`);
});

test('its links lead somewhere', () => {
  for (const [document, folder] of [
    ['README.md', ''],
    ['docs/definitions.md', 'docs/'],
    ['docs/events.md', 'docs/'],
    ['docs/failures.md', 'docs/'],
    ['docs/metrics.md', 'docs/'],
    ['streams/README.md', 'streams/'],
  ] as const) {
    const text = readFileSync(`${root}${document}`, 'utf8');
    const headings = [...text.matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) =>
      heading
        .toLowerCase()
        .replaceAll(/[^a-z0-9 -]/g, '')
        .replaceAll(' ', '-'),
    );
    for (const [, link, image] of text.matchAll(/\]\(([^)]+)\)|<img src="([^"]+)"/g)) {
      const target = link ?? image ?? '';
      if (/^https?:/.test(target)) continue;
      if (target.startsWith('#')) assert.ok(headings.includes(target.slice(1)), `${document}: ${target}`);
      else assert.ok(existsSync(`${root}${folder}${target}`), `${document}: ${target}`);
    }
  }
});
