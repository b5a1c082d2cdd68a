// Declared windows read from outside, with the engine whole and the log in memory.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { TestDriver } from '../../../../streams/testing/test-driver.ts';
import { KEYS, START_MS, ToldWindows, payment, spending, valueOf } from './spent-windows.ts';

test('what is told of a key is what its rows have counted, as of its newest event, before a restart and after', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.record({ payments: fc.array(payment, { minLength: 1, maxLength: 20 }), restarts: fc.boolean() }), {
        maxLength: 4,
      }),
      async (rounds) => {
        const driver = await TestDriver.start({ spec: spending, defaultPartitions: 3, startMs: START_MS });
        const told = new ToldWindows();
        for (const { payments, restarts } of rounds) {
          await driver.pipe(
            'payments',
            payments.map((one) => ({ key: one.key, value: valueOf(one), timestampMs: one.at })),
          );
          for (const { key, value } of driver.outputs('spent-rows')) told.count(String(key), value);
          if (restarts) await driver.restart();
          const expected = told.told();
          assert.deepEqual(await driver.read('spent', { kind: 'keys', keys: [...KEYS, 'nobody'] }), expected);
          const all = { kind: 'range', from: null, to: null, limit: 100 } as const;
          assert.deepEqual(await driver.read('spent', all), expected);
        }
        await driver.close();
      },
    ),
    { numRuns: 40 },
  );
});

test('keys that are no text cannot be asked for, and a range leaves them out', async () => {
  const driver = await TestDriver.start({ spec: spending, startMs: START_MS });
  const value = JSON.stringify({ at: START_MS, amount: 1 });
  const keys = [Buffer.of(0xff), Buffer.from('a'), Buffer.of(0, 0, 0, 1), Buffer.of(0x80), Buffer.from('z')];
  await driver.pipe(
    'payments',
    keys.map((key) => ({ key, value })),
  );
  const rows = await driver.read('spent', { kind: 'range', from: null, to: null, limit: 3 });
  assert.deepEqual(
    rows.map(({ key }) => key),
    ['\0\0\0\u0001', 'a', 'z'],
  );
  assert.deepEqual(await driver.read('spent', { kind: 'keys', keys: ['\0changelog-position', '\ufffd'] }), []);
  await assert.rejects(driver.read('spend', { kind: 'keys', keys: [] }), /has no store spend .*|Name one of spent/);
  await driver.close();
});
