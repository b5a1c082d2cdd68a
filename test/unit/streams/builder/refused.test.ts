// What a topology cannot be declared with: told when it is declared, with the field and the fix.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { json } from '../../../../streams/builder/format.ts';
import { type Stream } from '../../../../streams/builder/stream.ts';
import { type TopologyBuilder, topology } from '../../../../streams/builder/topology.ts';
import { windows } from '../../../../streams/builder/windows.ts';

interface Row {
  readonly at: number;
}
type Refusal = readonly [field: string, declare: (builder: TopologyBuilder) => void];

const rows = json<Row>();
const sourceOf = ({ stream }: TopologyBuilder): Stream<Row> => stream('in', rows);
const nothing = { state: json<number>(), each: () => undefined };

function refused(name: string, refusals: readonly Refusal[]): void {
  for (const [field, declare] of refusals)
    test(`${name}: ${field}`, () => {
      assert.throws(() => topology('t', declare), { name: 'Failure', code: 'invalid_definition', field, fix: /\S/ });
    });
}

const COUNTED = { a: { function: 'count', window: '1h' } } as const;
const declared = { from: { topic: 'in', format: 'json' }, step: '1m', features: COUNTED } as const;
const inner = { kind: 'inner', lateness: '0s', join: (left: Row) => left } as const;

for (const id of ['My App!', '', '.', '..', 'x'.repeat(101)])
  test(`no id: ${id.slice(0, 10)}`, () => {
    assert.throws(() => topology(id, (builder) => sourceOf(builder).to('out', rows)), {
      ...{ name: 'Failure', code: 'invalid_definition', field: 'topology: id', fix: /\S/ },
    });
  });

test('names that Kafka takes are names', () => {
  const { id } = topology('My.App_1-x', (builder) => {
    sourceOf(builder).process('A.b_1-x', nothing).to('Out.1_-', json());
  });
  assert.equal(id, 'My.App_1-x');
});

refused('names', [
  ['step A b: name', (builder) => sourceOf(builder).process('A b', nothing)],
  ['step a/b: name', (builder) => sourceOf(builder).process('a/b', nothing)],
  ['step ..: name', (builder) => sourceOf(builder).process('..', nothing)],
  ['step a: name', (builder) => sourceOf(builder).process('a', nothing).process('a', nothing)],
  ['windows A b: name', (builder) => windows(builder, 'A b', declared).to('out', { format: 'json' })],
  [
    'windowed A b: name',
    (builder) =>
      sourceOf(builder).windowed('A b', {
        ...{ windows: { kind: 'session', gap: '1m' }, lateness: '0s', features: { n: { function: 'count' } } },
      }),
  ],
  ['join A b: name', (builder) => sourceOf(builder).asOf('A b', builder.table('t', rows), inner)],
  ['stream a b: topic', ({ stream }) => stream('a b', rows)],
  ['table : topic', ({ table }) => table('', rows)],
  ['to a b: topic', (builder) => sourceOf(builder).to('a b', rows)],
  ['to a/b: topic', ({ table }) => table('in', rows).to('a/b', rows)],
]);

test('a topic that is read cannot be written by what follows from it', () => {
  const circles: ((builder: TopologyBuilder) => void)[] = [
    (builder) => sourceOf(builder).to('in', rows),
    (builder) =>
      sourceOf(builder)
        .keyBy(() => 'k')
        .to('in', rows),
    (builder) => {
      sourceOf(builder).to('on', rows);
      builder.stream('on', rows).to('in', rows);
    },
    (builder) => windows(builder, 'w', declared).to('in', { format: 'json' }),
    (builder) => {
      windows(builder, 'w', declared).to('on', { format: 'json' });
      builder.stream('on', rows).to('in', rows);
    },
  ];
  for (const declare of circles)
    assert.throws(() => topology('t', declare), { code: 'invalid_definition', field: /^(in|on)$/, fix: /\S/ });
  const line = topology('t', (builder) => {
    sourceOf(builder).to('on', rows);
    builder.stream('on', rows).to('out', rows);
  });
  assert.equal(line.sources.length, 2);
});
