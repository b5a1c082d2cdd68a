// What topics and states are called: by the names that users give, or by their place.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type CompiledTopology, compile } from '../../../../streams/builder/compile.ts';
import { type DeclaredTopology } from '../../../../streams/builder/declaration.ts';
import { describeTopology } from '../../../../streams/builder/describe.ts';
import { json } from '../../../../streams/builder/format.ts';
import { type Stream } from '../../../../streams/builder/stream.ts';
import { type TopologyBuilder, topology } from '../../../../streams/builder/topology.ts';
import { windows } from '../../../../streams/builder/windows.ts';
import { describeApplication } from '../../../../streams/describe-application.ts';
import { everyStep } from '../../../property/streams/builder/every-step.ts';

interface Row {
  readonly id: string;
}

const compiled = (declared: DeclaredTopology): CompiledTopology =>
  compile(declared, {
    partitions: new Map(),
    internalTopic: (name) => name,
    changelogTopic: (application, store) => `${application}/${store}`,
  });

function topicsOf(declared: DeclaredTopology): string[] {
  return compiled(declared)
    .topics.map(({ name }) => name)
    .sort();
}

const counted = (stream: Stream<Row>, name: string): Stream<number> =>
  stream.process<number, number>(name, { state: json(), each: (_, { state = 0, setState }) => setState(state + 1) });
const idOf = ({ id }: Row): string => id;
const declare = (steps: (builder: TopologyBuilder) => void): DeclaredTopology => topology('t', steps);

test('without names everything is called as ever: by its place', () => {
  assert.deepEqual(topicsOf(everyStep), [
    'every.1',
    'every.grouped',
    'every.named.responses',
    'every.named.subscriptions',
    'every/grouped',
    'every/stage-0',
    'every/stage-1',
  ]);
  const two = declare(({ stream }) => {
    const a = stream('a', json<Row>());
    counted(a.keyBy(idOf), 'x');
    counted(a.map((row) => row).keyBy(idOf, json<Row>()), 'y');
    counted(stream('b', json<Row>()), 'z');
  });
  assert.deepEqual(topicsOf(two), ['t.1', 't.2', 't/stage-1', 't/stage-2', 't/stage-3']);
});

test('a name names the internal topic and the state behind it; what has none is counted as if it were not there', () => {
  const mixed = declare(({ stream, table }) => {
    counted(stream('first', json<Row>(), { name: 'first' }), 'u');
    const a = stream('a', json<Row>());
    counted(a.keyBy(idOf, { name: 'by-id' }), 'v');
    counted(a.map(({ id }) => ({ id })).keyBy(idOf, { name: 'by_id2', format: json<Row>() }), 'w');
    counted(a.keyBy(idOf, json<Row>()), 'x');
    table('rows', json<Row>(), { name: 'rows' }).join('both', table('more', json<Row>()), {
      ...{ kind: 'inner', lateness: '1s' },
      join: (left) => left,
    });
    counted(stream('b', json<Row>()), 'z');
  });
  assert.deepEqual(topicsOf(mixed), [
    ...['t.1', 't.by-id', 't.by_id2'],
    ...['t/by-id', 't/by_id2', 't/first', 't/rows', 't/stage-1', 't/stage-2'],
  ]);
});

test('where named parts meet, the first of them in the alphabet names the state, whatever the order', () => {
  const met = (...order: readonly string[]): DeclaredTopology =>
    declare(({ stream }) => {
      const a = stream('a', json<Row>());
      const parts = new Map(order.map((name) => [name, a.keyBy(idOf, { name })]));
      const [left, right] = [parts.get('left'), parts.get('right')];
      if (left === undefined || right === undefined) throw new Error('left and right are to be among them');
      left.joinWithin('near', right, {
        ...{ kind: 'inner', before: '1s', after: '1s', lateness: '1s' },
        join: (row) => row,
      });
    });
  assert.deepEqual(topicsOf(met('left', 'right')), ['t.left', 't.right', 't/left']);
  assert.deepEqual(topicsOf(met('right', 'left')), ['t.left', 't.right', 't/left']);
});

test('names are shown', () => {
  const declared = declare(({ stream }) => {
    counted(stream('payments', json<Row>()).keyBy(idOf, { name: 'payments-by-id' }), 'per-id').to('out', json());
  });
  assert.equal(
    describeTopology(declared),
    [
      't',
      '  stage-0         payments',
      '                    keyBy',
      '                      → t.payments-by-id (internal)',
      '  payments-by-id  t.payments-by-id (internal)',
      '                    per-id [state]',
      '                      → out',
    ].join('\n'),
  );
  const { subTopologies } = describeApplication(compiled(declared).spec, (store) => `t/${store}`);
  assert.deepEqual(
    subTopologies.map(({ name, sources, store }) => ({ name, sources, changelog: store?.changelog })),
    [
      { name: 'stage-0', sources: ['payments'], changelog: undefined },
      { name: 'payments-by-id', sources: ['t.payments-by-id'], changelog: 't/payments-by-id' },
    ],
  );
});

const refusals: readonly (readonly [what: string, field: string, steps: (builder: TopologyBuilder) => void])[] = [
  ['capitals', 'keyBy: name', ({ stream }) => stream('a', json<Row>()).keyBy(idOf, { name: 'ById' })],
  ['a dot', 'keyBy: name', ({ stream }) => stream('a', json<Row>()).keyBy(idOf, { name: 'by.id' })],
  ['nothing', 'keyBy: name', ({ stream }) => stream('a', json<Row>()).keyBy(idOf, { name: '' })],
  ['a number, as places have', 'keyBy: name', ({ stream }) => stream('a', json<Row>()).keyBy(idOf, { name: '1' })],
  ['the name of a place', 'stream a: name', ({ stream }) => stream('a', json<Row>(), { name: 'stage-1' })],
  ['a half of a join', 'keyBy: name', ({ stream }) => stream('a', json<Row>()).keyBy(idOf, { name: 'responses' })],
  ['a space in a table', 'table a: name', ({ table }) => table('a', json<Row>(), { name: 'a b' })],
  [
    'an option that is misspelt',
    'keyBy: nmae',
    ({ stream }) => stream('a', json<Row>()).keyBy(idOf, { nmae: 'x' } as object),
  ],
  [
    'one twice',
    'keyBy: name',
    ({ stream }) => stream('a', json<Row>(), { name: 'x' }).keyBy(idOf, { name: 'x' }).to('out', json()),
  ],
  [
    'one that declared windows have',
    'windows x: name',
    (builder) => {
      builder.stream('a', json<Row>(), { name: 'x' });
      windows(builder, 'x', {
        ...{ from: { topic: 'b', format: 'json' }, step: '1h', lateness: '1h' },
        features: { n: { function: 'count', window: '1h' } },
      }).to('out', { format: 'json' });
    },
  ],
];

for (const [what, field, steps] of refusals)
  test(`no name: ${what}`, () => {
    assert.throws(() => declare(steps), { name: 'Failure', code: 'invalid_definition', field, fix: /\S/ });
  });

test('a step may be called as the keyBy before it', () => {
  const declared = declare(({ stream }) => {
    counted(stream('a', json<Row>()).keyBy(idOf, { name: 'per-id' }), 'per-id').to('out', json());
  });
  assert.deepEqual(topicsOf(declared), ['t.per-id', 't/per-id']);
});
