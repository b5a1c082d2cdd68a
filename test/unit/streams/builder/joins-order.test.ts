// What comes first among messages of one key and one instant: the same in every run, however their writers' commits lay.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { json, text } from '../../../../streams/builder/format.ts';
import { topology } from '../../../../streams/builder/topology.ts';
import { TestDriver, type TestRecord } from '../../../../streams/testing/test-driver.ts';

interface Named {
  readonly key: string;
  readonly id: string;
}

const spec = topology('ties', ({ stream }) => {
  const rows = stream('rows', json<Named>()).keyBy(({ key }) => key);
  const asked = stream('asked', json<Named>()).keyBy(({ key }) => key);
  const tells = { kind: 'left', lateness: '0s' } as const;
  rows
    .table()
    .join('joined', asked.table(), { ...tells, join: ({ id }) => id })
    .to('tables', text);
  asked
    .asOf('seen', rows.table(), { ...tells, join: (_asked, row) => row?.id ?? 'none' })
    .map((id) => id, text)
    .to('as-of', text);
  rows
    .joinLabels('labelled', rows, { ...tells, horizon: '0ms', join: (left, right) => `${left.id} ${right?.id}` })
    .map((pair) => pair, text)
    .to('labels', text);
  rows
    .process<Named, Named>('newest', {
      state: json(),
      each: (row, { setState }) => setState(row),
    })
    .to('none', json());
});

async function lastOf(order: readonly number[]): Promise<unknown[]> {
  const driver = await TestDriver.start({ spec, partitions: { rows: 2, asked: 1 } });
  const at = (timestampMs: number, key: string, id: string): TestRecord => ({
    ...{ timestampMs, value: JSON.stringify({ key, id }) },
  });
  for (const partition of order)
    await driver.pipe('rows', [
      { partition, ...at(100, 'x', `of ${partition}`) },
      { partition, ...at(200, 'y', `later of ${partition}`) },
    ]);
  await driver.pipe('asked', [at(150, 'x', 'asked')]);
  await driver.advanceTo(1000);
  const last = (topic: string): string | undefined =>
    driver
      .outputs(topic)
      .filter(({ key }) => key?.toString() === 'x')
      .at(-1)
      ?.value?.toString();
  const newest = driver.stateOf('newest', 'x') as Named | undefined;
  const told = [last('tables'), last('as-of'), last('labels'), newest?.id];
  await driver.close();
  return told;
}

test('of two partitions that were moved to one key, the same record comes last in every run, and in every join and step', async () => {
  const expected = ['of 1', 'of 1', 'of 1 of 1', 'of 1'];
  assert.deepEqual(await lastOf([0, 1]), expected);
  assert.deepEqual(await lastOf([1, 0]), expected);
});

test('a stream that is joined with a table of its own meets the row that the record has made', async () => {
  const own = topology('own', ({ stream }) => {
    const events = stream('events', text);
    events
      .asOf('seen', events.table(), { kind: 'left', lateness: '0s', join: (event, row) => `${event} ${row}` })
      .map((pair) => pair, text)
      .to('out', text);
  });
  const driver = await TestDriver.start({ spec: own });
  await driver.pipe('events', [
    { key: 'k', value: 'a', timestampMs: 1 },
    { key: 'k', value: 'b', timestampMs: 2 },
  ]);
  await driver.advanceTo(10);
  assert.deepEqual(
    driver.outputs('out').map(({ value }) => value?.toString()),
    ['a a', 'b b'],
  );
  await driver.close();
});
