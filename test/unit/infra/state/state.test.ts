// Reading states from outside: any instance answers for all, as of a position, while partitions move.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { systemClock } from '../../../../infra/clock.ts';
import { buildGateway } from '../../../../serving/gateway.ts';
import { portOf } from '../../../../infra/roles/health-server.ts';
import { placesIn } from '../../../../infra/state/places.ts';
import { stateRoutes } from '../../../../infra/state/state-routes.ts';
import { StateRouter } from '../../../../infra/state/state-router.ts';
import { json } from '../../../../streams/builder/format.ts';
import { topology } from '../../../../streams/builder/topology.ts';
import { partitionOfKey } from '../../../../streams/murmur2.ts';
import { type Position } from '../../../../streams/queries/question.ts';
import { Instances, type RunningInstance, shared } from './instances.ts';

const PARTITIONS = 4;
const declared = topology('spending', ({ stream }) => {
  const payments = stream('payments', json<number>());
  payments.process('spent', {
    state: json<number>(),
    each: (amount, { state = 0, setState }) => setState(amount < 0 ? undefined : state + amount),
  });
  // beside the other in the same store: its rows must not be taken for it
  payments.process('count', {
    state: json<{ times: number }>(),
    each: (_amount, { state = { times: 0 }, setState }) => setState({ times: state.times + 1 }),
  });
  payments.process('broken', {
    state: json<number>(),
    each: (amount, { setState }) => setState(amount),
    show: () => {
      throw new TypeError('not to be shown');
    },
  });
});

const instances = new Instances(declared, new Map([['payments', PARTITIONS]]));
let one: RunningInstance;
let two: RunningInstance;

before(async () => {
  one = await instances.start('one');
  two = await instances.start('two');
  await shared([one, two], PARTITIONS);
});
after(async () => {
  await one.stop();
  await two.stop();
  instances.close();
});

const payment = (key: string, amount: number, partition?: number) => ({
  ...{ topic: 'payments', key: Buffer.from(key), value: Buffer.from(JSON.stringify(amount)) },
  ...(partition === undefined ? {} : { partition }),
});

interface Told {
  readonly status: number;
  // what a test expects of it, it says
  readonly body: Readonly<Record<string, unknown>>;
}

async function ask(at: RunningInstance, path: string, init: RequestInit = {}): Promise<Told> {
  const answer = await fetch(`http://127.0.0.1:${portOf(at.server)}${path}`, init);
  return { status: answer.status, body: (await answer.json()) as Told['body'] };
}

const boundText = (position: Position): string => encodeURIComponent(JSON.stringify(position));

/** Where the default partitioner puts a key, and a key for a partition. */
const partitionOf = (key: string): number => partitionOfKey(Buffer.from(key), PARTITIONS);
function keyIn(isWanted: (partition: number) => boolean, name: string): string {
  for (let number = 0; ; number += 1) if (isWanted(partitionOf(`${name}${number}`))) return `${name}${number}`;
}
const isOf = ({ application }: RunningInstance) => {
  const own = new Set(application.status().tasks.map(({ partition }) => partition));
  return (partition: number) => own.has(partition);
};

test('both instances answer the same of all keys: one, many, and ranges in byte order, page by page', async () => {
  const keys = ['a/b', 'é', '\u{1F600}', '\uFFFD', '0', ...Array.from({ length: 60 }, (_, number) => `k${number}`)];
  const written = [...keys.entries(), ...keys.entries()].map(([number, key]) => ({ key, amount: number + 1 }));
  const sums = new Map<string, number>();
  for (const { key, amount } of written) sums.set(key, (sums.get(key) ?? 0) + amount);
  const position = await instances.produce(written.map(({ key, amount }) => payment(key, amount)));
  for (const at of [one, two]) {
    for (const [key, sum] of sums) {
      const path = `/state/spending/spent/${encodeURIComponent(key)}?position=${boundText(position)}`;
      const { status, body } = await ask(at, path);
      assert.deepEqual([status, body['key'], body['found'], body['value']], [200, key, true, sum]);
      const reached = (body['position'] as Position)['payments']?.[partitionOf(key)] ?? -1;
      assert.ok(reached >= (position['payments']?.[partitionOf(key)] ?? 0), JSON.stringify(body));
    }
    const many = await ask(at, '/state/spending/count', {
      method: 'POST',
      body: JSON.stringify({ keys: ['é', 'nobody', 'k3'] }),
    });
    assert.deepEqual(many.body['rows'], [
      { key: 'é', found: true, value: { times: 2 } },
      { key: 'nobody', found: false, value: null },
      { key: 'k3', found: true, value: { times: 2 } },
    ]);
    const ordered = [...sums]
      .map(([key, value]) => ({ key, value }))
      .sort((a, b) => Buffer.compare(Buffer.from(a.key), Buffer.from(b.key)));
    const pages: unknown[] = [];
    for (let from: string | null = ''; from !== null;) {
      const page = await ask(at, `/state/spending/spent?limit=7&from=${encodeURIComponent(from)}`);
      pages.push(...(page.body['rows'] as unknown[]));
      from = page.body['next'] as string | null;
    }
    assert.deepEqual(pages, ordered);
    const part = await ask(at, '/state/spending/spent?from=k2&to=k3');
    assert.deepEqual(
      part.body['rows'],
      ordered.filter(({ key }) => key >= 'k2' && key < 'k3'),
    );
  }
});

test('a write is read through the instance that does not own its key; one asked for before it comes is waited for', async () => {
  const key = keyIn(isOf(two), 'own');
  const earlier = await instances.produce([payment(key, 1)]);
  const [[, offset = 0] = []] = Object.entries(earlier['payments'] ?? {});
  const later: Position = { payments: { [partitionOf(key)]: offset + 1 } };
  const waiting = ask(one, `/state/spending/spent/${key}?wait_ms=30000`, {
    headers: { position: JSON.stringify(later) },
  });
  const read = await ask(one, `/state/spending/spent/${key}?position=${boundText(earlier)}`);
  assert.equal(read.body['value'], 1);
  await instances.produce([payment(key, 10)]);
  assert.equal((await waiting).body['value'], 11);
  const gone = await instances.produce([payment(key, -1)]);
  const { status, body } = await ask(one, `/state/spending/spent/${key}?position=${boundText(gone)}`);
  assert.deepEqual([status, body['found'], body['value']], [200, false, null]);
});

test('a bound that is not reached in time fails, and says how far the state is', async () => {
  const key = keyIn(isOf(two), 'far');
  const position = await instances.produce([payment(key, 1)]);
  const [[partition, offset = 0] = []] = Object.entries(position['payments'] ?? {});
  await ask(one, `/state/spending/spent/${key}?position=${boundText(position)}`);
  const far = boundText({ payments: { [Number(partition)]: offset + 1000 } });
  const { status, body } = await ask(one, `/state/spending/spent/${key}?position=${far}&wait_ms=30`);
  assert.deepEqual([status, body['code'], body['field']], [503, 'not_ready', 'position']);
  // the memory log puts an end-of-transaction mark behind records of transactions alone
  assert.match(String(body['error']), new RegExp(`payments ${partition} at offset ${offset} of ${offset + 1000}\\.`));
});

test('what is not committed is not read', async () => {
  const slow = new Instances(declared, new Map([['payments', 1]]));
  const only = await slow.start('slow', 60_000);
  await shared([only], 1);
  const position = await slow.produce([payment('a', 5)]);
  while (only.application.status().processed === 0) await systemClock.sleep(5);
  const early = await ask(only, '/state/spending/spent/a');
  assert.deepEqual([early.body['found'], early.body['position']], [false, { payments: { 0: -1 } }]);
  const bound = await ask(only, `/state/spending/spent/a?wait_ms=20&position=${boundText(position)}`);
  assert.equal(bound.status, 503);
  await only.stop();
  slow.close();
});

test('a key that its producer put in another partition than the default is found there', async () => {
  const key = keyIn((partition) => partition !== 3, 'elsewhere');
  const position = await instances.produce([payment(key, 7, 3)]);
  const { body } = await ask(one, `/state/spending/spent/${key}?position=${boundText(position)}`);
  assert.equal(body['value'], 7);
});

test('the gateway answers under the same paths', async () => {
  const position = await instances.produce([payment('gate', 4), payment('gate way', 5)]);
  const gateway = await buildGateway({
    ready: () => true,
    routes: [stateRoutes(async () => placesIn(instances.folder), systemClock)],
  });
  const one = await gateway.inject(`/state/spending/spent/gate%20way?position=${boundText(position)}`);
  assert.deepEqual([one.statusCode, one.json<{ value: unknown }>().value], [200, 5]);
  const many = await gateway.inject({ method: 'POST', url: '/state/spending/spent', payload: { keys: ['gate'] } });
  assert.deepEqual(many.json<{ rows: unknown }>().rows, [{ key: 'gate', found: true, value: 4 }]);
  assert.equal((await gateway.inject('/state/spending/nothing')).json<{ field: string }>().field, 'store');
  assert.equal((await gateway.inject('/state')).json<{ stores: unknown[] }>().stores.length, 3);
  await gateway.close();
});

test('wrong questions are told what is wrong with them', async () => {
  const wrong = async (path: string, init?: RequestInit) => {
    const { status, body } = await ask(one, path, init);
    assert.match(String(body['error']), /\. .+\.$/, 'says what to do');
    return [status, body['code'], body['field']];
  };
  assert.deepEqual(await wrong('/state/nothing/spent/a'), [404, 'unknown_name', 'application']);
  assert.deepEqual(await wrong('/state/spending/nothing/a'), [404, 'unknown_name', 'store']);
  assert.deepEqual(await wrong('/state/spending'), [404, 'unknown_name', 'path']);
  assert.deepEqual(await wrong('/state/spending/spent/a?position={"x":1}'), [400, 'invalid_field', 'position']);
  assert.deepEqual(await wrong('/state/spending/spent/a?position={"x":{"0":1}}'), [404, 'unknown_name', 'position']);
  assert.deepEqual(await wrong('/state/spending/spent/a?wait_ms=soon'), [400, 'invalid_field', 'wait_ms']);
  assert.deepEqual(await wrong('/state/spending/spent?limit=-1'), [400, 'invalid_field', 'limit']);
  assert.deepEqual(await wrong('/state/spending/spent/%ff'), [400, 'invalid_request', 'key']);
  const post = (body: string): RequestInit => ({ method: 'POST', body });
  assert.deepEqual(await wrong('/state/spending/spent', post('{"keys":1}')), [400, 'invalid_field', 'keys']);
  assert.deepEqual(await wrong('/state/spending/spent', post('{')), [400, 'invalid_request', '']);
});

test('what cannot be shown is told, and not looked for elsewhere', async () => {
  const position = await instances.produce([payment('hidden', 1)]);
  const { status, body } = await ask(one, `/state/spending/broken/hidden?position=${boundText(position)}`);
  assert.deepEqual([status, body['code']], [500, 'internal']);
  assert.match(String(body['error']), /not to be shown/);
});

test('what can be asked for is listed; a key whose partition has moved is found with its new owner', async () => {
  const all = [0, 1, 2, 3];
  const store = (name: string, owned: number[]) => ({
    ...{ application: 'spending', store: name, sources: ['payments'], partitions: PARTITIONS, owned },
  });
  assert.deepEqual((await ask(two, '/state')).body, {
    stores: [store('broken', all), store('count', all), store('spent', all)],
  });

  const key = keyIn(isOf(two), 'moves');
  const position = await instances.produce([payment(key, 3)]);
  // these know the old owner
  const router = new StateRouter(async () => placesIn(instances.folder), systemClock);
  const at = { application: 'spending', store: 'spent' };
  const bound = { atLeast: position, waitMs: 30_000 };
  assert.equal((await router.keys(at, [key], bound)).rows[0]?.value, 3);
  assert.equal((await ask(one, `/state/spending/spent/${key}`)).body['value'], 3);
  await two.stop();
  const more = await instances.produce([payment(key, 4)]);
  const moved = await ask(one, `/state/spending/spent/${key}?wait_ms=30000&position=${boundText(more)}`);
  assert.equal(moved.body['value'], 7);
  assert.equal((await router.keys(at, [key], { ...bound, atLeast: more })).rows[0]?.value, 7);
  // nobody left, though the port still answers
  await one.application.stop();
  const nobody = await ask(one, `/state/spending/spent/${key}?wait_ms=60`);
  assert.deepEqual([nobody.status, nobody.body['code'], nobody.body['field']], [503, 'not_ready', 'partition']);
});
