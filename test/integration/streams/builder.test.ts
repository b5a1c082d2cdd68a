// A declared topology on Apache Kafka, two instances of it, as `millrace stream` runs it: joins, broken and late records, a lost state;
// and two applications of one topic, of which one stops at a record, sets it aside, and takes it when it is put back.
import assert from 'node:assert/strict';
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { systemClock } from '../../../infra/clock.ts';
import { outstandingLetters, returnLetters } from '../../../infra/dead-letters.ts';
import { readSettings } from '../../../infra/settings.ts';
import { type RunOptions, runTopology } from '../../../infra/topology-runner.ts';
import { type DeadLetter } from '../../../schemas/events.generated.ts';
import { type Application } from '../../../streams/application.ts';
import { type DeclaredTopology } from '../../../streams/builder/declaration.ts';
import { json, text } from '../../../streams/builder/format.ts';
import { topology } from '../../../streams/builder/topology.ts';
import { type LogRecord } from '../../../streams/log.ts';
import { TopologyWorld } from './topology-world.ts';

interface Order {
  readonly id: string;
  readonly product: string;
  readonly customer: string;
  readonly at: number;
}

const declared = topology('invoices', ({ stream, table }) => {
  const prices = table('prices', text);
  const customers = table('customers', text);
  prices.to('prices-seen', text);
  const invoiced = stream('orders', json<Order>(), { timeOf: ({ at }) => at })
    .keyBy(({ product }) => product)
    .asOf('priced', prices, {
      ...{ kind: 'inner', lateness: '12s', history: '1h' },
      join: (order, price) => ({ ...order, price }),
    })
    .keyBy(({ id }) => id, json())
    .table()
    .joinForeignKey('invoiced', customers, {
      ...{ kind: 'inner', lateness: '1h' },
      foreignKey: ({ customer }) => customer,
      join: ({ id, price }, customer) => `${id}: ${price} for ${customer}`,
    });
  invoiced.to('invoices', text);
  invoiced
    .map((line) => ({ customer: line.split(' for ')[1] }))
    .groupBy(({ customer }) => customer)
    .aggregate('per-customer', { lateness: '1h', features: { invoices: { function: 'count' } } })
    .to('per-customer', json());
});

const PARTITIONS = {
  prices: 2,
  'prices-seen': 2,
  orders: 3,
  customers: 4,
  invoices: 2,
  'per-customer': 2,
  payments: 1,
  gross: 1,
  net: 1,
};
const world = new TopologyWorld();
const { folder, names, codec } = world;

before(() => world.start(Object.entries(PARTITIONS).map(([name, partitions]) => ({ name, partitions, config: {} }))));
const running: Application[] = [];
after(async () => {
  await Promise.all(running.map((application) => application.stop()));
  await world.stop();
});

interface Instance {
  readonly application: Application;
  stop(): Promise<void>;
}

async function start(instance: string, of = declared, failures: RunOptions['failures'] = {}): Promise<Instance> {
  const connections = world.connections(instance);
  const settings = readSettings({ MILLRACE_DATA_DIR: join(folder, 'data'), MILLRACE_COMMIT_INTERVAL_MS: '50' });
  const application = await runTopology(of, connections, settings, { instance, guarantee: 'exactly-once', failures });
  running.push(application);
  return {
    application,
    stop: async () => {
      await application.stop();
      await connections.log.close();
    },
  };
}

async function produce(topic: string, key: string, value: string, timestampMs: number): Promise<void> {
  const writer = world.log.writer();
  await writer.append([{ topic, timestampMs, key: Buffer.from(key), value: Buffer.from(value) }]);
  await writer.close();
}

const order = (id: string, customer: string, at: number): Promise<void> =>
  produce('orders', id, JSON.stringify({ id, product: 'tea', customer, at }), at);

const WITHIN_MS = 60_000;

/** All records of a topic from its beginning, once `isEnough`. */
async function read(
  topic: string,
  partitions: number,
  isEnough: (records: readonly LogRecord[]) => boolean,
): Promise<readonly LogRecord[]> {
  const reader = world.log.reader();
  for (let partition = 0; partition < partitions; partition += 1) reader.assign({ topic, partition }, 0);
  const records: LogRecord[] = [];
  const untilMs = performance.now() + WITHIN_MS;
  while (!isEnough(records)) {
    if (performance.now() > untilMs)
      throw new Error(`${topic}: only ${records.map(({ value }) => String(value)).join(', ')}`);
    for (const fetched of await reader.poll(100)) records.push(...fetched.records);
  }
  await reader.close();
  return records;
}

const stateOf = (instance: string): string => join(folder, 'data', 'state', `invoices-${instance}`);

/** The group gives it a task with a state: it may have given all to the other instance before. */
async function untilItKeepsSomething(instance: string): Promise<void> {
  for (const untilMs = performance.now() + WITHIN_MS; !existsSync(stateOf(instance)); await systemClock.sleep(50))
    if (performance.now() > untilMs) throw new Error(`${instance} has no state`);
}

const COUNTS = { Ada: 'null', 'Ada L.': '{"invoices":2}', Bob: '{"invoices":2}' };

async function invoices(count: number): Promise<string[]> {
  const records = await read('invoices', PARTITIONS.invoices, ({ length }) => length >= count);
  return records.map(({ value }) => String(value)).sort();
}

test('joins of a declared topology on two instances, with dead letters, and again after one has lost its state', async () => {
  const first = await start('one');
  const second = await start('two');
  await untilItKeepsSomething('two');
  await produce('prices', 'tea', '10', 1_000_000);
  await produce('prices', 'tea', '12', 1_050_000);
  await read('prices-seen', PARTITIONS['prices-seen'], ({ length }) => length === 2);
  await produce('customers', 'c1', 'Ada', 1_000_000);
  await order('o1', 'c1', 1_045_000);
  await order('o2', 'c1', 1_055_000);
  await order('o3', 'c2', 1_056_000);
  assert.deepEqual(await invoices(2), ['o1: 10 for Ada', 'o2: 12 for Ada']);

  // no JSON, and an order from before what the join still takes
  await produce('orders', 'broken', '{"id":', 1_056_000);
  await order('late', 'c1', 1_040_000);
  const letters = await read(names.deadLetters, 1, ({ length }) => length === 2);
  await codec.reader.prepare(letters.map(({ value }) => value));
  const told = letters.map(({ value }) => codec.reader.decode(value ?? Buffer.alloc(0)).value as DeadLetter);
  assert.deepEqual(told.map(({ code, stage, source_topic }) => `${code} ${stage} ${source_topic}`).sort(), [
    `too_late process ${names.repartition('invoices.1')}`,
    'undecodable_record decode orders',
  ]);
  assert.equal(String(told.find(({ code }) => code === 'undecodable_record')?.value), '{"id":');

  await second.stop();
  rmSync(stateOf('two'), { recursive: true });
  const again = await start('two');
  await produce('customers', 'c2', 'Bob', 1_060_000);
  await produce('customers', 'c1', 'Ada L.', 1_061_000);
  await order('o4', 'c2', 1_060_000);
  assert.deepEqual(await invoices(6), [
    ...['o1: 10 for Ada', 'o1: 10 for Ada L.', 'o2: 12 for Ada', 'o2: 12 for Ada L.'],
    ...['o3: 12 for Bob', 'o4: 12 for Bob'],
  ]);
  // whoever has another name by now is counted there, and no more under the old one
  await read('per-customer', PARTITIONS['per-customer'], (records) => {
    const last = new Map(records.map(({ key, value }) => [String(key), String(value)]));
    return Object.entries(COUNTS).every(([customer, row]) => last.get(customer) === row);
  });
  const restored = again.application.status().restoredRecords + first.application.status().restoredRecords;
  assert.ok(restored > 0, 'what was lost came from the changelog');
  await again.stop();
  await first.stop();
  // whoever stops commits what it has: nothing was written twice
  assert.equal((await invoices(6)).length, 6);
});

let isMended = false;

/** A sum of all payments; `net` cannot read the third one yet, and stops at what it cannot read. */
const summed = (id: 'gross' | 'net'): DeclaredTopology =>
  topology(
    id,
    ({ stream }) =>
      stream('payments', text)
        .process<number, string>('sum', {
          state: json(),
          each: (payment, { state = 0, setState, emit }) => {
            if (id === 'net' && payment === '3' && !isMended) throw new Error('3 is not understood');
            setState(state + Number(payment));
            emit(String(state + Number(payment)));
          },
        })
        .to(id, text),
    { failures: { process: 'stop' } },
  );

test('an application that stops at a record passes over it when it is told to; put back, the record counts there once', async () => {
  const gross = await start('gross', summed('gross'));
  const stopping = await start('net', summed('net'));
  for (const payment of ['1', '2', '3', '4']) await produce('payments', 'k', payment, 1_000_000);
  await assert.rejects(stopping.application.finished, {
    code: 'internal',
    message: /^payments\/0 at offset 2 \(process\): step \S+ threw: Error: 3 is not understood/,
  });
  await stopping.stop();
  const passing = await start('net', summed('net'), { process: 'dead-letter' });
  const sums = async (topic: string, count: number): Promise<string[]> =>
    (await read(topic, 1, ({ length }) => length >= count)).map(({ value }) => String(value));
  assert.deepEqual(await sums('net', 3), ['1', '3', '7']);

  isMended = true;
  const connections = world.connections('letters');
  const filter = { sourceTopic: 'payments', code: null, offset: null };
  const put = { returnedBy: 'test', forAll: false };
  const returned = await Promise.allSettled([1, 2].map(() => returnLetters(connections, filter, put)));
  returned.push(...(await Promise.allSettled([returnLetters(connections, filter, put)])));
  // of two at a time one may be fenced
  const letters = returned.flatMap((each) => (each.status === 'fulfilled' ? each.value : []));
  assert.deepEqual(
    letters.map(({ letter }) => [letter.processor, letter.source_offset, String(letter.value)]),
    [['net', 2, '3']],
  );
  assert.deepEqual(await outstandingLetters(connections, filter), []);
  await connections.log.close();
  await produce('payments', 'k', '5', 1_000_000);
  assert.deepEqual(await sums('net', 5), ['1', '3', '7', '10', '15']);
  assert.deepEqual(await sums('gross', 5), ['1', '3', '6', '10', '15'], 'what it had before does not count again');
  await passing.stop();
  await gross.stop();
});
