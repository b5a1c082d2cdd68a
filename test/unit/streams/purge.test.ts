// Internal topics do not grow for ever: what was committed of them is deleted, what was not stays, and so does every other topic.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { json } from '../../../streams/builder/format.ts';
import { topology } from '../../../streams/builder/topology.ts';
import { type LogAdmin, type PartitionOffset } from '../../../streams/log.ts';
import { type ApplicationSpec, type SubTopology } from '../../../streams/processor.ts';
import { Purge } from '../../../streams/purge.ts';
import { Standing } from '../../../streams/queries/standing.ts';
import { TestDriver } from '../../../streams/testing/test-driver.ts';

interface Payment {
  readonly card: string;
}

const LONG_MS = 31_000;
const payment = (card: string, timestampMs: number, partition = 0) => ({
  ...{ partition, timestampMs, value: JSON.stringify({ card }) },
});

const counting = topology('cards', ({ stream }) => {
  stream('payments', json<Payment>())
    .keyBy(({ card }) => card, { name: 'by-card' })
    .process<number, number>('count', {
      state: json(),
      each: (_, { state = 0, setState, emit }) => {
        setState(state + 1);
        emit(state + 1);
      },
    })
    .to('counts', json());
});

const INTERNAL = '.internal.cards.by-card';

test('what was committed of an internal topic is deleted after half a minute; sources, outputs and the state stay', async () => {
  const driver = await TestDriver.start({ spec: counting });
  const counts = (): string[] => driver.outputs('counts').map(({ key, value }) => `${String(key)} ${String(value)}`);
  await driver.pipe('payments', [payment('c1', 1), payment('c2', 2), payment('c1', 3)]);
  await driver.advanceTo(10);
  await driver.advanceWallClock(LONG_MS);
  assert.deepEqual(driver.outputs(INTERNAL), []);
  assert.equal(driver.outputs('payments').length, 3);
  assert.deepEqual(counts(), ['c1 1', 'c2 1', 'c1 2']);
  await driver.restart();
  await driver.pipe('payments', [payment('c1', 20)]);
  await driver.advanceTo(30);
  assert.deepEqual(counts(), ['c1 3']);
  await driver.close();
});

test('nothing is deleted sooner', async () => {
  const driver = await TestDriver.start({ spec: counting });
  await driver.pipe('payments', [payment('c1', 1)]);
  await driver.advanceTo(10);
  assert.equal(driver.outputs(INTERNAL).length, 1);
  await driver.close();
});

test('what waits for its time in an internal topic stays until it was taken', async () => {
  const driver = await TestDriver.start({ spec: counting, partitions: { payments: 2 } });
  // the other partition may still bring something earlier
  await driver.pipe('payments', [payment('c1', 1), payment('c1', 2)]);
  await driver.advanceWallClock(LONG_MS);
  await driver.restart();
  assert.deepEqual(driver.outputs('counts'), []);
  await driver.advanceTo(10);
  assert.deepEqual(
    driver.outputs('counts').map(({ value }) => String(value)),
    ['1', '2'],
  );
  await driver.advanceWallClock(LONG_MS);
  assert.deepEqual(driver.outputs(INTERNAL), []);
  await driver.close();
});

test('both halves of a foreign-key join', async () => {
  const joined = topology('j', ({ table }) => {
    table('orders', json<{ customer: string }>())
      .joinForeignKey('named', table('customers', json<{ name: string }>()), {
        ...{ kind: 'inner', lateness: '1m', foreignKey: ({ customer }) => customer },
        join: (_, { name }) => name,
      })
      .to('named', json());
  });
  const driver = await TestDriver.start({ spec: joined });
  await driver.pipe('customers', [{ key: 'c', value: '{"name":"n"}', timestampMs: 1 }]);
  await driver.pipe('orders', [{ key: 'o', value: '{"customer":"c"}', timestampMs: 2 }]);
  await driver.advanceTo(10);
  await driver.advanceWallClock(LONG_MS);
  assert.equal(driver.outputs('named').length, 1);
  for (const half of ['subscriptions', 'responses']) assert.deepEqual(driver.outputs(`.internal.j.named.${half}`), []);
  await driver.close();
});

const AT = { topic: 'own', partition: 1 };

/** A purge of `own` by a clock that the test moves, and a log that does as it is told. */
function purging() {
  let nowMs = 0;
  let answer: () => Promise<void> = async () => undefined;
  const asked: (readonly PartitionOffset[])[] = [];
  const notices: string[] = [];
  const admin: Pick<LogAdmin, 'deleteRecords'> = {
    deleteRecords: (before) => {
      asked.push(before);
      return answer();
    },
  };
  const one: Partial<SubTopology<never>> = { name: 'one', topics: ['own', 'given'], internalTopics: ['own'] };
  const spec: ApplicationSpec = { id: 'a', subTopologies: [one as SubTopology<never>] };
  const clock = { nowMs: () => 0, monotonicMs: () => nowMs, sleep: async () => undefined };
  const purge = new Purge({ spec, admin, clock, notice: (text) => notices.push(text) });
  const standing = new Standing([
    { ...AT, offset: 0 },
    { topic: 'given', partition: 1, offset: 7 },
  ]);
  return {
    ...{ asked, notices, standing },
    answers: (how: typeof answer) => {
      answer = how;
    },
    after: async (ms: number) => {
      nowMs += ms;
      purge.whenDue([{ standing }]);
      await new Promise(setImmediate);
    },
  };
}

test('only what is new is asked for, and one request at a time', async () => {
  const { asked, standing, answers, after } = purging();
  await after(LONG_MS);
  assert.deepEqual(asked, [], 'nothing is committed yet');
  standing.moved([{ ...AT, offset: 5, metadata: '' }]);
  await after(LONG_MS);
  await after(LONG_MS);
  assert.deepEqual(asked.splice(0), [[{ ...AT, offset: 5 }]]);
  const { promise, resolve } = Promise.withResolvers<void>();
  answers(() => promise);
  for (const offset of [6, 7]) {
    standing.moved([{ ...AT, offset, metadata: '' }]);
    await after(LONG_MS);
  }
  assert.deepEqual(asked.splice(0), [[{ ...AT, offset: 6 }]]);
  resolve();
  await after(0);
  await after(LONG_MS);
  assert.deepEqual(asked, [[{ ...AT, offset: 7 }]]);
});

test('one that fails is told once, and tried again after the interval', async () => {
  const { asked, notices, standing, answers, after } = purging();
  standing.moved([{ ...AT, offset: 5, metadata: '' }]);
  answers(() => Promise.reject(new Error('not allowed')));
  for (let round = 0; round < 3; round += 1) await after(LONG_MS);
  await after(1);
  assert.equal(asked.length, 3);
  assert.equal(notices.length, 1);
  assert.match(notices[0] ?? '', /not allowed/);
  answers(async () => undefined);
  await after(LONG_MS);
  await after(LONG_MS);
  assert.equal(asked.length, 4);
});
