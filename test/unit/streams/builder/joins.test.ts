// Declared joins in the test driver: what is late, what a refused record leaves behind, what is refused at once, how they are told.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import enriched from '../../../../examples/streams/priced-orders.ts';
import { Failure } from '../../../../schemas/failure.ts';
import { compile } from '../../../../streams/builder/compile.ts';
import { describeTopology } from '../../../../streams/builder/describe.ts';
import { json, text } from '../../../../streams/builder/format.ts';
import { type TopologyBuilder, topology } from '../../../../streams/builder/topology.ts';
import { TestDriver, type TestRecord } from '../../../../streams/testing/test-driver.ts';

const at = (timestampMs: number, value: string | null, key = 'k'): TestRecord => ({ key, value, timestampMs });
const values = (driver: TestDriver, topic: string): (string | undefined)[] =>
  driver.outputs(topic).map(({ value }) => value?.toString());
const textOf = (left: string | null, right: string | null): string => `${left}+${right}`;

test('the example: orders have the price of their time, in the currency of their customer', async () => {
  const driver = await TestDriver.start({ spec: enriched, partitions: { customers: 3 } });
  await driver.pipe('prices', [at(0, '{"price":10,"from":0}', 'tea'), at(0, '{"price":12,"from":50}', 'tea')]);
  await driver.pipe('customers', [at(0, '{"name":"Ada","currency":"GBP"}', 'c1')]);
  const order = (id: string, time: number): TestRecord =>
    at(0, JSON.stringify({ id, product: 'tea', customer: 'c1', count: 2, ordered_at: time }), id);
  await driver.pipe('orders', [order('o1', 40), order('o2', 60)]);
  await driver.advanceTo(1000);
  await driver.restart();
  await driver.pipe('customers', [at(2000, '{"name":"Ada","currency":"EUR"}', 'c1')]);
  await driver.advanceTo(3000);
  assert.deepEqual(values(driver, 'invoices'), [
    '{"order":"o1","total":20,"to":"Ada","currency":"GBP"}',
    '{"order":"o2","total":24,"to":"Ada","currency":"GBP"}',
    '{"order":"o1","total":20,"to":"Ada","currency":"EUR"}',
    '{"order":"o2","total":24,"to":"Ada","currency":"EUR"}',
  ]);
  assert.deepEqual(driver.deadLetters(), []);
  await driver.close();
});

test('what is too late for a join goes to the dead letters, whole, and changes nothing', async () => {
  const spec = topology('late', ({ stream, table }) => {
    stream('s', text).asOf('j', table('t', text), { kind: 'left', lateness: '10ms', join: textOf }).to('out', text);
  });
  const driver = await TestDriver.start({ spec, live: true });
  await driver.pipe('t', [at(100, 'row'), at(95, 'in time'), at(89, 'too late')]);
  await driver.pipe('s', [at(99, 'before'), at(100, 'then'), at(80, 'gone')]);
  assert.deepEqual(values(driver, 'out'), ['before+null', 'then+row']);
  assert.deepEqual(
    driver.deadLetters().map(({ topic, offset, code, stage }) => [topic, offset, code, stage]),
    [
      ['t', 2, 'too_late', 'process'],
      ['s', 2, 'too_late', 'process'],
    ],
  );
  await driver.close();
});

test('the table comes first within an instant, whatever its topic is called', async () => {
  const spec = topology('first', ({ stream, table }) => {
    const prices = table('z', text);
    stream('a', text).asOf('j', prices, { kind: 'inner', lateness: '0s', join: textOf }).to('out', text);
    prices.to('copy', text);
  });
  const driver = await TestDriver.start({ spec });
  await driver.pipe('a', [at(5, 'order')]);
  await driver.pipe('z', [at(5, 'price'), at(6, null)]);
  await driver.advanceTo(10);
  assert.deepEqual(values(driver, 'out'), ['order+price']);
  assert.deepEqual(values(driver, 'copy'), ['price', undefined]);
  await driver.close();
});

test('a record that another step refuses is in no join; a join that throws leaves its record out', async () => {
  const spec = topology('refused', ({ stream, table }) => {
    const names = table('t', text);
    const orders = stream('s', text);
    orders
      .joinWithin('pairs', stream('o', text), {
        ...{ kind: 'inner', before: '5ms', after: '5ms', lateness: '0s' },
        join: (left, right) => {
          if (right === 'bad') throw new Failure('invalid_field', 'bad');
          return textOf(left, right);
        },
      })
      .to('out', text);
    names.map((row) => (row === 'worse' ? refuse() : row)).to('copy', text);
    orders.asOf('j', names, { kind: 'inner', lateness: '0s', join: textOf }).to('named', text);
  });
  const driver = await TestDriver.start({ spec });
  await driver.pipe('t', [at(1, 'good'), at(2, 'worse')]);
  await driver.pipe('s', [at(3, 'left')]);
  await driver.pipe('o', [at(4, 'bad'), at(5, 'right')]);
  await driver.advanceTo(10);
  assert.deepEqual(values(driver, 'named'), ['left+good']);
  assert.deepEqual(values(driver, 'out'), ['left+right']);
  assert.deepEqual(
    driver
      .deadLetters()
      .map(({ topic, offset }) => `${topic} ${offset}`)
      .sort(),
    ['o 0', 't 1'],
  );
  await driver.close();
});

function refuse(): string {
  throw new Failure('invalid_field', 'worse');
}

test('a stream record that meets a table writes no state', async () => {
  const spec = topology('quiet', ({ stream, table }) => {
    stream('s', text).asOf('j', table('t', text), { kind: 'left', lateness: '1s', join: textOf }).to('out', text);
  });
  const driver = await TestDriver.start({ spec });
  await driver.pipe('t', [at(1, 'row')]);
  await driver.advanceTo(1);
  const written = driver.outputs('.changelog.quiet.stage-0').length;
  assert.equal(written, 1);
  await driver.pipe('s', [at(2, 'x'), at(3, 'y')]);
  await driver.advanceTo(3);
  assert.deepEqual(values(driver, 'out'), ['x+row', 'y+row']);
  assert.deepEqual(driver.outputs('.changelog.quiet.stage-0'), []);
  assert.ok(driver.stateOf('j', 'k') !== undefined);
  await driver.close();
});

const PARTITIONS = new Map([
  ['a', 2],
  ['b', 3],
]);
const compiled = (declare: (builder: TopologyBuilder) => void) =>
  compile(topology('t', declare), {
    partitions: PARTITIONS,
    internalTopic: (name) => name,
    changelogTopic: (application, store) => `${application}.${store}`,
  });

test('internal topics have the partitions of the stage that reads them', () => {
  const { topics } = compiled(({ stream, table }) => {
    stream('a', text)
      .keyBy((value) => value)
      .asOf('j', table('b', text), { kind: 'inner', lateness: '0s', join: textOf })
      .process('n', { state: json<number>(), each: () => undefined });
  });
  assert.deepEqual(
    topics.map(({ name, partitions }) => [name, partitions]),
    [
      ['t.1', 3],
      ['t.stage-1', 3],
    ],
  );
});

test('what cannot work is refused when it is declared', () => {
  const inner = { kind: 'inner', lateness: '0s', join: textOf } as const;
  const wrong: [string, (builder: TopologyBuilder) => void][] = [
    ['b', ({ stream, table }) => stream('a', text).asOf('j', table('b', text), inner).to('out', text)],
    ['join j: lateness', ({ table }) => table('a', text).join('j', table('c', text), { ...inner, lateness: '' })],
    [
      'join j: history',
      ({ stream, table }) => stream('c', text).asOf('j', table('d', text), { ...inner, lateness: '2s', history: '1s' }),
    ],
    [
      'j',
      ({ table }) =>
        table('a', text)
          .map((row) => row)
          .join('j', table('c', text), inner),
    ],
    [
      'join A B: name',
      ({ table }) => table('a', text).joinForeignKey('A B', table('c', text), { ...inner, foreignKey: () => null }),
    ],
    [
      'join j: name',
      ({ table }) => [1, 2].map((number) => table(`c${number}`, text).join('j', table(`d${number}`, text), inner)),
    ],
    [
      'c',
      ({ stream, table }) => {
        const prices = table('c', text);
        stream('d', text)
          .asOf('one', prices, inner)
          .keyBy((value) => value, text)
          .asOf('two', prices, inner);
      },
    ],
    [
      'step p: punctuate.every',
      ({ stream }) =>
        stream('c', text).process('p', {
          ...nothing,
          punctuate: { every: '0s', by: 'event time', run: () => undefined },
        }),
    ],
  ];
  for (const [field, declare] of wrong)
    assert.throws(() => compiled(declare), { code: 'invalid_definition', field }, field);
});

const nothing = { state: json<string>(), each: () => undefined };

test('joins are typed by their kind', () => {
  topology('t', ({ stream, table }) => {
    const rows = table('t', json<{ name: string }>());
    const values = stream('s', json<{ amount: number }>());
    const given = { lateness: '0s' };
    values.asOf('inner', rows, { ...given, kind: 'inner', join: ({ amount }, { name }) => `${name} ${amount}` });
    values.asOf('left', rows, { ...given, kind: 'left', join: (_left, right) => right?.name ?? '' });
    // @ts-expect-error a left join may find no row
    values.asOf('unsure', rows, { ...given, kind: 'left', join: (_left, right) => right.name });
    // @ts-expect-error a joined row has what its joiner gives
    rows.join('both', rows, { ...given, kind: 'inner', join: () => 1 }).map((row) => String(row.name));
  });
});

test('a foreign-key join answers where the left row lies, whoever placed it', async () => {
  const spec = topology('placed', ({ table }) => {
    table('l', text)
      .joinForeignKey('j', table('r', text), { kind: 'inner', lateness: '0s', foreignKey: (row) => row, join: textOf })
      .to('out', text);
  });
  const driver = await TestDriver.start({ spec, partitions: { l: 3 } });
  await driver.pipe('r', [at(1, 'right', 'f')]);
  await driver.pipe(
    'l',
    [0, 1, 2].map((partition) => ({ ...at(1, 'f', `k${partition}`), partition })),
  );
  await driver.advanceTo(5);
  assert.deepEqual(values(driver, 'out'), ['f+right', 'f+right', 'f+right']);
  await driver.close();
});

test('a foreign key that is null or undefined names no partner; one that is no text is set aside', async () => {
  interface Left {
    readonly names?: unknown;
  }
  const spec = topology('named', ({ table }) => {
    table('l', json<Left>())
      .joinForeignKey('j', table('r', text), {
        ...{ kind: 'left', lateness: '0s', foreignKey: ({ names }) => names as string | null | undefined },
        join: (_left, right, key) => `${key}+${right ?? ''}`,
      })
      .to('out', text);
  });
  const driver = await TestDriver.start({ spec });
  // what such keys would be as text
  await driver.pipe(
    'r',
    ['undefined', 'null', '5', '[object Object]', 'f', ''].map((key) => at(1, `row ${key}`, key)),
  );
  const lefts: readonly (readonly [string, Left])[] = [
    ...([
      ['none', {}],
      ['null', { names: null }],
      ['text', { names: 'f' }],
    ] satisfies [string, Left][]),
    ...[5, 0, {}, [], true, false].map((names, index): [string, Left] => [`odd ${index}`, { names }]),
  ];
  await driver.pipe(
    'l',
    lefts.map(([key, left]) => at(1, JSON.stringify(left), key)),
  );
  await driver.advanceTo(5);
  assert.deepEqual(values(driver, 'out').sort(), ['none+', 'null+', 'text+row f']);
  const letters = driver.deadLetters();
  assert.deepEqual(
    letters.map(({ code, topic }) => `${code} ${topic}`),
    Array(6).fill('invalid_field l'),
  );
  for (const { reason } of letters) assert.match(reason, /^join j: foreignKey gave the key .*, which is no text\./);
  await driver.close();
});

test('a foreign-key join is told with its halves', () => {
  const spec = topology('t', ({ table }) => {
    table('a', text)
      .joinForeignKey('named', table('b', text), {
        kind: 'inner',
        lateness: '0s',
        foreignKey: (row) => row,
        join: textOf,
      })
      .to('out', text);
  });
  assert.equal(
    describeTopology(spec),
    [
      't',
      '  stage-0   b',
      '              named foreign key [state], right',
      '                → t.named.responses (internal)',
      '            t.named.subscriptions (internal)',
      '              named foreign key [state], message',
      '  stage-1   a',
      '              named foreign key [state], left',
      '                → t.named.subscriptions (internal)',
      '                → out',
      '            t.named.responses (internal)',
      '              named foreign key [state], message',
    ].join('\n'),
  );
});
