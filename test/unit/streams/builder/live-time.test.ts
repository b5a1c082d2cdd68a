// Live: what is quiet holds nothing up, and what the log is known to hold is read before anything later is taken.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { json, text } from '../../../../streams/builder/format.ts';
import { type Step } from '../../../../streams/builder/stream.ts';
import { topology } from '../../../../streams/builder/topology.ts';
import { TestDriver, type TestRecord } from '../../../../streams/testing/test-driver.ts';

const START_MS = Date.UTC(2026, 0, 1);
const IDLE_MS = 10_000;
const LIVE = { live: true, idleTimeoutMs: IDLE_MS, startMs: START_MS };

/** Tells of each key a second after its last record. */
const REMIND: Step<string, object, string> = {
  state: json(),
  each: (_, { timeMs, setState, setTimer }) => {
    setState({});
    setTimer(timeMs + 1000);
  },
  timer: ({ key, setState, emit }) => {
    setState(undefined);
    emit(key);
  },
};

const reminders = topology('reminders', ({ stream }) => {
  stream('in', text).process('remind', REMIND).to('reminders', text);
});

/** The value is the key. */
const movedReminders = topology('moved-reminders', ({ stream }) => {
  stream('in', text)
    .keyBy((value) => value)
    .process('remind', REMIND)
    .to('reminders', text);
});

/** Orders with what is shipped within a second: one side is moved by key, the other comes from its topic as it is. */
const shipped = topology('shipped', ({ stream }) => {
  const shipments = stream('shipments', text);
  stream('orders', text)
    .keyBy((product) => product)
    .joinWithin('shipped', shipments, {
      ...{ kind: 'left', before: '0s', after: '1s', lateness: '0s' },
      join: (order, shipment) => `${order} ${shipment ?? 'alone'}`,
    })
    .to('shipped', text);
});

/** Keeps one partition busy: a record each 5 s for 60 s. @returns what has come out until then */
async function whileBusy(driver: TestDriver, topic: string, busy: TestRecord, told: string): Promise<string[]> {
  const seen: string[] = [];
  for (let second = 0; second < 60; second += 5) {
    await driver.pipe(topic, [busy]);
    await driver.advanceWallClock(5000);
    seen.push(...driver.outputs(told).map(({ value }) => String(value)));
  }
  return seen;
}

test('a busy partition does not stop the event time of a quiet one', async () => {
  const driver = await TestDriver.start({ ...LIVE, spec: reminders, partitions: { in: 2 } });
  await driver.pipe('in', [{ partition: 0, key: 'quiet', value: 'x' }]);
  const busy: TestRecord = { partition: 1, key: 'busy', value: 'x' };
  const seen = await whileBusy(driver, 'in', busy, 'reminders');
  assert.equal(seen.filter((key) => key === 'quiet').length, 1);
  await driver.close();
});

test('nor does it behind keyBy, where a partition gets records of every task', async () => {
  const driver = await TestDriver.start({
    ...LIVE,
    spec: movedReminders,
    partitions: { in: 2, 'moved-reminders.1': 2 },
  });
  await driver.pipe('in', [{ partition: 0, value: 'quiet' }]);
  // by murmur2 its key goes to the other partition
  const busy: TestRecord = { partition: 1, value: 'a' };
  const seen = await whileBusy(driver, 'in', busy, 'reminders');
  assert.equal(seen.filter((key) => key === 'quiet').length, 1);
  await driver.close();
});

test('a quiet topic does not hold up a join whose other side goes on', async () => {
  const driver = await TestDriver.start({ ...LIVE, spec: shipped, partitions: { orders: 2, shipments: 2 } });
  await driver.pipe('orders', [{ partition: 0, value: 'quiet' }]);
  const seen = await whileBusy(driver, 'orders', { partition: 1, value: 'b' }, 'shipped');
  assert.ok(seen.includes('quiet alone'), seen.join());
  await driver.close();
});

interface Price {
  readonly price: number;
}

const priced = topology('priced', ({ stream, table }) => {
  const prices = table('prices', json<Price>());
  stream('orders', text)
    .asOf('priced', prices, {
      ...{ kind: 'left', lateness: '1m' },
      join: (order, row) => `${order} ${row?.price ?? 'none'}`,
    })
    .to('priced', text);
});

function price(product: string, value: number, timestampMs: number): TestRecord {
  return { key: product, value: JSON.stringify({ price: value }), timestampMs };
}

/** In batches, which a fetch brings a few of. */
async function pipeAll(driver: TestDriver, topic: string, records: readonly TestRecord[]): Promise<void> {
  for (let from = 0; from < records.length; from += 1000) await driver.pipe(topic, records.slice(from, from + 1000));
}

test('live, an order is joined with the prices that lay in the log before it, at the first start and after one', async () => {
  const driver = await TestDriver.start({ ...LIVE, spec: priced });
  for (const round of [0, 1]) {
    await driver.close();
    const fromMs = START_MS + round * 100_000;
    const prices = Array.from({ length: 10_000 }, (_, index) => price(`p${index}`, index + round, fromMs + index));
    await pipeAll(driver, 'prices', prices);
    await driver.pipe('orders', [{ key: 'p9999', value: `o${round}`, timestampMs: fromMs + 20_000 }]);
    await driver.restart();
    assert.deepEqual(
      driver.outputs('priced').map(({ value }) => String(value)),
      [`o${round} ${9999 + round}`],
    );
  }
  await driver.close();
});

test('live, both sides of a join are caught up with by event time, though neither fits into the queues', async () => {
  const ORDERS = 4000;
  const driver = await TestDriver.start({ ...LIVE, spec: priced });
  await driver.close();
  const prices = Array.from({ length: 3 * ORDERS }, (_, index) =>
    price(`p${Math.floor(index / 3)}`, index, START_MS + 2 * index),
  );
  // each after the third of its three prices
  const orders = Array.from({ length: ORDERS }, (_, index) => ({
    ...{ key: `p${index}`, value: `o${index}`, timestampMs: START_MS + 2 * (3 * index + 2) + 1 },
  }));
  await pipeAll(driver, 'prices', prices);
  await pipeAll(driver, 'orders', orders);
  await driver.restart();
  assert.deepEqual(
    driver.outputs('priced').map(({ value }) => String(value)),
    orders.map(({ value }, index) => `${value} ${3 * index + 2}`),
  );
  await driver.close();
});
