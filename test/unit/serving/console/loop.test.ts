// The loop's arrows: which topics and groups each one measures, and what is said where nothing is known.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { topicNames } from '../../../../schemas/topics.ts';
import { parseDefinitions } from '../../../../schemas/parse-definitions.ts';
import { type Arrow, type CountedFlow, type LogMeasures, loopArrows } from '../../../../serving/console/loop.ts';
import { applicationIds, declared } from '../../../../streams/topology.ts';

const names = topicNames('millrace.');
const endpoint = (name: string): string =>
  `kind: endpoint
name: ${name}
model: ${name}
request: { key_field: id, event_time_field: at }
entities: { shop: shop }
outcome: { key_field: id, event_time_field: at, label_field: label, horizon: 1h }
inputs: [{ name: sales_1h, from: sales }]
---
`;
const loop = declared(
  parseDefinitions([
    {
      name: 'two.yaml',
      text: `kind: entity
name: shop
---
kind: feature_view
name: sales
entity: shop
source: { topic: shop.sales, key_field: shop, event_time_field: at }
features: [{ name: sales_1h, function: count, window: 1h }]
---
${endpoint('prices')}${endpoint('stock')}`,
    },
  ]),
);

interface Known {
  readonly rates?: Readonly<Record<string, number>>;
  readonly totals?: Readonly<Record<string, number>>;
  readonly lags?: Readonly<Record<string, number>>;
  readonly done?: Readonly<Record<string, number>>;
}

/** Sums of what is known by topic; null where nothing is. */
function measures({ rates = {}, totals = {}, lags = {}, done = {} }: Known): LogMeasures {
  const of = (table: Readonly<Record<string, number>>, keys: readonly string[]): number[] =>
    keys.flatMap((key) => table[key] ?? []);
  const sum = (values: readonly number[]): number => values.reduce((all, value) => all + value, 0);
  return {
    perSecond: (topics) => (of(rates, topics).length === 0 ? null : sum(of(rates, topics))),
    total: (topics) => sum(of(totals, topics)),
    behind: (group, topics) => {
      const known = of(
        lags,
        topics.map((topic) => `${group} ${topic}`),
      );
      return known.length === 0 ? null : sum(known);
    },
    doneToMs: (topics, lane) => {
      assert.equal(lane, 0);
      const known = of(done, topics);
      return known.length < topics.length ? null : Math.min(...known);
    },
  };
}

const NOTHING = {
  alerts: 0,
  retrainings: 0,
  trainings: 0,
  trainingsEnded: 0,
  versions: 0,
  versionsJudged: 0,
  routings: 0,
};
const counted = (given: Partial<typeof NOTHING> = {}, decided: Readonly<Record<string, number>> = {}): CountedFlow => ({
  counts: { ...NOTHING, ...given },
  decidedMs: (name) => decided[name] ?? null,
  perSecond: (what) => (what === 'alerts' ? 0.5 : 0),
});

function arrow(arrows: readonly Arrow[], from: string, to: string): Arrow {
  const found = arrows.find((one) => one.from === from && one.to === to);
  assert.ok(found !== undefined, `${from} → ${to}`);
  return found;
}

test('before anything is measured every arrow is there, and claims nothing', () => {
  const arrows = loopArrows(names, { views: [], endpoints: [] }, measures({}), counted());
  assert.equal(arrows.length, 13);
  for (const { from, to, total, lag } of arrows) {
    assert.equal(total, 0);
    assert.ok(lag === null || lag.value === 0, `${from} → ${to}`);
  }
  assert.equal(arrow(arrows, 'upstream', 'features').perSecond, null);
});

test('rates, totals and lag in records are sums over views and endpoints', () => {
  const view = applicationIds.view('sales');
  const arrows = loopArrows(
    names,
    loop,
    measures({
      rates: { 'shop.sales': 100, 'prices.requests': 10, 'stock.requests': 20 },
      totals: { 'prices.requests': 1000, 'stock.requests': 500 },
      lags: {
        [`${view} shop.sales`]: 3,
        [`${view} ${names.repartition(view)}`]: 4,
        [`${applicationIds.scoring('prices')} prices.requests`]: 5,
        [`${applicationIds.join('stock')} stock.outcomes`]: 6,
      },
    }),
    counted(),
  );
  assert.deepEqual(arrow(arrows, 'upstream', 'features').lag, { unit: 'records', value: 7 });
  const requests = arrow(arrows, 'upstream', 'scoring');
  assert.deepEqual([requests.perSecond, requests.total], [30, 1500]);
  // the endpoint that is not scored yet is no reason to say nothing of the other
  assert.deepEqual(requests.lag, { unit: 'records', value: 5 });
  assert.deepEqual(arrow(arrows, 'upstream', 'results').lag, { unit: 'records', value: 6 });
  assert.equal(arrow(arrows, 'scoring', 'predictions').lag, null);
});

test('lag in event time is that of the slowest endpoint of which it is known', () => {
  const done = {
    'millrace.features.sales': 1000,
    'prices.predictions': 700,
    'stock.predictions': 900,
    'prices.results': 650,
    'stock.results': 400,
  };
  const arrows = loopArrows(names, loop, measures({ done }), counted({}, { prices: 600 }));
  const lag = (from: string, to: string) => arrow(arrows, from, to).lag;
  assert.deepEqual(lag('features', 'online-store'), { unit: 'event-time', value: 300 });
  assert.deepEqual(lag('predictions', 'results'), { unit: 'event-time', value: 500 });
  // stock has no monitor: nothing of it is decided
  assert.deepEqual(lag('results', 'statistics'), { unit: 'event-time', value: 50 });
});

test('what is ahead of its source is not behind', () => {
  const done = { 'prices.predictions': 700, 'prices.results': 800 };
  const one = { views: [], endpoints: loop.endpoints.slice(0, 1) };
  const arrows = loopArrows(names, one, measures({ done }), counted());
  assert.deepEqual(arrow(arrows, 'predictions', 'results').lag, { unit: 'event-time', value: 0 });
});

test('the slow half counts what was asked for and is still open', () => {
  const counts = {
    alerts: 4,
    retrainings: 3,
    trainings: 3,
    trainingsEnded: 2,
    versions: 2,
    versionsJudged: 1,
    routings: 5,
  };
  const arrows = loopArrows(names, loop, measures({}), counted(counts));
  const told = (from: string, to: string) => {
    const { total, perSecond, lag } = arrow(arrows, from, to);
    return [total, perSecond, lag?.value ?? null];
  };
  assert.deepEqual(told('statistics', 'alerts'), [4, 0.5, null]);
  assert.deepEqual(told('alerts', 'retraining'), [3, 0, 0]);
  assert.deepEqual(told('retraining', 'training'), [3, 0, 1]);
  assert.deepEqual(told('training', 'versions'), [2, 0, 1]);
  assert.deepEqual(told('versions', 'rollout'), [1, 0, null]);
  assert.deepEqual(told('rollout', 'scoring'), [5, 0, null]);
});
