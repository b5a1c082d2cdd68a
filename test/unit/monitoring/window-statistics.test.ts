import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { parseDefinitions } from '../../../schemas/parse-definitions.ts';
import { type EndpointDefinition, type MonitorDefinition } from '../../../schemas/definitions.ts';
import { speaksOf } from '../../../processors/monitoring/alert-rules.ts';
import { type WindowData, subjectsOf, windowStatistics } from '../../../processors/monitoring/window-statistics.ts';

const DEMO = new URL('../../../infra/demo/definitions/', import.meta.url);
const definitions = parseDefinitions(
  ['flights.yaml', 'flight-delay.yaml'].map((name) => ({ name, text: readFileSync(new URL(name, DEMO), 'utf8') })),
);
const endpoint = definitions.find((one): one is EndpointDefinition => one.kind === 'endpoint');
const monitor = definitions.find((one): one is MonitorDefinition => one.kind === 'monitor');
assert.ok(endpoint !== undefined && monitor !== undefined);

const predictions = Array.from({ length: 120 }, (_, row) => ({
  score: (row % 10) / 10,
  values: endpoint.inputs.map(({ kind }, at) =>
    kind === 'category' ? `c${String(row % 3)}` : row % 7 === at ? null : row * at,
  ),
}));
const data: WindowData = {
  ...{ startMs: 0, endMs: 100, decidedMs: 120 },
  results: predictions.flatMap(({ score }, row) => [
    { version: row % 10 === 0 ? 2 : 1, purpose: 'live', score, label: row % 2 },
    { version: row % 10 === 0 ? 1 : 2, purpose: 'shadow', score: 1 - score, label: row % 2 },
  ]),
  predictions,
};
const reference = subjectsOf(
  endpoint,
  predictions,
  data.results.filter(({ purpose }) => purpose === 'live').map(({ label }) => label),
);

test('every alert rule of the demo speaks of exactly one statistic', () => {
  const statistics = windowStatistics(monitor, endpoint, data, reference);
  for (const rule of monitor.alerts)
    assert.equal(
      statistics.filter((statistic) => speaksOf(rule, statistic)).length,
      1,
      `${rule.statistic} of "${rule.subject}"`,
    );
});

test('ids are unique, and the same data gives the same statistics in the same order', () => {
  const statistics = windowStatistics(monitor, endpoint, data, reference);
  assert.equal(new Set(statistics.map(({ statistic_id }) => statistic_id)).size, statistics.length);
  assert.deepEqual(windowStatistics(monitor, endpoint, data, reference), statistics);
});

test('each version is measured on all rows it scored, the live stream on what was answered', () => {
  const rows = new Map(
    windowStatistics(monitor, endpoint, data, reference)
      .filter(({ name }) => name === 'auc')
      .map(({ version, rows: count }) => [version, count]),
  );
  assert.deepEqual(
    [...rows],
    [
      [0, 120],
      [1, 120],
      [2, 120],
    ],
  );
});

test('without a reference drift is undecidable and says why; against itself there is none', () => {
  const drift = (found: ReturnType<typeof windowStatistics>) => found.filter(({ name }) => name === 'psi');
  const undecided = drift(windowStatistics(monitor, endpoint, data, null));
  assert.equal(undecided.length, endpoint.inputs.length + 2);
  for (const { value, verdict, reason } of undecided) {
    assert.deepEqual([value, verdict], [null, 'undecidable']);
    assert.match(reason, /reference/);
  }
  for (const { value, verdict } of drift(windowStatistics(monitor, endpoint, data, reference)))
    assert.deepEqual([value, verdict], [0, 'ok']);
});

test('an empty window has statistics too, all undecidable', () => {
  const empty = windowStatistics(monitor, endpoint, { ...data, results: [], predictions: [] }, reference);
  assert.ok(empty.length > 0);
  for (const { value, verdict } of empty) assert.deepEqual([value, verdict], [null, 'undecidable']);
});
