// Declared windows as they are run: the rows of late events, what is too late, and events that are refused by the name of their field.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { topology } from '../../../streams/builder/topology.ts';
import { type WindowsDeclaration, windows } from '../../../streams/builder/windows.ts';
import { TestDriver } from '../../../streams/testing/test-driver.ts';

const START_MS = Date.UTC(2026, 0, 1);
const HOUR_MS = 3_600_000;

async function started(declaration: Partial<WindowsDeclaration>): Promise<TestDriver> {
  const window = '2h';
  const spec = topology('payments', (builder) => {
    windows(builder, 'spent', {
      from: { topic: 'in', format: 'json', eventTime: 'at' },
      step: '1h',
      features: {
        n: { function: 'count', window },
        sum: { function: 'sum', field: 'amount', window },
        since: { function: 'time_since_last', window },
      },
      ...declaration,
    }).to('out', { format: 'json' });
  });
  return TestDriver.start({ spec, startMs: START_MS });
}

const paid = (atMs: number, amount: number) => ({ key: 'k', value: JSON.stringify({ at: START_MS + atMs, amount }) });
const rowsOf = (driver: TestDriver): unknown[] =>
  driver.outputs('out').map(({ value }): unknown => Object.values(JSON.parse(String(value)) as object));
const lettersOf = (driver: TestDriver): string[] =>
  driver.deadLetters().map(({ offset, code, reason }) => `${offset} ${code} ${reason}`);

test('the row of a late event ends with its own pane, and later rows have counted it, after a restart too', async () => {
  const driver = await started({ lateness: '5h' });
  await driver.pipe('in', [paid(0, 1), paid(HOUR_MS, 2), paid(5 * HOUR_MS, 4)]);
  await driver.restart();
  await driver.pipe('in', [paid(HOUR_MS + 5, 8), paid(HOUR_MS + 1, 16), paid(4 * HOUR_MS, 32)]);
  await driver.restart();
  await driver.pipe('in', [paid(0, 64), paid(5 * HOUR_MS, 128)]);
  assert.deepEqual(rowsOf(driver), [
    ...[
      [1, 1, 0],
      [2, 3, 0],
      [1, 4, 0],
    ],
    // the second of them has the first in its pane, which is later
    ...[
      [3, 11, 0],
      [4, 27, 0],
      [1, 32, 0],
    ],
    ...[
      [2, 65, 0],
      [3, 164, 0],
    ],
  ]);
  assert.deepEqual(lettersOf(driver), []);
  const told = { eventTimeMs: START_MS + 5 * HOUR_MS, values: { n: 3, sum: 164, since: 0 } };
  assert.deepEqual(await driver.read('spent', { kind: 'keys', keys: ['k'] }), [{ key: 'k', value: told }]);
  await driver.close();
});

for (const [lateness, latenessMs] of [
  [undefined, 0],
  ['1ms', 1],
  ['90m', 1.5 * HOUR_MS],
] as const)
  test(`lateness ${lateness} is ${latenessMs} ms, wherever panes begin`, async () => {
    const driver = await started(lateness === undefined ? {} : { lateness });
    const newestMs = 10 * HOUR_MS + 7;
    const times = [newestMs, newestMs, newestMs - latenessMs, newestMs - latenessMs - 1, newestMs];
    await driver.pipe('in', [...times.map((atMs) => paid(atMs, 1)), { ...paid(0, 1), key: 'another' }]);
    const at = new Date(START_MS + newestMs - latenessMs - 1).toISOString();
    assert.deepEqual(lettersOf(driver), [
      `3 too_late The event of ${at} is more than ${latenessMs} ms older than the newest of its key.`,
    ]);
    assert.equal(driver.outputs('out').length, 5);
    await driver.close();
  });

test('lateness that would make rows larger than a record is refused where it is declared', async () => {
  await assert.rejects(started({ step: '1h', lateness: '200000h' }), {
    code: 'invalid_definition',
    field: 'windows spent: step',
    message: /the largest window and the lateness have 200002 panes of \d+ numbers/,
    fix: /less lateness/,
  });
});

test('an event is set aside by the name of what is wrong: numbers that JSON has not got, the last of many fields', async () => {
  const names = Array.from({ length: 40 }, (_, index) => `größe ${index}`);
  const features = Object.fromEntries(
    names.map((field, index) => [`f${index}`, { function: 'sum', field, window: '1h' } as const]),
  );
  const driver = await started({ features });
  const event = (fields: readonly string[], number = '1') => ({
    key: 'k',
    value: `{"at":${START_MS},${fields.map((name) => `"${name}":${number}`).join(',')}}`,
  });
  const escaped = names.map((name) => name.replace('ö', '\\u00f6').replace('ß', '\\u00DF'));
  await driver.pipe('in', [
    event(names),
    event(escaped),
    event(names.slice(0, -1)),
    event(names, '1.'),
    event(names, '01'),
  ]);
  assert.deepEqual(lettersOf(driver), [
    '2 missing_field The event has no field größe 39.',
    '3 invalid_field größe 0 is 1., which is no number in JSON.',
    '4 invalid_field größe 0 is 01, which is no number in JSON.',
  ]);
  assert.deepEqual(rowsOf(driver), [names.map(() => 1), names.map(() => 2)]);
  await driver.close();
});
