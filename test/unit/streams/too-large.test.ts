// What would be larger than the log takes: refused where it is declared, or the input that led to it set aside; nothing ends for it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { text } from '../../../streams/builder/format.ts';
import { type TopologyOptions, topology } from '../../../streams/builder/topology.ts';
import { type WindowsDeclaration, windows } from '../../../streams/builder/windows.ts';
import { TestDriver } from '../../../streams/testing/test-driver.ts';

const windowed = (step: string, window: string) =>
  topology('features', (builder) => {
    const mean = { function: 'mean', field: 'amount', window } as const;
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
  let fix = '';
  assert.throws(
    () => windowed('1s', '7d'),
    (error: unknown) => {
      assert.ok(error instanceof Error && 'code' in error && 'field' in error && 'fix' in error);
      assert.deepEqual([error.code, error.field], ['invalid_definition', 'windows features: step']);
      assert.match(error.message, /the largest window has 604800 panes of \d+ numbers: a key's row may come to \d+ MB/);
      fix = String(error.fix);
      return true;
    },
  );
  const fits = /of at least (\d+)s .*: (\d+) panes fit/.exec(fix);
  assert.ok(fits !== null, fix);
  const [, step = '', panes = ''] = fits;
  assert.ok((Number(step) - 1) * Number(panes) < 604_800 && Number(step) * Number(panes) >= 604_800, fix);

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

const ROW_MAX = 1_000_000;

/** Keeps what it was given of each key, in one text that grows: `*N` stands for N letters. */
const growing = (options: TopologyOptions = {}) =>
  topology(
    'growing',
    ({ stream }) => {
      stream('in', text)
        .process<string, string>('kept', {
          state: text,
          each: (value, { key, state = '', setState, setTimer, timeMs, emit }) => {
            const grown = state + (value.startsWith('*') ? 'x'.repeat(Number(value.slice(1))) : value);
            setState(grown);
            if (value === 'timer') setTimer(timeMs + 10);
            emit(`${key} ${grown.length}`);
          },
          timer: ({ state = '', setState }) => setState(state + 'x'.repeat(ROW_MAX)),
        })
        .to('out', text);
    },
    options,
  );

const told = (driver: TestDriver): string[] => driver.outputs('out').map(({ value }) => String(value));
const event = (key: string, value: string, timestampMs: number) => ({ key, value, timestampMs, partition: 0 });

for (const guarantee of ['exactly-once', 'at-least-once'] as const)
  test(`${guarantee}: the input that makes a state row too large is set aside, its effects undone; all others count once`, async () => {
    const driver = await TestDriver.start({ spec: growing(), guarantee });
    await driver.pipe('in', [event('a', 'first', 1)]);
    await driver.advanceTo(1);
    await driver.pipe('in', [
      ...[event('a', '*600000', 2), event('b', 'xyz', 3), event('a', '*500000', 4), event('b', 'z', 5)],
      ...[event('c', `*${ROW_MAX + 1}`, 6), event('a', '*300000', 7), event('a', '*200000', 8), event('b', 'z', 9)],
    ]);
    await driver.advanceTo(10);
    assert.deepEqual(told(driver), ['a 5', 'a 600005', 'b 3', 'b 4', 'a 900005', 'b 5']);
    assert.deepEqual(
      driver.deadLetters().map(({ stage, code, offset, reason }) => [stage, code, offset, reason.slice(0, 30)]),
      [
        ['produce', 'too_large', 3, 'What kept keeps of the key a w'],
        ['produce', 'too_large', 5, 'What kept keeps of the key c w'],
        ['produce', 'too_large', 7, 'What kept keeps of the key a w'],
      ],
    );
    assert.equal(driver.stateOf('kept', 'c'), undefined);
    assert.equal(String(driver.stateOf('kept', 'a')).length, 900_005);

    // once more, long after it has stopped to look; and what was committed stays so
    await driver.pipe('in', [event('d', 'd', 20)]);
    await driver.advanceTo(20);
    await driver.pipe('in', [event('d', '*2000000', 21), event('d', 'd', 22)]);
    await driver.advanceTo(22);
    assert.deepEqual(told(driver), ['d 1', 'd 2']);
    await driver.restart();
    await driver.advanceTo(30);
    assert.deepEqual([told(driver), driver.deadLetters().map(({ offset }) => offset)], [[], [10]]);
    await driver.close();
  });

test('of several partitions only the one with the row goes back; taken live, and with the state in memory in part', async () => {
  const driver = await TestDriver.start({ spec: growing(), live: true, partitions: { in: 2 }, cacheBytesMax: 1000 });
  const keys = Array.from({ length: 50 }, (_, number) => `k${number}`);
  await driver.pipe('in', [
    ...keys.map((key) => ({ key, value: 'one' })),
    { key: 'k7', value: `*${ROW_MAX}` },
    ...keys.map((key) => ({ key, value: 'two' })),
  ]);
  assert.deepEqual(told(driver).sort(), keys.flatMap((key) => [`${key} 3`, `${key} 6`]).sort());
  assert.deepEqual(
    driver.deadLetters().map(({ code }) => code),
    ['too_large'],
  );
  await driver.close();
});

test('an instance that is to stop at what it cannot write stops at the input, and says which step keeps too much', async () => {
  const driver = await TestDriver.start({ spec: growing({ failures: { produce: 'stop' } }) });
  await driver.pipe('in', [event('a', 'a', 1), event('a', `*${ROW_MAX}`, 2)]);
  await assert.rejects(driver.advanceTo(2), {
    code: 'too_large',
    message: /^in\/0 at offset 1 \(produce\): What kept keeps of the key a would have 1000019 bytes/,
    field: 'kept',
  });
  await driver.close();
});

test('a timer that makes a row too large has no input to be set aside: the instance ends, and says where', async () => {
  const driver = await TestDriver.start({ spec: growing() });
  await driver.pipe('in', [event('a', 'timer', 1)]);
  await driver.advanceTo(5);
  assert.deepEqual(told(driver), ['a 5']);
  await assert.rejects(driver.advanceTo(20), {
    code: 'too_large',
    message: /^The timer of kept .*: What kept keeps of the key a/,
  });
  await driver.close();
});
