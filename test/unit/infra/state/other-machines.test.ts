// Reading states of other machines: whom the group names is asked, with the token; who has none, or another, learns nothing.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { systemClock } from '../../../../infra/clock.ts';
import { portOf } from '../../../../infra/roles/health-server.ts';
import { GroupPlaces } from '../../../../infra/state/group-places.ts';
import { HERE_PATH, type Places, placesIn } from '../../../../infra/state/places.ts';
import { type StateListener, listenForOthers } from '../../../../infra/state/state-listener.ts';
import { StateRouter } from '../../../../infra/state/state-router.ts';
import { Failure } from '../../../../schemas/failure.ts';
import { json } from '../../../../streams/builder/format.ts';
import { topology } from '../../../../streams/builder/topology.ts';
import { type MemberAddress } from '../../../../streams/log.ts';
import { type Position, byKey } from '../../../../streams/queries/question.ts';
import { Instances, type RunningInstance, shared } from './instances.ts';

const PARTITIONS = 4;
const TOKEN = 'a-token-of-the-tests';
const KEYS = Array.from({ length: 20 }, (_, number) => `card-${number}`);
const declared = topology('spending', ({ stream }) => {
  stream('payments', json<number>()).process('spent', {
    state: json<number>(),
    each: (amount, { state = 0, setState }) => setState(state + amount),
  });
});

const listening = (token: string, port = 0) => ({
  ...{ stateToken: token, stateListener: { advertisedHost: '127.0.0.1', host: '127.0.0.1', port } },
});

const instances = new Instances(declared, new Map([['payments', PARTITIONS]]));
const listeners: StateListener[] = [];
/** as the group knows them */
const addresses = (): MemberAddress[] => listeners.map(({ address }) => address);
const group = { memberAddresses: async () => addresses() };
let one: RunningInstance;
let two: RunningInstance;
let position: Position;

/** Of a machine that has a data folder of its own. */
function placesWith(token: string): Places {
  const groups = new GroupPlaces(group, token, systemClock);
  return async (application) => [...(await groups.of(application)), ...placesIn(join(instances.folder, 'own'))];
}

async function listen(states: RunningInstance['states'], port = 0): Promise<number> {
  const listener = await listenForOthers(states, listening(TOKEN, port));
  assert.ok(listener !== null);
  listeners.push(listener);
  return listener.address.port;
}

before(async () => {
  one = await instances.start('one', 10, placesWith(TOKEN));
  two = await instances.start('two', 10, placesWith(TOKEN));
  for (const { states } of [one, two]) await listen(states);
  await shared([one, two], PARTITIONS);
  position = await instances.produce(
    KEYS.map((key) => ({ topic: 'payments', key: Buffer.from(key), value: Buffer.from('7') })),
  );
});
after(async () => {
  await one.stop();
  await two.stop();
  for (const { server } of listeners) server.close();
  instances.close();
});

const bound = () => ({ atLeast: position, waitMs: 30_000 });
const at = { application: 'spending', store: 'spent' };

test('either machine answers for both: one key, many, a range, and what there is', async () => {
  const rows = KEYS.map((key) => ({ key, value: 7 })).sort(byKey);
  for (const { server } of [one, two]) {
    const url = `http://127.0.0.1:${portOf(server)}/state`;
    const told = async (path: string, init: RequestInit = {}): Promise<unknown> => {
      const query = `wait_ms=30000&position=${encodeURIComponent(JSON.stringify(position))}`;
      return (await fetch(`${url}${path}?${query}`, init)).json();
    };
    for (const { key, value } of rows) {
      const row = (await told(`/spending/spent/${key}`)) as Record<string, unknown>;
      assert.deepEqual([row['found'], row['value']], [true, value]);
    }
    const many = { method: 'POST', body: JSON.stringify({ keys: KEYS }) };
    for (const init of [{}, many])
      assert.equal(((await told('/spending/spent', init)) as { rows: unknown[] }).rows.length, KEYS.length);
    assert.deepEqual(((await told('/spending/spent')) as { rows: unknown }).rows, rows);
    assert.deepEqual(await told(''), {
      stores: [{ ...at, sources: ['payments'], partitions: PARTITIONS, owned: [0, 1, 2, 3] }],
    });
  }
});

test('without the token, or with another, nothing is told; with it nothing but states', async () => {
  const [address] = addresses();
  const status = async (path: string, authorization: string | null, init: RequestInit = {}): Promise<number> => {
    const headers = authorization === null ? {} : { Authorization: authorization };
    return (await fetch(`http://127.0.0.1:${address?.port}${path}`, { ...init, headers })).status;
  };
  for (const authorization of [null, '', TOKEN, `Basic ${TOKEN}`, `Bearer ${TOKEN}x`, `Bearer ${TOKEN.slice(1)}`])
    for (const path of ['/state', '/state/spending/spent/card-1', HERE_PATH, '/metrics'])
      assert.equal(await status(path, authorization), 401, `${path} ${authorization}`);
  assert.equal(await status('/state/spending/spent', null, { method: 'POST', body: '{"keys":["card-1"]}' }), 401);
  assert.equal(await status('/state', `Bearer ${TOKEN}`), 200);
  for (const path of ['/metrics', '/applications', '/health/ready', '/'])
    assert.equal(await status(path, `Bearer ${TOKEN}`), 404, path);
});

test('who asks with another token is told so, and reads nothing', async () => {
  const router = new StateRouter(placesWith('the-token-of-others'), systemClock);
  await assert.rejects(
    router.keys(at, ['card-1'], bound()),
    (error: unknown) =>
      error instanceof Failure &&
      error.advice.includes(`127.0.0.1:${addresses()[0]?.port}`) &&
      error.fix.includes('the same MILLRACE_STATE_TOKEN') &&
      !error.advice.includes('the-token'),
  );
  assert.deepEqual(await router.stores(), []);
});

test('of a member that is gone, though the group still names it, the partitions are waited for, and then not ready', async () => {
  const [first, second] = addresses();
  assert.ok(first !== undefined && second !== undefined);
  const closed = createServer().listen(0, '127.0.0.1');
  await once(closed, 'listening');
  const { port } = closed.address() as { port: number };
  await new Promise((resolve) => closed.close(resolve));
  const groups = new GroupPlaces({ memberAddresses: async () => [first, { ...second, port }] }, TOKEN, systemClock);
  const router = new StateRouter((application) => groups.of(application), systemClock);
  await assert.rejects(
    router.range(at, { from: null, to: null, limit: 100 }, { atLeast: {}, waitMs: 100 }),
    (error: unknown) => error instanceof Failure && error.code === 'not_ready' && error.field === 'partition',
  );
});

test('Kafka is asked once a second at most; while it is away, those that were known are asked', async () => {
  let asked = 0;
  let nowMs = 0;
  let answer: Promise<readonly MemberAddress[]> = Promise.resolve([{ host: 'a', port: 1 }]);
  // its sleeps are over at once
  const clock = { ...{ nowMs: () => nowMs, monotonicMs: () => nowMs }, sleep: () => new Promise<void>(setImmediate) };
  const groups = new GroupPlaces({ memberAddresses: () => ((asked += 1), answer) }, TOKEN, clock);
  const names = async (): Promise<string[]> => (await groups.of('app')).map(({ name }) => name);
  assert.deepEqual(await Promise.all([names(), names()]), [['a:1'], ['a:1']]);
  nowMs = 900;
  assert.deepEqual([await names(), asked], [['a:1'], 1]);
  nowMs = 1100;
  answer = Promise.resolve([{ host: '::1', port: 2 }]);
  assert.deepEqual([await names(), asked], [['[::1]:2'], 2]);
  nowMs = 3000;
  answer = Promise.reject(new Error('no broker answers'));
  assert.deepEqual([await names(), asked], [['[::1]:2'], 3]);
  answer = new Promise(() => undefined);
  assert.deepEqual([await names(), await names(), asked], [['[::1]:2'], ['[::1]:2'], 4]);
});

test('instances of one machine take the ports from the given one on; where nothing can listen that is told', async () => {
  const port = addresses()[0]?.port ?? 0;
  assert.ok((await listen(one.states, port)) > port);
  const elsewhere = listening(TOKEN);
  await assert.rejects(
    listenForOthers(one.states, {
      ...elsewhere,
      // of a network for documentation: no machine has it
      stateListener: { ...elsewhere.stateListener, host: '192.0.2.1' },
    }),
    (error: unknown) => error instanceof Failure && error.field === 'MILLRACE_STATE_HOST',
  );
  assert.equal(await listenForOthers(one.states, { stateListener: null, stateToken: TOKEN }), null);
});
