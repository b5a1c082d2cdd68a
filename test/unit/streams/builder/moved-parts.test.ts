// A topology that is changed between two runs so that something would not find its state, or read what was meant for another.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type DeclaredTopology } from '../../../../streams/builder/declaration.ts';
import { json } from '../../../../streams/builder/format.ts';
import { type Stream } from '../../../../streams/builder/stream.ts';
import { type TopologyBuilder, topology } from '../../../../streams/builder/topology.ts';
import { TestDriver } from '../../../../streams/testing/test-driver.ts';

interface Row {
  readonly id: string;
}

const declare = (steps: (builder: TopologyBuilder) => void): DeclaredTopology => topology('t', steps);
const idOf = ({ id }: Row): string => id;
const counted = (stream: Stream<Row>, name: string): void =>
  stream
    .process<number, string>(name, {
      state: json(),
      each: (_, { state = 0, setState, emit }) => {
        setState(state + 1);
        emit(`${name} ${state + 1}`);
      },
    })
    .to(`${name}-out`, json());

const behindKeyBy = declare(({ stream }) => counted(stream('a', json<Row>()).keyBy(idOf), 'x'));
const copied = declare(({ stream }) => stream('a', json<Row>()).keyBy(idOf).to('copy', json()));

/** One record through `before`, then `after` is started in its place; gives what comes out for one more. */
async function changed(before: DeclaredTopology, after: DeclaredTopology, output: string): Promise<string[]> {
  const driver = await TestDriver.start({ spec: before, live: true });
  const record = { key: 'k', value: '{"id":"i"}' };
  await driver.pipe('a', [record]);
  driver.outputs(output);
  try {
    await driver.restart(after);
    await driver.pipe('a', [record]);
    assert.deepEqual(driver.deadLetters(), []);
    return driver.outputs(output).map(({ value }) => String(value));
  } finally {
    await driver.close();
  }
}

const refused = (field: string, message: RegExp): object => ({
  ...{ name: 'Failure', code: 'invalid_definition', field, message, fix: /name/ },
});

test('a keyBy without a name, declared before: the topic of the other is refused, and said whose it was', async () => {
  const two = declare(({ stream }) => {
    const a = stream('a', json<Row>());
    counted(a.keyBy(idOf), 'y');
    counted(a.keyBy(idOf), 'x');
  });
  await assert.rejects(
    changed(behindKeyBy, two, 'x-out'),
    refused('x', /x is part of stage-2 now; what it keeps lies in stage-1/),
  );
});

test('the same with a name, or behind it: the state goes on', async () => {
  const before = declare(({ stream }) => {
    const a = stream('a', json<Row>());
    counted(a.keyBy(idOf, { name: 'new' }), 'y');
    counted(a.keyBy(idOf), 'x');
  });
  const behind = declare(({ stream }) => {
    const a = stream('a', json<Row>());
    counted(a.keyBy(idOf), 'x');
    counted(a.keyBy(idOf), 'y');
  });
  assert.deepEqual(await changed(behindKeyBy, before, 'x-out'), ['"x 2"']);
  assert.deepEqual(await changed(behindKeyBy, behind, 'x-out'), ['"x 2"']);
});

test('a source without a name, declared before, is refused; with one the state goes on', async () => {
  const withSource = (name: string | undefined): DeclaredTopology =>
    declare(({ stream }) => {
      counted(stream('b', json<Row>(), name === undefined ? {} : { name }), 'y');
      counted(stream('a', json<Row>()).keyBy(idOf), 'x');
    });
  await assert.rejects(
    changed(behindKeyBy, withSource(undefined), 'x-out'),
    refused('x', /x is part of stage-2 now; what it keeps lies in stage-1/),
  );
  assert.deepEqual(await changed(behindKeyBy, withSource('new'), 'x-out'), ['"x 2"']);
});

test('what has no state: an internal topic that something else would read is refused', async () => {
  const two = declare(({ stream }) => {
    const a = stream('a', json<Row>());
    counted(a.keyBy(idOf), 'y');
    a.keyBy(idOf).to('copy', json());
  });
  await assert.rejects(
    changed(copied, two, 'copy'),
    refused('copy', /\.internal\.t\.1 holds what was meant for copy; something else would read it/),
  );
});

test('a name for what ran without one is refused: its state lies under the place', async () => {
  const named = declare(({ stream }) => counted(stream('a', json<Row>()).keyBy(idOf, { name: 'by-id' }), 'x'));
  await assert.rejects(
    changed(behindKeyBy, named, 'x-out'),
    refused('x', /x is part of by-id now; what it keeps lies in stage-1/),
  );
});

test('what is taken out is no reason, and an output that is written elsewhere beside it is none', async () => {
  const other = declare(({ stream }) => counted(stream('a', json<Row>()).keyBy(idOf), 'y'));
  assert.deepEqual(await changed(behindKeyBy, other, 'y-out'), ['"y 1"']);
  const both = declare(({ stream }) => {
    const a = stream('a', json<Row>());
    counted(a.keyBy(idOf), 'x');
    a.to('copy', json());
  });
  const without = declare(({ stream }) => {
    const a = stream('a', json<Row>());
    counted(a.keyBy(idOf), 'x');
    a.keyBy(idOf).to('copy', json());
  });
  assert.deepEqual(await changed(both, without, 'x-out'), ['"x 2"']);
});

test('an internal topic with other partitions than are needed is refused', async () => {
  const from = (topic: string): DeclaredTopology =>
    declare(({ stream }) => counted(stream(topic, json<Row>()).keyBy(idOf), `of-${topic}`));
  const driver = await TestDriver.start({ spec: from('a'), partitions: { a: 2, b: 3 }, live: true });
  await assert.rejects(driver.restart(from('b')), refused('.internal.t.1', /has 2 partitions, and is needed with 3/));
  await driver.close();
});
