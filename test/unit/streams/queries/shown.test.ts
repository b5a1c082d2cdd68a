// States that are no JSON of themselves, as who reads them from outside is told; and reads of a task that closes.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compile } from '../../../../streams/builder/compile.ts';
import { bytes, json } from '../../../../streams/builder/format.ts';
import { nodeStateSerde } from '../../../../streams/builder/node-state.ts';
import { topology } from '../../../../streams/builder/topology.ts';
import { NO_VERSIONS, versions } from '../../../../streams/builder/versions.ts';
import { windowStep } from '../../../../streams/builder/windowed.ts';
import { TestDriver } from '../../../../streams/testing/test-driver.ts';
import { Standing } from '../../../../streams/queries/standing.ts';

const windows = {
  ...{ windows: { kind: 'session', gap: '1m' } as const, lateness: '0s' },
  features: { count: { function: 'count' }, sum: { function: 'sum', field: 'amount' } } as const,
};

test('windows are shown with their values so far, versions with their instants, bytes in base64', () => {
  const declared = topology('shown', ({ stream }) => {
    const events = stream('events', json<unknown>());
    events.windowed('sessions', windows);
    events.process('rates', { state: versions(json<number>()), each: () => undefined });
    events.process('raw', { state: bytes, each: () => undefined });
  });
  const names = { partitions: new Map(), internalTopic: (name: string) => name, changelogTopic: () => 'changelog' };
  const [stage] = compile(declared, names).spec.subTopologies;
  assert.ok(stage !== undefined && stage.kind !== 'direct');
  const step = windowStep('sessions', windows);
  const serde = nodeStateSerde([
    { name: 'sessions', state: step.state },
    { name: 'rates', state: versions(json()) },
    { name: 'raw', state: bytes },
  ]);
  let row: unknown;
  const context = { key: 'k', timeMs: 0, emit: () => undefined, headers: [], setTimer: () => undefined };
  for (const [eventTimeMs, amount] of [
    [1000, 2],
    [2000, 5],
  ] as const)
    step.each(
      { amount },
      {
        ...context,
        eventTimeMs,
        ...{ state: row as never, setState: (next: unknown) => (row = next) },
      },
    );
  const shown = (node: number, value: unknown): unknown => {
    const bytesOfRow = serde.encode({ node, timerMs: null, value });
    return JSON.parse(JSON.stringify(stage.readable?.[node]?.show(bytesOfRow)));
  };
  assert.deepEqual(shown(0, row), { value: [{ firstMs: 1000, lastMs: 2000, values: { count: 2, sum: 7 } }] });
  assert.deepEqual(shown(1, NO_VERSIONS.put(5, 1 as never)), {
    value: { historyFromMs: null, versions: [{ validFromMs: 5, value: 1 }] },
  });
  assert.deepEqual(shown(2, Buffer.from('hi')), { value: 'aGk=' });
  assert.equal(stage.readable?.[2]?.show(serde.encode({ node: 2, timerMs: 5, value: undefined })), null);
});

test('joins are shown with the values that they keep', async () => {
  const spec = topology('joins', ({ stream, table }) => {
    const rates = table('rates', json<number>());
    const names = table('names', json<{ rate: string }>());
    stream('orders', json<number>()).asOf('rated', rates, {
      ...{ kind: 'left', lateness: '1m', join: (order) => order },
    });
    stream('asked', bytes).joinLabels('answered', stream('answers', json<number>()), {
      ...{ kind: 'inner', lateness: '1m', horizon: '1h', join: () => 0 },
    });
    names.joinForeignKey('by-rate', rates, {
      ...{ kind: 'left', lateness: '1m', foreignKey: ({ rate }) => rate, join: (name) => name },
    });
  });
  const driver = await TestDriver.start({ spec, live: true });
  const pipe = (topic: string, value: string): Promise<void> =>
    driver.pipe(topic, [{ key: 'k', value, timestampMs: 1000 }]);
  await pipe('rates', '2');
  await pipe('asked', 'hi');
  await pipe('answers', '3');
  await pipe('names', '{"rate":"k"}');
  const told = async (store: string): Promise<Record<string, unknown>> =>
    (await driver.read(store, { kind: 'keys', keys: ['k'] }))[0]?.value as Record<string, unknown>;
  assert.match(JSON.stringify(await told('rated')), /"versions":\[\{.*"value":2[,}]/);
  const labelled = JSON.stringify(await told('answered'));
  assert.match(labelled, /"predictions":\[\{.*"value":"aGk="/);
  assert.match(labelled, /"labels":\[\{.*"value":3[,}]/);
  assert.match(JSON.stringify(await told('by-rate')), /"row":\{.*"value":\{"rate":"k"\}/);
  assert.match(JSON.stringify(await told('by-rate right')), /"row":\{.*"value":2[,}]/);
  await driver.close();
});

test('a task that closes lets reads end first, and sends away who waits', async () => {
  const standing = new Standing([{ topic: 'in', partition: 0, offset: 3 }]);
  assert.deepEqual(standing.position, { in: { 0: 2 } });
  const reading = Promise.withResolvers<string>();
  const order: string[] = [];
  const read = standing.read(() => reading.promise).then((value) => order.push(`read ${value}`));
  const waiting = standing.reached({ in: { 0: 3 } }, new Promise(() => undefined));
  const closed = standing.close().then(() => order.push('closed'));
  assert.equal(await waiting, 'closed');
  reading.resolve('rows');
  await Promise.all([read, closed]);
  assert.deepEqual(order, ['read rows', 'closed']);
  assert.equal(await standing.read(async () => 'more'), null);
});

test('what a bound says of other partitions is not waited for', async () => {
  const standing = new Standing([{ topic: 'in', partition: 1, offset: 0 }]);
  assert.equal(await standing.reached({ in: { 0: 9, 1: -1 } }, Promise.resolve()), 'reached');
  assert.equal(await standing.reached({ in: { 1: 0 } }, Promise.resolve()), 'late');
  standing.moved([{ topic: 'in', partition: 1, offset: 1, metadata: '' }]);
  assert.equal(await standing.reached({ in: { 1: 0 } }, Promise.resolve()), 'reached');
});
