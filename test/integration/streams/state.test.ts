// Reading states on Apache Kafka: two instances of a declared topology with RocksDB, asked over HTTP and by `millrace state`.
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
import { StateServer } from '../../../infra/state/state-server.ts';
import { runTopology } from '../../../infra/topology-runner.ts';
import { type Application } from '../../../streams/application.ts';
import { json } from '../../../streams/builder/format.ts';
import { topology } from '../../../streams/builder/topology.ts';
import { partitionOfKey } from '../../../streams/murmur2.ts';
import { type Position } from '../../../streams/queries/question.ts';
import { TopologyWorld } from './topology-world.ts';

const PARTITIONS = 4;
const KEYS = Array.from({ length: 40 }, (_, number) => `card-${number}`);
const declared = topology('cards', ({ stream }) => {
  stream('payments', json<number>()).process('spent', {
    state: json<number>(),
    each: (amount, { state = 0, setState }) => setState(state + amount),
  });
});

const world = new TopologyWorld();
const dataDir = join(world.folder, 'data');

before(() => world.start([{ name: 'payments', partitions: PARTITIONS, config: {} }]));
after(() => world.stop());

interface Instance {
  readonly application: Application;
  readonly server: Server;
  stop(): Promise<void>;
}

async function start(instance: string): Promise<Instance> {
  const settings = readSettings({ MILLRACE_DATA_DIR: dataDir, MILLRACE_COMMIT_INTERVAL_MS: '50' });
  const connections = world.connections(instance);
  const application = await runTopology(declared, connections, settings, { instance, guarantee: 'exactly-once' });
  const reports = new ApplicationReports('stream', instance);
  reports.watch(new Map([[declared.id, application]]));
  const server = healthServer({
    ...{ metrics: new Registry(), reports, states: new StateServer(() => reports.applications, dataDir) },
    ready: () => true,
    failed: (error) => {
      throw error;
    },
  });
  await once(server, 'listening');
  const file = streamFile(dataDir, declared.id, instance);
  writeInstanceFile(file, { role: 'stream', instance, pid: process.pid, port: portOf(server) });
  return {
    ...{ application, server },
    stop: async () => {
      await application.stop();
      await connections.log.close();
      removeInstanceFile(file);
      server.close();
    },
  };
}

async function pay(keys: readonly string[], amount: number): Promise<Position> {
  const writer = world.log.writer();
  const appended = await writer.append(
    keys.map((key) => ({
      ...{ topic: 'payments', timestampMs: Date.now(), key: Buffer.from(key) },
      value: Buffer.from(JSON.stringify(amount)),
    })),
  );
  await writer.close();
  return {
    payments: Object.fromEntries(
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
  const [one, two] = [await start('one'), await start('two')];
  const untilMs = performance.now() + 60_000;
  while (owned(one).length !== 2 || owned(two).length !== 2) {
    assert.ok(performance.now() < untilMs, `shared as ${owned(one).join()} and ${owned(two).join()}`);
    await systemClock.sleep(20);
  }
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
