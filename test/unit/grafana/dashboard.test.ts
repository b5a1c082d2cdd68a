// The dashboard asks only for metrics that exist, and can be laid out.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { registered } from './registered.ts';

const root = new URL('../../../', import.meta.url).pathname;

interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly datasource?: { readonly uid: string };
  readonly targets?: readonly { readonly refId: string; readonly expr: string }[];
}

interface Dashboard {
  readonly uid: string;
  readonly schemaVersion: number;
  readonly templating: { readonly list: readonly { readonly name: string; readonly type: string }[] };
  readonly panels: readonly Panel[];
}

const dashboard = JSON.parse(readFileSync(join(root, 'infra/grafana/millrace.json'), 'utf8')) as Dashboard;
const expressions = dashboard.panels.flatMap(({ title, targets = [] }) => targets.map(({ expr }) => ({ title, expr })));
const METRIC = /\b(?:millrace|process|nodejs)_[a-z0-9_]+/g;

test('every metric of the dashboard is registered in the source', async () => {
  const known = await registered();
  assert.ok(known.has('millrace_application_lag_records'), 'the source is read as it is written');
  const unknown = expressions.flatMap(({ title, expr }) =>
    [...expr.matchAll(METRIC)].filter(([name]) => !known.has(name)).map(([name]) => `${title}: ${name}`),
  );
  assert.deepEqual(unknown, []);
});

test('every metric of our own is on the dashboard', async () => {
  const shown = new Set(expressions.flatMap(({ expr }) => [...expr.matchAll(METRIC)].map(([name]) => name)));
  const missing = [...(await registered())].filter((name) => name.startsWith('millrace_') && !shown.has(name));
  // a histogram is shown by what is asked of it
  assert.deepEqual(
    missing.filter((name) => !/_(bucket|sum|count)$/.test(name)),
    [],
  );
});

test('panels have ids of their own and do not overlap', () => {
  const ids = dashboard.panels.map(({ id }) => id);
  assert.equal(new Set(ids).size, ids.length);
  const overlaps = dashboard.panels.flatMap((a, index) =>
    dashboard.panels
      .slice(index + 1)
      .filter(
        (b) =>
          a.gridPos.x < b.gridPos.x + b.gridPos.w &&
          b.gridPos.x < a.gridPos.x + a.gridPos.w &&
          a.gridPos.y < b.gridPos.y + b.gridPos.h &&
          b.gridPos.y < a.gridPos.y + a.gridPos.h,
      )
      .map((b) => `${a.title} and ${b.title}`),
  );
  assert.deepEqual(overlaps, []);
  for (const { gridPos, title } of dashboard.panels) assert.ok(gridPos.x + gridPos.w <= 24, `${title} is too wide`);
});

test('it can be imported: queries go to the chosen data source, letters of a panel are its own', () => {
  assert.ok(dashboard.schemaVersion >= 36);
  assert.ok(dashboard.templating.list.some(({ name, type }) => name === 'datasource' && type === 'datasource'));
  for (const { type, title, datasource, targets = [] } of dashboard.panels) {
    if (type === 'row') continue;
    assert.equal(datasource?.uid, '${datasource}', title);
    assert.ok(targets.length > 0, title);
    assert.equal(new Set(targets.map(({ refId }) => refId)).size, targets.length, title);
  }
});
