// docs/definitions.md and the parser agree: every field, its default, and the examples.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { type Definition } from '../../../schemas/definitions.ts';
import { parseDefinitions } from '../../../schemas/parse-definitions.ts';
import { blocksOf, codesOf, sectionOf, tablesOf } from './markdown.ts';

const root = new URL('../../../', import.meta.url);
const text = readFileSync(new URL('docs/definitions.md', root), 'utf8');
const parser = readFileSync(new URL('schemas/parse-definitions.ts', root), 'utf8');

/** The functions that read a kind's fields. */
const READERS: Readonly<Record<Definition['kind'], readonly string[]>> = {
  entity: ['parseEntity'],
  feature_view: ['parseFeatureView', 'parseFeature', 'featureName'],
  endpoint: ['parseEndpoint', 'delivery'],
  monitor: ['parseMonitor'],
  retraining_policy: ['parseRetrainingPolicy'],
  rollout_policy: ['parseRolloutPolicy'],
};
const kinds = Object.keys(READERS) as Definition['kind'][];

function bodyOf(name: string): string {
  const body = new RegExp(`^function ${name}\\([\\s\\S]*?^\\}$`, 'm').exec(parser)?.[0];
  assert.ok(body !== undefined, `schemas/parse-definitions.ts has no function ${name}`);
  return body;
}

/** Field names that the parser reads: the first argument of a reading method. */
function readBy(kind: Definition['kind']): Set<string> {
  const METHODS =
    'text|textOr|name|fieldName|topic|choice|number|wholeNumber|boolean|durationMs|instantMs|list|fields|has';
  const calls = READERS[kind].flatMap((name) => [
    ...bodyOf(name).matchAll(new RegExp(`\\b\\w+\\.(?:${METHODS})\\(\\s*'(\\w+)'`, 'g')),
  ]);
  return new Set(calls.map(([, field = '']) => field));
}

function rowsOf(kind: string) {
  const rows = tablesOf(sectionOf(text, kind)).at(0)?.rows ?? [];
  return rows.map(([path = '', , otherwise = '']) => ({ path: codesOf(path)[0] ?? '', otherwise }));
}

const UNITS: Readonly<Record<string, number>> = { s: 1000, h: 3_600_000, d: 86_400_000 };

/** The default in the words of the document as the parser's value; undefined: not one value. */
function valueOf(otherwise: string): unknown {
  const code = codesOf(otherwise)[0];
  if (code === undefined) return { empty: '', none: null, 'by hand': null, 'from the start': null }[otherwise];
  const duration = /^(\d+)([shd])$/.exec(code);
  if (duration !== null) return Number(duration[1]) * (UNITS[duration[2] ?? ''] ?? Number.NaN);
  if (code === 'true' || code === 'false') return code === 'true';
  return /^[\d.]+$/.test(code) ? Number(code) : code;
}

/** Of a definition in which only what has to be given is given. */
const SPARSE = `
kind: entity
name: card
---
kind: feature_view
name: card_payments
entity: card
source: { topic: payments, key_field: card, event_time_field: at }
features: [{ name: payments_1h, function: count, window: 1h }]
---
kind: endpoint
name: card-fraud
model: card-fraud
request: { key_field: id, event_time_field: at }
inputs: [{ name: amount }]
outcome: { key_field: id, event_time_field: at, label_field: label, horizon: 72h }
---
kind: monitor
name: weekly
endpoint: card-fraud
window: 7d
first_window_start: 2026-03-15
reference: { from: 2026-03-15, to: 2026-03-22 }
alerts: [{ statistic: auc, direction: below, threshold: 0.7 }]
---
kind: retraining_policy
name: retraining
endpoint: card-fraud
trainer: lightgbm
history: 28d
---
kind: rollout_policy
name: rollout
endpoint: card-fraud
gates: [{ metric: auc, at_most: 1 }]
`;
const sparse = parseDefinitions([{ name: 'sparse', text: SPARSE }]);

function at(value: unknown, path: string): unknown {
  const [first = '', ...rest] = path.split('.');
  const fields = value as Readonly<Record<string, unknown>>;
  const list = first.endsWith('[]');
  const name = list ? first.slice(0, -2) : first;
  const found = name in fields ? fields[name] : fields[`${name}_ms`];
  const inner = list ? (found as readonly unknown[])[0] : found;
  return rest.length === 0 ? inner : at(inner, rest.join('.'));
}

describe('docs/definitions.md', () => {
  it('has every field that the parser reads, and no other', () => {
    for (const kind of kinds) {
      // of `source.topic` both parts are fields; of `features[].name` too
      const documented = new Set(rowsOf(kind).flatMap(({ path }) => path.replaceAll('[]', '').split('.')));
      assert.deepEqual([...documented].sort(), [...readBy(kind)].sort(), kind);
    }
  });

  it('tells the defaults that the parser takes', () => {
    for (const definition of sparse)
      for (const { path, otherwise } of rowsOf(definition.kind)) {
        if (otherwise === '–' || path === 'entities' || path === 'gates[].at_most') continue;
        const told = path === 'alerts[].subject' || otherwise !== 'empty' ? valueOf(otherwise) : '';
        assert.deepEqual(at(definition, path), told, `${definition.kind} ${path}`);
      }
  });

  it('has an example of each kind, and together they parse', () => {
    const examples = kinds.map((kind) => blocksOf(sectionOf(text, kind), 'yaml').join('---\n'));
    const parsed = parseDefinitions([{ name: 'docs', text: examples.join('---\n') }]);
    assert.deepEqual(
      parsed.map(({ kind }) => kind),
      kinds,
    );
  });

  it('refuses what it says has to be given, when it is left away', () => {
    for (const definition of sparse)
      for (const { path } of rowsOf(definition.kind).filter((row) => row.otherwise === '–' && !/[.[]/.test(row.path))) {
        const without = SPARSE.split('---\n')
          .map((one) =>
            one.includes(`kind: ${definition.kind}\n`) ? one.replace(new RegExp(`^${path}:.*\\n`, 'm'), '') : one,
          )
          .join('---\n');
        assert.notEqual(without, SPARSE, `${definition.kind} ${path} is in the sparse definition`);
        assert.throws(
          () => parseDefinitions([{ name: 'sparse', text: without }]),
          { code: 'invalid_definition' },
          `${definition.kind} ${path}`,
        );
      }
  });
});
