// Reading states on Apache Kafka: two instances of a declared topology with RocksDB, asked over HTTP and by `millrace state`; once of
// a step, once of declared windows, and once as two processes with data folders of their own, as two machines have.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { type Server } from 'node:http';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { Registry } from 'prom-client';
import { systemClock } from '../../../infra/clock.ts';
import { removeInstanceFile, streamFile, writeInstanceFile } from '../../../infra/instances.ts';
import { ApplicationReports } from '../../../infra/roles/application-reports.ts';
import { healthServer, portOf } from '../../../infra/roles/health-server.ts';
import { readSettings } from '../../../infra/settings.ts';
import { HERE_PATH, type HeldStores, placesIn } from '../../../infra/state/places.ts';
import { StateServer } from '../../../infra/state/state-server.ts';
import { runTopology } from '../../../infra/topology-runner.ts';
import { type Application } from '../../../streams/application.ts';
import { type DeclaredTopology } from '../../../streams/builder/declaration.ts';
import { json } from '../../../streams/builder/format.ts';
import { topology } from '../../../streams/builder/topology.ts';
import { windows } from '../../../streams/builder/windows.ts';
import { partitionOfKey } from '../../../streams/murmur2.ts';
import { type Position, byKey } from '../../../streams/queries/question.ts';
import { Machine, startSchemaRegistry } from './machines.ts';
import { TopologyWorld } from './topology-world.ts';

const PARTITIONS = 4;
const KEYS = Array.from({ length: 40 }, (_, number) => `card-${number}`);
const declared = topology('cards', ({ stream }) => {
  stream('payments', json<number>()).process('spent', {
    state: json<number>(),
    each: (amount, { state = 0, setState }) => setState(state + amount),
  });
});

const MINUTE_MS = 60_000;
const START_MS = Date.UTC(2026, 0, 1);
const windowed = topology('card-windows', (builder) => {
  windows(builder, 'recent', {
    from: { topic: 'purchases', format: 'json', eventTime: 'at' },
    step: '1m',
    lateness: '10m',
    features: {
      purchases_5m: { function: 'count', window: '5m' },
      spent_5m: { function: 'sum', field: 'amount', window: '5m' },
      spent_mean_1h: { function: 'mean', field: 'amount', window: '1h' },
      fading_1h: { function: 'decayed_sum', field: 'amount', half_life: '10m', window: '1h' },
    },
  }).to('recent-rows', { format: 'json', eventTime: 'at' });
});

const world = new TopologyWorld();
const dataDir = join(world.folder, 'data');

before(() =>
  world.start(
    ['payments', 'purchases', 'recent-rows', 'sales', 'visits', 'visit-rows'].map((name) => ({
      ...{ name, partitions: PARTITIONS, config: {} },
    })),
  ),
);
after(async () => {
  for (const machine of machines) await machine.end('SIGKILL');
  // what a failed test has left running would keep its process alive
  for (const instance of running) await instance.stop();
  await world.stop();
});

interface Instance {
  readonly application: Application;
  readonly server: Server;
  stop(): Promise<void>;
}

const running = new Set<Instance>();
let machines: readonly Machine[] = [];

async function start(instance: string, of: DeclaredTopology = declared): Promise<Instance> {
  const settings = readSettings({ MILLRACE_DATA_DIR: dataDir, MILLRACE_COMMIT_INTERVAL_MS: '50' });
  const connections = world.connections(instance);
  const application = await runTopology(of, connections, settings, { instance, guarantee: 'exactly-once' });
  const reports = new ApplicationReports('stream', instance);
  reports.watch(new Map([[of.id, application]]));
  const server = healthServer({
    ...{
      metrics: new Registry(),
      reports,
      states: new StateServer(
        () => reports.applications,
        async () => placesIn(dataDir),
      ),
    },
    ready: () => true,
    failed: (error) => {
      throw error;
    },
  });
  await once(server, 'listening');
  const file = streamFile(dataDir, of.id, instance);
  writeInstanceFile(file, { role: 'stream', instance, pid: process.pid, port: portOf(server) });
  const started: Instance = {
    ...{ application, server },
    stop: async () => {
      running.delete(started);
      await application.stop();
      await connections.log.close();
      removeInstanceFile(file);
      server.close();
    },
  };
  running.add(started);
  return started;
}

/** Both are there, and work on two partitions each. */
async function startTwo(of: DeclaredTopology): Promise<readonly [Instance, Instance]> {
  const [one, two] = [await start('one', of), await start('two', of)];
  const untilMs = performance.now() + 60_000;
  while (owned(one).length !== 2 || owned(two).length !== 2) {
    assert.ok(performance.now() < untilMs, `shared as ${owned(one).join()} and ${owned(two).join()}`);
    await systemClock.sleep(20);
  }
  return [one, two];
}

const pay = (keys: readonly string[], amount: number): Promise<Position> =>
  produce(
    'payments',
    keys.map((key) => ({ key, value: amount })),
  );

async function produce(topic: string, records: readonly { key: string; value: unknown }[]): Promise<Position> {
  const writer = world.log.writer();
  const appended = await writer.append(
    records.map(({ key, value }) => ({
      ...{ topic, timestampMs: Date.now(), key: Buffer.from(key) },
      value: Buffer.from(JSON.stringify(value)),
    })),
  );
  await writer.close();
  return {
    [topic]: Object.fromEntries(
      appended.map(({ partition, firstOffset, count }) => [partition, firstOffset + count - 1]),
    ),
  };
}

const owned = ({ application }: Instance): number[] => application.status().tasks.map(({ partition }) => partition);
const partitionOf = (key: string): number => partitionOfKey(Buffer.from(key), PARTITIONS);

async function ask(at: Instance, path: string, position: Position): Promise<Record<string, unknown>> {
  const answer = await fetch(`http://127.0.0.1:${portOf(at.server)}${path}`, {
    headers: { position: JSON.stringify(position), wait_ms: '30000' },
  });
  const body = (await answer.json()) as Record<string, unknown>;
  assert.equal(answer.status, 200, JSON.stringify(body));
  return body;
}

async function millraceState(args: readonly string[]): Promise<Record<string, unknown>> {
  const cli = new URL('../../../infra/cli/millrace.ts', import.meta.url).pathname;
  const env = { ...process.env, MILLRACE_DATA_DIR: dataDir };
  const { stdout } = await promisify(execFile)(process.execPath, [cli, 'state', ...args, '--json'], { env });
  return JSON.parse(stdout) as Record<string, unknown>;
}

test('a write is read through the instance that does not own its key, by the command line, and after its owner has left', async () => {
  const [one, two] = await startTwo(declared);
  const foreign = KEYS.find((key) => owned(two).includes(partitionOf(key))) ?? '';
  for (let count = 1; count <= 5; count += 1) {
    const position = await pay([foreign], 10);
    assert.equal((await ask(one, `/state/cards/spent/${foreign}`, position))['value'], count * 10);
  }
  const all = await pay(KEYS, 1);
  const expected = KEYS.map((key) => ({ key, value: key === foreign ? 51 : 1 })).sort((a, b) =>
    a.key < b.key ? -1 : 1,
  );
  for (const at of [one, two]) assert.deepEqual((await ask(at, '/state/cards/spent', all))['rows'], expected);
  const bound = ['--at-least', JSON.stringify(all), '--wait-ms', '30000'];
  assert.deepEqual((await millraceState(['cards', 'spent', foreign, ...bound]))['rows'], [
    { key: foreign, found: true, value: 51 },
  ]);
  const page = await millraceState(['cards', 'spent', '--from', 'card-1', '--limit', '3', ...bound]);
  assert.deepEqual([page['rows'], page['next']], [expected.slice(1, 4), expected[4]?.key]);
  assert.deepEqual((await millraceState([]))['stores'], [
    { application: 'cards', store: 'spent', sources: ['payments'], partitions: 4, owned: [0, 1, 2, 3] },
  ]);

  await two.stop();
  const last = await pay([foreign], 100);
  assert.equal((await ask(one, `/state/cards/spent/${foreign}`, last))['value'], 151);
  await one.stop();
});

/** What the newest committed output row of each key says. */
async function lastRows(topic: string): Promise<{ key: string; value: unknown }[]> {
  const admin = world.log.admin();
  const partitions = Array.from({ length: PARTITIONS }, (_, partition) => ({ topic, partition }));
  // a commit is told before its markers are in the partitions
  let ends = await admin.offsets(partitions);
  for (; ends.some(({ end, highWatermark }) => end < highWatermark); ends = await admin.offsets(partitions))
    await systemClock.sleep(20);
  await admin.close();
  const reader = world.log.reader();
  const left = new Map(ends.map(({ partition, end }) => [partition, end]));
  const rows = new Map<string, unknown>();
  for (const partition of left.keys()) reader.assign({ topic, partition }, 0);
  while ([...left.values()].some((end) => end > 0)) {
    for (const { partition, records, nextOffset } of await reader.poll(100)) {
      if (nextOffset >= (left.get(partition) ?? 0)) left.set(partition, 0);
      for (const { key, value } of records) {
        const { at, ...values } = JSON.parse(value?.toString() ?? '') as Record<string, number | null>;
        rows.set(key?.toString() ?? '', { eventTimeMs: at, values });
      }
    }
  }
  await reader.close();
  return [...rows].map(([key, value]) => ({ key, value })).sort(byKey);
}

test('declared windows are read as their last rows say, from either instance, and from the one that is left', async () => {
  const [one, two] = await startTwo(windowed);
  const foreign = KEYS.find((key) => owned(two).includes(partitionOf(key))) ?? '';
  const purchase = (key: string, minute: number, amount: number) => ({
    ...{ key, value: { at: START_MS + minute * MINUTE_MS, amount } },
  });
  for (let count = 1; count <= 5; count += 1) {
    const position = await produce('purchases', [purchase(foreign, 0, 10)]);
    const { value } = await ask(one, `/state/card-windows/recent/${foreign}`, position);
    const sums = { purchases_5m: count, spent_5m: count * 10, spent_mean_1h: 10, fading_1h: count * 10 };
    assert.deepEqual(value, { eventTimeMs: START_MS, values: sums });
  }
  // one of each key is late: what is told, as of the newest, has counted it
  const all = await produce(
    'purchases',
    KEYS.flatMap((key, at) => [purchase(key, 30, at), purchase(key, 28, 7), purchase(key, 33, at + 0.1)]),
  );
  for (const at of [one, two]) {
    const { rows } = await ask(at, '/state/card-windows/recent', all);
    assert.equal((rows as unknown[]).length, KEYS.length);
    assert.deepEqual(rows, await lastRows('recent-rows'));
  }
  const bound = ['--at-least', JSON.stringify(all), '--wait-ms', '30000'];
  const last = (await lastRows('recent-rows')).find(({ key }) => key === foreign)?.value;
  assert.deepEqual((await millraceState(['card-windows', 'recent', foreign, ...bound]))['rows'], [
    { key: foreign, found: true, value: last },
  ]);
  assert.deepEqual((await millraceState([]))['stores'], [
    { application: 'card-windows', store: 'recent', sources: ['purchases'], partitions: 4, owned: [0, 1, 2, 3] },
  ]);

  await two.stop();
  const after = await produce('purchases', [purchase(foreign, 40, 1)]);
  await ask(one, `/state/card-windows/recent/${foreign}`, after);
  const { rows } = await ask(one, '/state/card-windows/recent', {
    purchases: { ...all['purchases'], ...after['purchases'] },
  });
  assert.deepEqual(rows, await lastRows('recent-rows'));
  await one.stop();
});

type Rows = readonly { readonly key: string; readonly value: unknown }[];

async function rowsOf(url: string, path: string, atLeast: Position, init: RequestInit = {}): Promise<Rows> {
  const query = `wait_ms=40000&position=${encodeURIComponent(JSON.stringify(atLeast))}`;
  const answer = await fetch(`${url}/state/tills/${path}?${query}`, init);
  const body = (await answer.json()) as { rows: Rows };
  assert.equal(answer.status, 200, JSON.stringify(body));
  return body.rows;
}

/** How many partitions of a store it works on itself. */
async function ownedBy({ url }: Machine, store: string): Promise<number> {
  const held = (await (await fetch(`${url}${HERE_PATH}`)).json()) as readonly HeldStores[];
  return held.flatMap(({ stores }) => stores).find(({ name }) => name === store)?.here.length ?? 0;
}

test('of two machines each answers for both; one that is killed is taken over from; strangers are refused', async (context) => {
  const registry = await startSchemaRegistry();
  context.after(() => registry.close());
  const token = 'a-token-of-the-tests';
  const machine = (name: string, host: string): Machine =>
    new Machine(world.folder, name, {
      ...{ KAFKA_BROKERS: world.address, SCHEMA_REGISTRY_URL: `http://127.0.0.1:${portOf(registry)}` },
      ...{ MILLRACE_COMMIT_INTERVAL_MS: '50', MILLRACE_STATE_TOKEN: token, MILLRACE_ADVERTISED_HOST: host },
    });
  const [one, two] = [machine('first', '127.0.0.1'), machine('second', '127.0.0.1')];
  machines = [one, two];
  await Promise.all(machines.map((each) => each.start('tills-topology.ts')));
  for (const store of ['sold', 'recent'])
    while ((await ownedBy(one, store)) !== 2 || (await ownedBy(two, store)) !== 2) await systemClock.sleep(20);

  const of = (value: unknown): { key: string; value: unknown }[] => KEYS.map((key) => ({ key, value }));
  const sold = await produce('sales', of(7));
  const visited = await produce('visits', of({ at: START_MS }));
  const sales = of(7).sort(byKey);
  const visits = of({ eventTimeMs: START_MS, values: { visits_5m: 1 } }).sort(byKey);
  const many = { method: 'POST', body: JSON.stringify({ keys: KEYS }) };
  const all = { application: 'tills', partitions: PARTITIONS, owned: [0, 1, 2, 3] };
  for (const { url } of machines) {
    assert.deepEqual(await rowsOf(url, 'sold', sold), sales);
    assert.deepEqual(await rowsOf(url, 'recent', visited), visits);
    const found = of(7).map((row) => ({ ...row, found: true }));
    assert.deepEqual(await rowsOf(url, 'sold', sold, many), found);
    assert.deepEqual(await (await fetch(`${url}/state`)).json(), {
      stores: [
        { ...all, store: 'recent', sources: ['visits'] },
        { ...all, store: 'sold', sources: ['sales'] },
      ],
    });
  }
  // one that runs nothing and is not reached itself
  assert.equal(await machine('third', '').millrace('state', 'tills', 'sold', 'card-3'), 'card-3\t7\n');

  const admin = world.log.admin();
  const addresses = await admin.memberAddresses('tills');
  await admin.close();
  assert.equal(addresses.length, 2);
  const bearer = (shown: string): RequestInit => ({ headers: { Authorization: `Bearer ${shown}` } });
  for (const { host, port } of addresses) {
    assert.deepEqual(await rowsOf(`http://${host}:${port}`, 'sold', sold, bearer(token)), sales);
    for (const init of [{}, bearer('the-token-of-others')])
      for (const path of ['/state', '/state/tills/sold/card-3', HERE_PATH])
        assert.equal((await fetch(`http://${host}:${port}${path}`, init)).status, 401);
  }

  await one.end('SIGKILL');
  const again = await produce('sales', of(7));
  assert.deepEqual(await rowsOf(two.url, 'sold', again), of(14).sort(byKey));
  await two.end('SIGTERM');
});
