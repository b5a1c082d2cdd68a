// Headers on their way through a topology: to steps, through internal topics, to outputs.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type DeclaredTopology } from '../../../../streams/builder/declaration.ts';
import { json } from '../../../../streams/builder/format.ts';
import { topology } from '../../../../streams/builder/topology.ts';
import { type Header, type LogRecord } from '../../../../streams/log.ts';
import { TestDriver, type TestRecord } from '../../../../streams/testing/test-driver.ts';

interface Payment {
  readonly card: string;
  readonly amount: number;
}

const TRACE = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';

const headersOf = (given: Readonly<Record<string, string>>): Header[] =>
  Object.entries(given).map(([key, value]) => ({ key, value: Buffer.from(value) }));
const textsOf = (headers: readonly Header[] = []): Record<string, string> =>
  Object.fromEntries(headers.map(({ key, value }) => [key, value.toString()]));
const toldOf = ({ key, headers }: LogRecord): unknown => [key?.toString(), textsOf(headers)];

function payment(timestampMs: number, card: string, headers: Readonly<Record<string, string>>): TestRecord {
  return { timestampMs, value: JSON.stringify({ card, amount: timestampMs }), headers: headersOf(headers) };
}

/** Everything up to a second, by topic. */
async function run(
  spec: DeclaredTopology,
  inputs: Readonly<Record<string, readonly TestRecord[]>>,
  look: (driver: TestDriver) => void | Promise<void>,
): Promise<void> {
  const driver = await TestDriver.start({ spec });
  for (const [topic, records] of Object.entries(inputs)) await driver.pipe(topic, records);
  await driver.advanceTo(1000);
  await look(driver);
  await driver.close();
}

const ofEvent = { ce_specversion: '1.0', ce_id: '7', ce_type: 'Payment', 'content-type': 'application/json' };

test('a trace goes on through steps and internal topics; what says what the record itself is ends there', async () => {
  const spec = topology('t', ({ stream }) => {
    stream('payments', json<Payment>())
      .filter(({ amount }) => amount > 0)
      .keyBy(({ card }) => card)
      .process<number, { sum: number }>('sum', {
        state: json(),
        each: ({ amount }, { state = 0, setState, emit }) => {
          setState(state + amount);
          emit({ sum: state + amount });
        },
      })
      .keyBy(({ sum }) => `sum ${sum}`, json())
      .to('sums', json());
  });
  const passed = { traceparent: TRACE, tenant: 'north', correlation: 'order 5' };
  const records = [payment(1, 'c', { ...passed, ...ofEvent, causation: 'elsewhere/0/3' }), payment(2, 'c', {})];
  await run(spec, { payments: records }, (driver) => {
    const moved = { ...passed, ...ofEvent, causation: 'payments/0/0' };
    assert.deepEqual(driver.outputs('.internal.t.1').map(toldOf), [
      ['c', moved],
      ['c', {}],
    ]);
    // the record of the source, not that of the internal topic before
    assert.deepEqual(driver.outputs('.internal.t.2').map(toldOf), [
      ['sum 1', moved],
      ['sum 3', {}],
    ]);
    assert.deepEqual(driver.outputs('sums').map(toldOf), [
      ['sum 1', { ...passed, causation: 'payments/0/0' }],
      ['sum 3', {}],
    ]);
  });
});

test('steps read the headers of the record that they handle; a timer has none', async () => {
  const spec = topology('t', ({ stream }) => {
    stream('payments', json<Payment>())
      .filter((_, __, headers) => textsOf(headers)['test'] !== 'yes')
      .map((value, _, headers) => ({ ...value, card: `${value.card} ${textsOf(headers)['ce_id']}` }), json())
      .keyBy((_, __, headers) => textsOf(headers)['tenant'] ?? 'none')
      .process<number, unknown>('told', {
        state: json(),
        each: ({ card }, { headers, setTimer, emit }) => {
          setTimer(500);
          emit([card, textsOf(headers)]);
        },
        timer: ({ headers, emit }) => emit(['timer', textsOf(headers)]),
      })
      .to('told', json());
  });
  const tagged = { tenant: 'north', ce_id: '7' };
  const records = [payment(1, 'c', tagged), payment(2, 'c', { test: 'yes' })];
  await run(spec, { payments: records }, (driver) => {
    assert.deepEqual(
      driver.outputs('told').map(({ key, value, headers }) => {
        const told: unknown = JSON.parse(String(value));
        return [String(key), told, headers.length];
      }),
      [
        ['north', ['c 7', { ...tagged, causation: 'payments/0/0' }], 2],
        ['north', ['timer', {}], 0],
      ],
    );
  });
});

test('a joined row has the headers of the record that made it', async () => {
  const spec = topology('t', ({ stream, table }) => {
    const left = table('left', json<{ to: string }>());
    const right = table('right', json<string>());
    left
      .joinForeignKey('far', right, {
        ...{ kind: 'inner', lateness: '1m', foreignKey: ({ to }) => to },
        join: ({ to }, text) => `${to} ${text}`,
      })
      .to('far', json());
    stream('a', json<string>())
      .joinWithin('near', stream('b', json<string>()), {
        ...{ kind: 'inner', before: '1s', after: '1s', lateness: '1m', join: (a, b) => `${a} ${b}` },
      })
      .to('near', json());
  });
  const row = (key: string, timestampMs: number, value: unknown, trace: string): TestRecord => ({
    ...{ key, timestampMs, value: JSON.stringify(value), headers: headersOf({ traceparent: trace }) },
  });
  const inputs = {
    ...{ right: [row('r', 1, 'one', 'of right')], left: [row('l', 2, { to: 'r' }, 'of left')] },
    ...{ a: [row('k', 3, 'a', 'of a')], b: [row('k', 4, 'b', 'of b')] },
  };
  await run(spec, inputs, async (driver) => {
    assert.deepEqual(driver.outputs('near').map(toldOf), [['k', { traceparent: 'of b', causation: 'b/0/0' }]]);
    assert.deepEqual(driver.outputs('far').map(toldOf), [['l', { traceparent: 'of left', causation: 'left/0/0' }]]);
    await driver.pipe('right', [row('r', 1001, 'two', 'of right again')]);
    await driver.advanceTo(2000);
    const changed = { traceparent: 'of right again', causation: 'right/0/1' };
    assert.deepEqual(driver.outputs('far').map(toldOf), [['l', changed]]);
  });
});

test('an output adds headers of its own, in the place of those of the same name', async () => {
  const spec = topology('t', ({ stream, table }) => {
    stream('payments', json<Payment>()).to('paid', json(), {
      headers: ({ card, amount }, key) => ({ ce_type: 'Paid', tenant: Buffer.from(card), of: `${key} ${amount}` }),
    });
    table('rows', json<string>()).to('copied', json(), { headers: (row) => ({ row }) });
  });
  const records = [payment(1, 'c', { ...ofEvent, tenant: 'north', traceparent: TRACE }), payment(2, 'd', {})];
  const rows = [
    { key: 'k', value: '"v"', timestampMs: 1 },
    { key: 'k', value: null, timestampMs: 2 },
  ];
  await run(spec, { payments: records, rows }, (driver) => {
    assert.deepEqual(driver.outputs('paid').map(toldOf), [
      ['', { ce_type: 'Paid', tenant: 'c', of: ' 1', traceparent: TRACE, causation: 'payments/0/0' }],
      ['', { ce_type: 'Paid', tenant: 'd', of: ' 2' }],
    ]);
    assert.deepEqual(driver.outputs('copied').map(toldOf), [
      ['k', { row: 'v' }],
      ['k', {}],
    ]);
  });
});

test('a record that is too large with its headers is set aside', async () => {
  const spec = topology('t', ({ stream }) => stream('payments', json<Payment>()).to('copies', json()));
  const large = payment(1, 'x'.repeat(600_000), { note: 'y'.repeat(400_000) });
  await run(spec, { payments: [large, payment(2, 'c', {})] }, (driver) => {
    assert.deepEqual(
      driver.deadLetters().map(({ offset, stage, code }) => [offset, stage, code]),
      [[0, 'produce', 'too_large']],
    );
    assert.equal(driver.outputs('copies').length, 1);
  });
});
