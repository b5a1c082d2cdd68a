// A processor with state, typed from schemas, and its test: what the guide promises.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ValueOf, record } from '../../../../streams/builder/record-format.ts';
import { topology } from '../../../../streams/builder/topology.ts';
import { TestDriver } from '../../../../streams/testing/test-driver.ts';

const payment = record({ card: 'text', amount: 'number', paid_at: 'integer', note: 'text?' });
const total = record({ card: 'text', spent: 'number', payments: 'integer' });

const totals = topology('totals', ({ stream }) => {
  stream('payments', payment, { timeOf: ({ paid_at }) => paid_at })
    .keyBy(({ card }) => card)
    .process<ValueOf<typeof total>, ValueOf<typeof total>>('total', {
      state: total,
      each: ({ amount }, { key, state, setState, emit }) => {
        const next = { card: key, spent: (state?.spent ?? 0) + amount, payments: (state?.payments ?? 0) + 1 };
        setState(next);
        emit(next);
      },
    })
    .to('totals', total);
});

test('values are checked by their schema, fields by name; what is well goes through the state', async () => {
  const driver = await TestDriver.start({ spec: totals, live: true });
  const values = [
    '{"card":"c","amount":2,"paid_at":1}',
    '{"card":"c","paid_at":2}',
    '{"card":"c","amount":"2","paid_at":2}',
    '{"card":"c","amount":2,"paid_at":1.5}',
    '[]',
    '{"card":"c","amount":3,"paid_at":3,"note":null,"more":{}}',
    '{"card":"c","amount":3,"paid_at":3,"note":7}',
  ];
  await driver.pipe(
    'payments',
    values.map((value) => ({ value })),
  );
  assert.deepEqual(
    driver.outputs('totals').map(({ value }) => String(value)),
    ['{"card":"c","spent":2,"payments":1}', '{"card":"c","spent":5,"payments":2}'],
  );
  assert.deepEqual(
    driver.deadLetters().map(({ offset, code, reason }) => `${offset} ${code} ${reason}`),
    [
      '1 missing_field The value has no amount.',
      '2 invalid_field amount is "2".',
      '3 invalid_field paid_at is 1.5.',
      '4 undecodable_record The value is no JSON object.',
      '6 invalid_field note is 7.',
    ],
  );
  assert.deepEqual(driver.stateOf('total', 'c'), { card: 'c', spent: 5, payments: 2 });
  await driver.close();
});

test('the schema is the type', () => {
  const given: ValueOf<typeof payment> = { card: 'c', amount: 1, paid_at: 2 };
  assert.deepEqual(payment.decode(payment.encode({ ...given, note: 'n' })), { ...given, note: 'n' });
  // @ts-expect-error there is no amount
  const lacking: ValueOf<typeof payment> = { card: 'c', paid_at: 2 };
  // @ts-expect-error an amount is a number
  const wrong: ValueOf<typeof payment> = { ...given, amount: '1' };
  for (const value of [lacking, wrong]) assert.throws(() => payment.decode(payment.encode(value)), { field: 'amount' });
  assert.throws(() => payment.decode(Buffer.from('{')), { code: 'undecodable_record' });
});
