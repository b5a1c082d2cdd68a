// What the functions of a topology give back that cannot be used: the record goes to the dead letters with a reason that names the step.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { json, text } from '../../../../streams/builder/format.ts';
import { type KeyedContext, type PunctuationContext } from '../../../../streams/builder/graph.ts';
import { type Stream } from '../../../../streams/builder/stream.ts';
import { type TopologyBuilder, topology } from '../../../../streams/builder/topology.ts';
import { TestDriver } from '../../../../streams/testing/test-driver.ts';

interface Row {
  readonly at: number;
  readonly k?: unknown;
}
type Declare = (stream: Stream<Row>, builder: TopologyBuilder) => { to(topic: string, format: never): void };

const rows = json<Row>();
/** What Node runs and tsc would not. */
const untyped = (value: unknown): never => value as never;
const later = async (): Promise<void> => Promise.resolve();

async function driven(declare: Declare): Promise<TestDriver> {
  const spec = topology('t', (builder) => {
    declare(builder.stream('in', rows, { timeOf: ({ at }) => at }), builder).to('out', json() as never);
  });
  return TestDriver.start({ spec });
}

const cases: readonly (readonly [what: string, code: string, reason: RegExp, declare: Declare])[] = [
  ['keyBy undefined', 'invalid_field', /^keyBy by-k gave the key undefined,/, keyedBy(undefined)],
  ['keyBy null', 'invalid_field', /^keyBy by-k gave the key null,/, keyedBy(null)],
  ['keyBy number', 'invalid_field', /^keyBy by-k gave the key 5, which is no text\./, keyedBy(5)],
  ['keyBy async', 'invalid_definition', /^keyBy by-k gave a promise/, keyedBy(later())],
  ['map undefined', 'invalid_field', /^map gave no value \(undefined\)/, (stream) => stream.map(() => undefined)],
  ['map async', 'invalid_definition', /^map gave a promise/, (stream) => stream.map(untyped(later))],
  ['filter async', 'invalid_definition', /^filter gave a promise/, (stream) => stream.filter(untyped(later))],
  ['flatMap async', 'invalid_definition', /^flatMap gave a promise/, (stream) => stream.flatMap(untyped(later))],
  ['flatMap 5', 'invalid_field', /^flatMap gave number/, (stream) => stream.flatMap(untyped(() => 5))],
  ['flatMap [undefined]', 'invalid_field', /^flatMap gave no value/, (stream) => stream.flatMap(() => [undefined])],
  ['emit undefined', 'invalid_field', /^step a gave no value/, stepped(({ emit }) => emit(undefined))],
  ['emit a promise', 'invalid_definition', /^step a gave a promise/, stepped(({ emit }) => emit(later()))],
  ['async each', 'invalid_definition', /^step a gave a promise/, stepped(untyped(later))],
  [
    'async each that throws',
    'invalid_definition',
    /^step a gave a promise/,
    stepped(untyped(async () => Promise.reject(new Error('boom')))),
  ],
  [
    'async join',
    'invalid_definition',
    /^join j as of gave a promise/,
    (stream, { table }) => stream.asOf('j', table('t', rows), { kind: 'left', lateness: '0s', join: untyped(later) }),
  ],
];

function keyedBy(key: unknown): Declare {
  return (stream) => stream.keyBy(() => untyped(key), { name: 'by-k' });
}

function stepped(each: (context: KeyedContext<number, unknown>) => void): Declare {
  return (stream) =>
    stream.process<number, unknown>('a', {
      state: json(),
      each: (_, context) => {
        context.setState(1);
        return each(context);
      },
    });
}

for (const [what, code, reason, declare] of cases)
  test(`set aside, its effects undone: ${what}`, async () => {
    const driver = await driven(declare);
    await driver.pipe('in', [{ key: 'k', value: '{"at":1}' }]);
    await driver.advanceTo(10);
    const letters = driver.deadLetters();
    assert.deepEqual(
      letters.map((letter) => [letter.topic, letter.code, letter.stage]),
      [['in', code, 'process']],
    );
    assert.match(letters[0]?.reason ?? '', reason);
    assert.deepEqual(driver.outputs('out'), []);
    if (reason.source.includes('step a')) assert.equal(driver.stateOf('a', 'k'), undefined);
    await driver.close();
  });

test('a table whose map gives nothing, and a foreign key that is no text, are set aside', async () => {
  const spec = topology('t', ({ table }) => {
    const left = table('l', text);
    left.map(untyped(() => undefined)).to('out', json());
    left.joinForeignKey('j', table('r', text), {
      ...{ kind: 'inner', lateness: '0s', foreignKey: () => untyped(5) },
      join: (row) => row,
    });
  });
  const driver = await TestDriver.start({ spec });
  await driver.pipe('l', [{ key: 'k', value: 'x', timestampMs: 1 }]);
  await driver.advanceTo(10);
  assert.match(driver.deadLetters()[0]?.reason ?? '', /^(map gave no value|join j: foreignKey gave the key 5)/);
  await driver.close();
});

test('what a step does after it has come back is refused, and done nowhere', async () => {
  let kept: KeyedContext<number, Row> | null = null;
  const driver = await driven((stream) =>
    stream.process<number, Row>('a', {
      state: json(),
      each: (_, context) => {
        context.setState(1);
        kept ??= context;
      },
    }),
  );
  await driver.pipe('in', [{ key: 'k', value: '{"at":1}' }]);
  await driver.advanceTo(1);
  const { emit, setState, setTimer } = kept as unknown as KeyedContext<number, Row>;
  for (const act of [() => emit({ at: 2 }), () => setState(2), () => setTimer(5)])
    assert.throws(act, { name: 'Failure', code: 'invalid_definition', field: 'step a', fix: /synchronous/ });
  await driver.advanceTo(10);
  assert.equal(driver.stateOf('a', 'k'), 1);
  assert.deepEqual(driver.deadLetters(), []);
  await driver.close();
});

const punctuated: readonly (readonly [string, (context: PunctuationContext<number, unknown>) => void, RegExp])[] = [
  ['async', untyped(later), /^The (punctuation|timer) of a .* failed: step a gave a promise/],
  [
    'a key that is no text',
    ({ emit }) => emit(untyped(5), 1),
    /^The (punctuation|timer) of a .* failed: step a gave the key 5/,
  ],
  ['no value', ({ emit }) => emit('k', undefined), /^The (punctuation|timer) of a .* failed: step a gave no value/],
  [
    'a state without a key',
    ({ setState }) => setState(untyped(undefined), 1),
    /^The (punctuation|timer) of a .* failed: step a gave the key undefined/,
  ],
];

for (const [what, run, message] of punctuated)
  test(`a punctuation stops the task: ${what}`, async () => {
    const driver = await driven((stream) =>
      stream.process<number, unknown>('a', {
        ...{ state: json(), each: (_, { setState }) => setState(1) },
        punctuate: { every: '1s', by: 'event time', run },
      }),
    );
    await driver.pipe('in', [{ key: 'k', value: '{"at":1}' }]);
    await assert.rejects(driver.advanceTo(2000), { name: 'Failure', message });
    await driver.close().catch(() => undefined);
  });

test('an async timer stops the task', async () => {
  const driver = await driven((stream) =>
    stream.process<number, unknown>('a', {
      ...{ state: json(), each: ({ at }, { setTimer }) => setTimer(at + 1), timer: untyped(later) },
    }),
  );
  await driver.pipe('in', [{ key: 'k', value: '{"at":1}' }]);
  await assert.rejects(driver.advanceTo(10), {
    name: 'Failure',
    message: /^The (punctuation|timer) of a .* failed: step a gave a promise/,
  });
  await driver.close().catch(() => undefined);
});

test('async functions do not compile', () => {
  topology('t', ({ stream, table }) => {
    const source = stream('in', rows);
    const kept = { state: json<number>(), each: () => undefined };
    // @ts-expect-error steps are synchronous
    source.process('a', { state: json<number>(), each: async () => later() });
    // @ts-expect-error timers too
    source.process('b', { ...kept, timer: async () => later() });
    const every = { every: '1m', by: 'wall clock' } as const;
    // @ts-expect-error punctuations too
    source.process('c', { ...kept, punctuate: { ...every, run: async () => later() } });
    // @ts-expect-error values are no promises
    source.map(async ({ at }) => Promise.resolve(at));
    // @ts-expect-error neither are keys
    source.keyBy(async () => Promise.resolve('k'));
    // @ts-expect-error nor what is kept
    source.filter(async () => Promise.resolve(true));
    // @ts-expect-error nor rows
    table('t', rows).map(async ({ at }) => Promise.resolve(at));
    // @ts-expect-error nor what is joined
    source.asOf('j', table('u', rows), { kind: 'inner', lateness: '0s', join: async ({ at }) => Promise.resolve(at) });
    // a value is still inferred, and what a short step gives back is of no concern
    source.map(({ at }) => at + 1).to('out', json<number>());
    source.process<number, number>('d', { state: json(), each: ({ at }, { emit }) => at > 5 && emit(at) });
  });
});
