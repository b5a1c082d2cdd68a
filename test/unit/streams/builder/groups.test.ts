// A table that is grouped and aggregated, in the test driver: what is written of each change, what is refused, how it is called and told.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import openOrders from '../../../../examples/streams/open-orders.ts';
import { AGGREGATE_FUNCTIONS, parseAggregate } from '../../../../schemas/aggregate-declaration.ts';
import { aggregateOf } from '../../../../streams/aggregates/catalogue.ts';
import { type DeclaredTopology } from '../../../../streams/builder/declaration.ts';
import { describeTopology } from '../../../../streams/builder/describe.ts';
import { type GroupFeatures, RETRACTABLE } from '../../../../streams/builder/features.ts';
import { json } from '../../../../streams/builder/format.ts';
import { type TopologyBuilder, topology } from '../../../../streams/builder/topology.ts';
import { TestDriver, type TestRecord } from '../../../../streams/testing/test-driver.ts';

interface Shop {
  readonly city: string;
  readonly sales: number;
}

const COUNTED = { n: { function: 'count' }, sales: { function: 'sum', field: 'sales' } } as const;

const grouped = (features: GroupFeatures<Shop> = COUNTED, lateness = '100ms'): DeclaredTopology =>
  topology('shops', ({ table }) => {
    table('shops', json<Shop>())
      .groupBy(({ city }) => city)
      .aggregate('per-city', { lateness, features })
      .to('cities', json());
  });

/** what the driver calls the topic of changes */
const INTERNAL = '.internal.shops.per-city';

const at = (timestampMs: number, key: string, value: object | null): TestRecord => ({
  ...{ timestampMs, key, value: value === null ? null : JSON.stringify(value) },
});
const told = (driver: TestDriver, topic: string): string[] =>
  driver.outputs(topic).map(({ key, value, timestampMs }) => `${timestampMs} ${key?.toString()} ${value?.toString()}`);

test('the example: orders are counted while they are open, with whom they are', async () => {
  const driver = await TestDriver.start({ spec: openOrders, defaultPartitions: 2 });
  const order = (changed_at: number, id: string, customer: string, amount: number, status = 'open'): TestRecord =>
    at(0, id, { customer, amount, status, changed_at });
  await driver.pipe('orders', [order(1, 'o1', 'ada', 10), order(2, 'o2', 'ada', 5), order(3, 'o1', 'ada', 12)]);
  await driver.advanceTo(10);
  assert.deepEqual(told(driver, 'open-orders'), [
    '1 ada {"orders":1,"amount":10}',
    '2 ada {"orders":2,"amount":15}',
    '3 ada {"orders":2,"amount":17}',
  ]);
  await driver.restart();
  await driver.pipe('orders', [order(11, 'o2', 'bob', 5), order(12, 'o1', 'ada', 12, 'paid')]);
  await driver.advanceTo(20);
  assert.deepEqual(told(driver, 'open-orders').sort(), [
    '11 ada {"orders":1,"amount":12}',
    '11 bob {"orders":1,"amount":5}',
    '12 ada undefined',
  ]);
  assert.deepEqual(driver.deadLetters(), []);
  await driver.close();
});

test('a row that gives what it gave before is not told of, and a group without rows keeps nothing', async () => {
  const driver = await TestDriver.start({ spec: grouped() });
  const shop = { city: 'rome', sales: 0.1 };
  await driver.pipe('shops', [at(1, 'a', shop), at(2, 'a', { ...shop, note: 'as before' }), at(3, 'b', shop)]);
  await driver.pipe('shops', [at(4, 'a', null), at(5, 'a', null), at(6, 'c', null)]);
  await driver.advanceTo(10);
  assert.deepEqual(told(driver, 'cities'), [
    '1 rome {"n":1,"sales":0.1}',
    '3 rome {"n":2,"sales":0.2}',
    '4 rome {"n":1,"sales":0.1}',
  ]);
  assert.deepEqual(await driver.read('per-city', { kind: 'keys', keys: ['rome'] }), [
    { key: 'rome', value: { rows: 1, values: { n: 1, sales: 0.1 } } },
  ]);
  assert.deepEqual(await driver.read('per-city rows', { kind: 'keys', keys: ['a', 'b'] }), [
    { key: 'a', value: null },
    { key: 'b', value: { group: 'rome', fields: { sales: 0.1 } } },
  ]);
  await driver.pipe('shops', [at(7, 'b', null)]);
  await driver.advanceTo(1000);
  assert.deepEqual(told(driver, 'cities'), ['7 rome undefined']);
  for (const [store, key] of [
    ['per-city', 'rome'],
    ['per-city rows', 'b'],
  ] as const)
    assert.equal(driver.stateOf(store, key), undefined);
  await driver.close();
});

test('what is refused changes nothing: the row gives what it gave before', async () => {
  const driver = await TestDriver.start({ spec: grouped(), live: true });
  await driver.pipe('shops', [at(1000, 'a', { city: 'rome', sales: 3 }), at(1000, 'b', { city: 'rome', sales: 4 })]);
  const refused = [at(1001, 'a', { city: 'oslo', sales: 'many' }), at(1001, 'a', { city: 7, sales: 1 })];
  await driver.pipe('shops', [...refused, at(800, 'c', { city: 'rome', sales: 1 })]);
  assert.deepEqual(
    driver.deadLetters().map(({ topic, offset, code }) => [topic, offset, code]),
    [
      ['shops', 2, 'invalid_field'],
      ['shops', 3, 'invalid_field'],
      ['shops', 4, 'too_late'],
    ],
  );
  await driver.pipe('shops', [at(1002, 'a', { city: 'oslo', sales: 1 })]);
  assert.deepEqual(told(driver, 'cities'), [
    '1000 rome {"n":1,"sales":3}',
    '1000 rome {"n":2,"sales":7}',
    '1002 rome {"n":1,"sales":4}',
    '1002 oslo {"n":1,"sales":1}',
  ]);
  await driver.close();
});

test('a change that is set aside behind the group is missing until it is put back, or until the group is empty', async () => {
  let isBroken = false;
  const spec = topology('shops', ({ table }) => {
    table('shops', json<Shop>())
      .groupBy(({ city }) => city)
      .aggregate('per-city', { lateness: '1s', features: COUNTED })
      .map((row) => {
        if (isBroken) throw new Error('broken');
        return row;
      })
      .to('cities', json());
  });
  const driver = await TestDriver.start({ spec, live: true });
  const last = (): string | undefined => told(driver, 'cities').at(-1)?.replace(/^\d+ /, '');
  await driver.pipe('shops', [at(1, 'a', { city: 'rome', sales: 1 })]);
  isBroken = true;
  await driver.pipe('shops', [at(2, 'b', { city: 'rome', sales: 10 })]);
  isBroken = false;
  assert.deepEqual(
    driver.deadLetters().map(({ topic, code, reason }) => [topic, code, /map threw: Error: broken/.test(reason)]),
    [[INTERNAL, 'internal', true]],
  );
  await driver.pipe('shops', [at(3, 'c', { city: 'rome', sales: 100 })]);
  assert.equal(last(), 'rome {"n":2,"sales":101}');
  const letter = driver.outputs(INTERNAL)[1];
  await driver.pipe(INTERNAL, [{ key: 'rome', value: letter?.value ?? null, timestampMs: 4 }]);
  assert.equal(last(), 'rome {"n":3,"sales":111}');
  for (const key of ['a', 'b']) await driver.pipe('shops', [at(5, key, null)]);
  isBroken = true;
  await driver.pipe('shops', [at(6, 'b', { city: 'rome', sales: 10 })]);
  isBroken = false;
  // it is not known that c is still there
  for (const key of ['b', 'c']) await driver.pipe('shops', [at(7, key, null)]);
  assert.equal(last(), 'rome undefined');
  await driver.pipe('shops', [at(8, 'd', { city: 'rome', sales: 1000 })]);
  assert.equal(last(), 'rome {"n":1,"sales":1000}');
  await driver.close();
});

test('live, times of a group never go back, so that who orders them ends with the last', async () => {
  const spec = topology('two', ({ table }) => {
    const cities = table('shops', json<Shop>())
      .groupBy(({ city }) => city)
      .aggregate('per-city', { lateness: '1s', features: COUNTED });
    cities
      .groupBy(() => 'all')
      .aggregate('all', { lateness: '1s', features: { shops: { function: 'sum', field: 'n' } } })
      .to('all', json());
  });
  const driver = await TestDriver.start({ spec, partitions: { shops: 2 }, live: true, idleTimeoutMs: 1000 });
  await driver.pipe('shops', [{ ...at(1000, 'a', { city: 'rome', sales: 1 }), partition: 0 }]);
  await driver.advanceWallClock(1500);
  await driver.pipe('shops', [{ ...at(700, 'b', { city: 'rome', sales: 1 }), partition: 1 }]);
  await driver.advanceWallClock(1500);
  assert.equal(told(driver, 'all').at(-1)?.replace(/^\d+ /, ''), 'all {"shops":2}');
  await driver.close();
});

test('the table itself cannot be joined with what comes of its groups: time would wait for itself', () => {
  assert.throws(
    () =>
      topology('t', ({ table }) => {
        const shops = table('shops', json<Shop>());
        const cities = shops.groupBy(({ city }) => city).aggregate('per-city', { lateness: '1s', features: COUNTED });
        shops.join(
          'both',
          cities.map((row) => row, json()),
          { kind: 'inner', lateness: '1s', join: (shop) => shop },
        );
      }),
    { name: 'Failure', code: 'invalid_definition', field: 'shops', fix: /\S/ },
  );
});

const declare =
  (name: unknown, options: unknown, groupOf: unknown = (): string => 'k') =>
  ({ table }: TopologyBuilder): void => {
    const rows = table('shops', json<Shop>());
    rows.groupBy(groupOf as () => string).aggregate(name as string, options as { lateness: '1s'; features: never });
  };
const options = { lateness: '1s', features: COUNTED };

for (const [field, refusal] of [
  ['aggregate A b: name', declare('A b', options)],
  ['aggregate Big: name', declare('Big', options)],
  ['aggregate stage-1: name', declare('stage-1', options)],
  ['aggregate a: lateness', declare('a', { features: COUNTED })],
  ['aggregate a: lates', declare('a', { ...options, lates: '1s' })],
  ['aggregate a: features', declare('a', { lateness: '1s', features: {} })],
  ['aggregate a: features.n.function', declare('a', { lateness: '1s', features: { n: { function: 'median' } } })],
  [
    'aggregate a: features.low.function',
    declare('a', { lateness: '1s', features: { low: { function: 'min', field: 'sales' } } }),
  ],
  ['groupBy', declare('a', options, 'city')],
] as const)
  test(`refused: ${field}`, () => {
    assert.throws(() => topology('t', refusal), {
      ...{ name: 'Failure', code: 'invalid_definition', field, fix: /\S/ },
    });
  });

test('a name is one part of the topology', () => {
  for (const other of [
    ({ stream }: TopologyBuilder) => stream('b', json()).keyBy(() => 'k', { name: 'a' }),
    ({ stream }: TopologyBuilder) => stream('b', json()).process('a', { state: json(), each: () => undefined }),
  ])
    assert.throws(
      () =>
        topology('t', (builder) => {
          declare('a', options)(builder);
          other(builder);
        }),
      { code: 'invalid_definition', field: /name/ },
    );
});

test('functions that can be retracted are those of the catalogue, and only they compile', () => {
  const parameters = { k: 2, q: 0.5, bounds: [0], above: 0, denominator: 'b', half_life: '1s' };
  const ofCatalogue = AGGREGATE_FUNCTIONS.filter((name) => {
    const own = Object.entries(parameters).map(([parameter, value]) => ({ [parameter]: value }));
    const found = [{}, ...own].flatMap((given) => {
      try {
        return [aggregateOf(parseAggregate({ function: name, ...given }))];
      } catch {
        return [];
      }
    });
    assert.ok(found.length > 0, name);
    return found[0]?.retraction !== 'none';
  });
  assert.deepEqual([...RETRACTABLE].sort(), ofCatalogue.sort());
  // @ts-expect-error: min cannot take a value out again
  assert.throws(() => grouped({ low: { function: 'min', field: 'sales' } }));
  // @ts-expect-error: there is no such field
  grouped({ sum: { function: 'sum', field: 'price' } });
});

test('groups are a stage of their own, called by the name; other features under it are refused', async () => {
  assert.equal(
    describeTopology(grouped()),
    [
      'shops',
      '  stage-0   shops',
      '              per-city rows [state]',
      '                → shops.per-city (internal)',
      '  per-city  shops.per-city (internal)',
      '              per-city groups [state]',
      '                → cities',
    ].join('\n'),
  );
  const driver = await TestDriver.start({ spec: grouped() });
  await driver.pipe('shops', [at(1, 'a', { city: 'rome', sales: 3 })]);
  await driver.advanceTo(10);
  await driver.restart(grouped({ n: { function: 'count' }, mean: { function: 'mean', field: 'sales' } }));
  await driver.pipe('shops', [at(11, 'b', { city: 'rome', sales: 4 })]);
  await driver.advanceTo(20);
  assert.equal(told(driver, 'cities').at(-1), '11 rome {"n":2,"mean":3.5}', 'sum and mean keep the same');
  await assert.rejects(
    async () => {
      await driver.restart(grouped({ n: { function: 'count' } }));
      await driver.pipe('shops', [at(21, 'c', { city: 'rome', sales: 4 })]);
      await driver.advanceTo(30);
    },
    { name: 'Failure', code: 'undecodable_record', fix: /new name/ },
  );
});
