// Groups of a table against their definition, a group-by over the rows that the table has: inserts, changes, moves and deletions, late
// ones among them, on two partitions, with restarts between, by event time and live. What comes of groups is grouped again.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { json } from '../../../../streams/builder/format.ts';
import { topology } from '../../../../streams/builder/topology.ts';
import { TestDriver } from '../../../../streams/testing/test-driver.ts';

interface Shop {
  readonly city: string | null;
  readonly sales: number | null;
  readonly staff: number;
  readonly kind: string;
}

interface Event {
  readonly key: string;
  readonly timeMs: number;
  /** null: a deletion */
  readonly shop: Shop | null;
}

const KEYS = ['a', 'b', 'c', 'd', 'ü', ''];
const CITIES = ['rome', 'oslo', 'lima', ''];
const START_MS = 1000;
const CHUNK_MS = 40;
const HALF_LIFE_MS = 100;

const history = fc.array(
  fc.record({
    events: fc.array(
      fc.record({
        key: fc.constantFrom(...KEYS),
        // up to a chunk late
        afterMs: fc.integer({ min: -CHUNK_MS, max: CHUNK_MS - 1 }),
        shop: fc.option(
          fc.record({
            city: fc.constantFrom(null, ...CITIES),
            sales: fc.constantFrom(null, 0, 1, 5, 1000),
            staff: fc.integer({ min: 0, max: 3 }),
            kind: fc.constantFrom('books', 'tea', '1'),
          }),
          { freq: 3, nil: null },
        ),
      }),
      { maxLength: 16, size: 'max' },
    ),
    restart: fc.boolean(),
  }),
  { minLength: 1, maxLength: 4 },
);

const spec = topology('shops', ({ table }) => {
  const cities = table('shops', json<Shop>())
    .groupBy(({ city }) => city)
    .aggregate('per-city', {
      lateness: '1s',
      features: {
        n: { function: 'count' },
        sales: { function: 'sum', field: 'sales' },
        mean: { function: 'mean', field: 'sales' },
        each: { function: 'ratio', field: 'sales', denominator: 'staff' },
        kinds: { function: 'distinct', field: 'kind' },
        tea: { function: 'share', field: 'kind', equals: 'tea' },
        sizes: { function: 'histogram', field: 'staff', bounds: [1, 2] },
        spread: { function: 'stddev', field: 'staff', of: 'population' },
        fresh: { function: 'decayed_mean', field: 'staff', half_life: `${HALF_LIFE_MS}ms` },
      },
    });
  cities.to('cities', json());
  cities
    .groupBy(({ n }) => `${n}`)
    .aggregate('per-size', { lateness: '1s', features: { cities: { function: 'count' } } })
    .to('sizes', json());
});

type Values = Readonly<Record<string, unknown>>;

const total = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0);
const orNull = (value: number): number | null => (Number.isFinite(value) ? value : null);

function aggregatesOf(events: readonly Event[]): Values {
  const shops = events.flatMap(({ shop }) => (shop === null ? [] : [shop]));
  const sold = shops.filter(({ sales }) => sales !== null);
  const sales = sold.map((shop) => shop.sales ?? 0);
  const staff = shops.map((shop) => shop.staff);
  const mean = total(staff) / staff.length;
  const weights = events.map(({ timeMs }) => 2 ** ((timeMs - START_MS) / HALF_LIFE_MS));
  return {
    n: shops.length,
    sales: sales.length === 0 ? null : total(sales),
    mean: orNull(total(sales) / sales.length),
    each: orNull(total(sales) / total(sold.map((shop) => shop.staff))),
    kinds: new Set(shops.map(({ kind }) => kind)).size,
    tea: shops.filter(({ kind }) => kind === 'tea').length / shops.length,
    sizes: [0, 1, 2].map((bin) => staff.filter((count) => Math.min(count, 2) === bin).length),
    spread: Math.sqrt(total(staff.map((count) => (count - mean) ** 2)) / staff.length),
    fresh: total(weights.map((weight, at) => weight * (staff[at] ?? 0))) / total(weights),
  };
}

/** By city, over the newest row of each shop: by event time, then in the order of writing. */
function citiesOf(events: readonly Event[]): ReadonlyMap<string, Values> {
  const rows = KEYS.flatMap((key) => {
    const own = events.filter((event) => event.key === key).toSorted((one, other) => one.timeMs - other.timeMs);
    const newest = own.at(-1);
    return newest === undefined || newest.shop === null || newest.shop.city === null ? [] : [newest];
  });
  return new Map(
    [...Map.groupBy(rows, ({ shop }) => shop?.city ?? '')].map(([city, own]) => [city, aggregatesOf(own)]),
  );
}

function sizesOf(cities: ReadonlyMap<string, Values>): ReadonlyMap<string, Values> {
  const sizes = Map.groupBy(cities.values(), ({ n }) => `${String(n)}`);
  return new Map([...sizes].map(([size, own]) => [size, { cities: own.length }]));
}

/** Adds what was written to the rows of a table. */
function follow(driver: TestDriver, topic: string, rows: Map<string, Values>): void {
  for (const { key, value } of driver.outputs(topic)) {
    if (value === null) rows.delete(key?.toString() ?? '');
    else rows.set(key?.toString() ?? '', JSON.parse(value.toString()) as Values);
  }
}

const APPROXIMATE = ['spread', 'fresh'];

function assertRows(found: ReadonlyMap<string, Values>, expected: ReadonlyMap<string, Values>): void {
  assert.deepEqual([...found.keys()].sort(), [...expected.keys()].sort());
  for (const [key, values] of expected)
    for (const [name, value] of Object.entries(values)) {
      const given = found.get(key)?.[name];
      if (APPROXIMATE.includes(name)) assert.ok(Math.abs(Number(given) - Number(value)) < 1e-6, `${key} ${name}`);
      else assert.deepEqual(given, value, `${key} ${name}`);
    }
}

test('groups are a group-by over the rows that the table has, at every moment, across restarts', async () => {
  let [groups, gone] = [0, 0];
  await fc.assert(
    fc.asyncProperty(history, fc.boolean(), async (chunks, live) => {
      const driver = await TestDriver.start({ spec, defaultPartitions: 2, live, idleTimeoutMs: live ? 1000 : null });
      const events: Event[] = [];
      const [cities, sizes] = [new Map<string, Values>(), new Map<string, Values>()];
      for (const [index, chunk] of chunks.entries()) {
        const next = chunk.events.map(({ key, afterMs, shop }): Event => {
          return { key, shop, timeMs: START_MS + index * CHUNK_MS + afterMs };
        });
        events.push(...next);
        const records = next.map(({ key, timeMs, shop }) => ({
          ...{ key, timestampMs: timeMs, value: shop === null ? null : JSON.stringify(shop) },
        }));
        if (records.length > 0) await driver.pipe('shops', records);
        if (!live) await driver.advanceTo(START_MS + (index + 1) * CHUNK_MS - 1);
        if (chunk.restart) await driver.restart();
        const before = [...cities.keys()];
        follow(driver, 'cities', cities);
        follow(driver, 'sizes', sizes);
        // live, what another partition has not told of yet is waited for
        if (live) continue;
        assertRows(cities, citiesOf(events));
        assertRows(sizes, sizesOf(citiesOf(events)));
        groups += cities.size;
        gone += before.filter((city) => !cities.has(city)).length;
      }
      if (live) await driver.advanceWallClock(2000);
      follow(driver, 'cities', cities);
      follow(driver, 'sizes', sizes);
      assertRows(cities, citiesOf(events));
      assertRows(sizes, sizesOf(citiesOf(events)));
      assert.deepEqual(driver.deadLetters(), []);
      await driver.close();
    }),
    { numRuns: 80 },
  );
  assert.ok(groups > 50 && gone > 5, `${groups} groups, ${gone} gone`);
});
