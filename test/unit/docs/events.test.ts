// docs/events.md names every event and every topic, and nothing that is not there.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { loadEventSchemas } from '../../../schemas/codec.ts';
import { type EventName } from '../../../schemas/events.generated.ts';
import { topicNames } from '../../../schemas/topics.ts';
import { controlTopics } from '../../../streams/topology.ts';
import { codesOf, tablesOf } from './markdown.ts';

const text = readFileSync(new URL('../../../docs/events.md', import.meta.url), 'utf8');
const tables = tablesOf(text);
const schemas = loadEventSchemas();
const catalogue = tables.filter(({ columns }) => columns[0] === 'event');
const names = topicNames('millrace.');

test('every event stands in the catalogue, once, and no other does', () => {
  const listed = catalogue.flatMap(({ rows }) => rows.flatMap(([name = '']) => codesOf(name)));
  assert.deepEqual([...listed].sort(), [...schemas.keys()].sort());
});

test('the fields that the catalogue names are in the schema of their event', () => {
  const wrong = catalogue.flatMap(({ columns, rows }) =>
    rows.flatMap((cells) => {
      const name = codesOf(cells[0] ?? '')[0] ?? '';
      const fields = schemas.get(name as EventName)?.fields.map((field) => field.name) ?? [];
      const named = codesOf(cells[columns.indexOf('key fields')] ?? '');
      assert.ok(named.length > 0, `${name} has no key fields`);
      return named.filter((field) => !fields.includes(field)).map((field) => `${name}.${field}`);
    }),
  );
  assert.deepEqual(wrong, []);
});

test('the topics are those of schemas/topics.ts', () => {
  const listed = tables
    .filter(({ heading }) => heading === 'Topics')
    .flatMap(({ rows }) => rows.flatMap(([name = '']) => codesOf(name)));
  const known = [
    names.commands,
    names.lifecycle,
    names.metrics,
    names.statistics,
    names.deadLetters,
    names.watermarks,
    names.features('<view>'),
    names.repartition('features.<view>'),
    names.changelog('<application>', '<store>'),
    names.requests('<endpoint>'),
    names.predictions('<endpoint>'),
    names.outcomes('<endpoint>'),
    names.results('<endpoint>'),
  ];
  assert.equal(known.length, Object.keys(names).length, 'a kind of topic is missing in this test');
  assert.deepEqual([...listed].sort(), [...known].sort());
});

test('partitions and retention of the control topics are what they are made with', () => {
  const rows = tables.find(({ heading }) => heading === 'Topics')?.rows ?? [];
  const kept = (config: Readonly<Record<string, string>>): string => {
    if (config['cleanup.policy'] === 'compact') return 'newest per writer';
    return config['retention.ms'] === '-1' ? 'for ever' : `${Number(config['retention.ms']) / 86_400_000} days`;
  };
  for (const { name, partitions, config = {} } of controlTopics(names)) {
    const row = rows.find(([cell = '']) => codesOf(cell)[0] === name);
    assert.deepEqual([row?.[1], row?.[3]], [String(partitions), kept(config)], name);
  }
});
