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
type Refusal = readonly [field: string, declare: (builder: TopologyBuilder) => unknown];

const rows = json<Row>();
const sourceOf = ({ stream }: TopologyBuilder): Stream<Row> => stream('in', rows);
const nothing = { state: json<number>(), each: () => undefined };

function refused(name: string, refusals: readonly Refusal[]): void {
  for (const [field, declare] of refusals)
    test(`${name}: ${field}`, () => {
      assert.throws(() => topology('t', (builder) => void declare(builder)), {
        name: 'Failure',
        code: 'invalid_definition',
        field,
        fix: /\S/,
      });
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

/** What Node runs and tsc would not. */
const untyped = (value: unknown): never => value as never;

refused('options of streams and steps', [
  ['stream in: timeof', ({ stream }) => stream('in', rows, untyped({ timeof: () => 1 }))],
  ['stream in: timeOf', ({ stream }) => stream('in', rows, untyped({ timeOf: 'at' }))],
  ['stream in: format', ({ stream }) => stream('in', untyped(undefined))],
  ['table in: format', ({ table }) => table('in', untyped(json))],
  ['to out: format', (builder) => sourceOf(builder).to('out', untyped(undefined))],
  ['keyBy: format', (builder) => sourceOf(builder).keyBy(() => 'k', untyped({ format: 'json' }))],
  ['step a: state', (builder) => sourceOf(builder).process('a', untyped({ each: () => undefined }))],
  ['step a: each', (builder) => sourceOf(builder).process('a', untyped({ state: rows }))],
  ['step a: timers', (builder) => sourceOf(builder).process('a', untyped({ ...nothing, timers: () => 1 }))],
  ['step a: timer', (builder) => sourceOf(builder).process('a', untyped({ ...nothing, timer: 1 }))],
  ['step a', (builder) => sourceOf(builder).process('a', untyped(undefined))],
  [
    'step a: punctuate.run',
    (builder) => sourceOf(builder).process('a', untyped({ ...nothing, punctuate: { every: '1m', by: 'event time' } })),
  ],
  [
    'step a: punctuate.at',
    (builder) =>
      sourceOf(builder).process(
        'a',
        untyped({ ...nothing, punctuate: { every: '1m', by: 'event time', run: () => 1, at: 0 } }),
      ),
  ],
]);

const joined =
  (more: object) =>
  (builder: TopologyBuilder): unknown =>
    sourceOf(builder).asOf('j', builder.table('t', rows), untyped({ ...inner, ...more }));

refused('options of joins', [
  ['join j: kind', joined({ kind: 'outer' })],
  ['join j: read', joined({ read: 'live' })],
  ['join j: reads', joined({ reads: 'lively' })],
  ['join j: join', joined({ join: undefined })],
  ['join j: history', joined({ lateness: '2s', history: '1s' })],
  [
    'join j: before',
    (builder) => sourceOf(builder).joinWithin('j', builder.stream('b', rows), untyped({ ...inner, after: '1s' })),
  ],
  [
    'join j: horizons',
    (builder) => sourceOf(builder).joinLabels('j', builder.stream('b', rows), untyped({ ...inner, horizons: '1s' })),
  ],
  ['join j: kind', ({ table }) => table('a', rows).join('j', table('b', rows), untyped({ ...inner, kind: 'right' }))],
  ['join j: foreignKey', ({ table }) => table('a', rows).joinForeignKey('j', table('b', rows), untyped(inner))],
]);

const session = { windows: { kind: 'session', gap: '1m' }, lateness: '0s', features: { n: { function: 'count' } } };
const windowed =
  (more: object) =>
  (builder: TopologyBuilder): unknown =>
    sourceOf(builder).windowed('w', untyped({ ...session, ...more }));
const direct =
  (more: object, row: object = { format: 'json' }) =>
  (builder: TopologyBuilder): unknown =>
    windows(builder, 'w', untyped({ ...declared, ...more })).to('out', untyped(row));

refused('options of windows', [
  ['windowed w: late', windowed({ late: '1s' })],
  ['windowed w: features', windowed({ features: undefined })],
  ['windowed w: features.n', windowed({ features: { n: 'count' } })],
  ['windows w: features', direct({ features: undefined })],
  ['windows w: features', direct({ features: {} })],
  ['windows w: late', direct({ late: '1s' })],
  ['windows w: from.format', direct({ from: { topic: 'in', format: 'jsn' } })],
  ['windows w: from.topic', direct({ from: { format: 'json' } })],
  ['windows w: from.eventtime', direct({ from: { topic: 'in', format: 'json', eventtime: 'at' } })],
  ['windows w: from.optional[0]', direct({ from: { topic: 'in', format: 'json', optional: [1] } })],
  ['windows w: step', direct({ step: '0s' })],
  ['windows w: features.a.window', direct({ step: '7m' })],
  ['windows w: to.eventtime', direct({}, { format: 'json', eventtime: 'at' })],
  ['windows w: to.format', direct({}, { format: 'xml' })],
  ['windows w: to.copy.x', direct({}, { format: 'json', copy: { x: 'x' } })],
  ['windows w: to.schemaId', direct({}, { format: 'avro' })],
]);
