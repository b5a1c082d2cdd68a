// What would be larger than the log takes: refused where it is declared, or the input that led to it set aside; nothing ends for it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { topology } from '../../../streams/builder/topology.ts';
import { type WindowsDeclaration, windows } from '../../../streams/builder/windows.ts';
import { TestDriver } from '../../../streams/testing/test-driver.ts';

const windowed = (step: string, window: string) =>
  topology('features', (builder) => {
    const mean = { function: 'mean', field: 'amount', window };
    const features: WindowsDeclaration['features'] = {
      ...{ mean, deviation: { ...mean, function: 'stddev' }, max: { ...mean, function: 'max' } },
      ...{
        min: { ...mean, function: 'min' },
        first: { ...mean, function: 'first' },
        last: { ...mean, function: 'last' },
      },
    };
    windows(builder, 'features', {
      from: { topic: 'in', format: 'json', eventTime: 'at' },
      ...{ step, features },
    }).to('out', { format: 'json' });
  });

test('declared windows whose rows may outgrow a record are refused where they are declared, with a step that fits', async () => {
  let told = '';
  assert.throws(
    () => windowed('1s', '7d'),
    (error: unknown) => {
      assert.ok(error instanceof Error && 'code' in error && 'field' in error && 'fix' in error);
      assert.deepEqual([error.code, error.field], ['invalid_definition', 'windows features: step']);
      assert.match(error.message, /the largest window has 604800 panes of \d+ numbers: a key's row may come to \d+ MB/);
      told = String(error.fix);
      return true;
    },
  );
  const fits = /of at least (\d+)s .*: (\d+) panes fit/.exec(told);
  assert.ok(fits !== null, told);
  const [, step = '', panes = ''] = fits;
  assert.ok((Number(step) - 1) * Number(panes) < 604_800 && Number(step) * Number(panes) >= 604_800, told);

  // as many panes as fit, each with numbers that are written at their longest
  const driver = await TestDriver.start({ spec: windowed('1s', `${panes}s`) });
  await driver.pipe(
    'in',
    Array.from({ length: Number(panes) }, (_, index) => ({
      ...{ key: 'k', value: JSON.stringify({ at: index * 1000, amount: Math.PI * (index + 1) }), timestampMs: 0 },
    })),
  );
  assert.equal(driver.outputs('out').length, Number(panes));
  assert.deepEqual(driver.deadLetters(), []);
  await driver.close();
});

test('an event whose key is too long for a row of declared windows is set aside', async () => {
  const driver = await TestDriver.start({ spec: windowed('1h', '2h') });
  const value = '{"at":1,"amount":1}';
  await driver.pipe('in', [
    { key: 'k', value },
    { key: 'k'.repeat(600_000), value },
    { key: 'l', value },
  ]);
  assert.equal(driver.outputs('out').length, 2);
  assert.deepEqual(
    driver.deadLetters().map(({ stage, code, offset }) => [stage, code, offset]),
    [['produce', 'too_large', 1]],
  );
  await driver.close();
});
