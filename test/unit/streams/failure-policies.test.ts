// What happens to a record that fails, as a topology declares it: stage by stage, set aside, stopped at, or tried again.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Failure } from '../../../schemas/failure.ts';
import { type DeclaredTopology } from '../../../streams/builder/declaration.ts';
import { json, text } from '../../../streams/builder/format.ts';
import { type TopologyOptions, topology } from '../../../streams/builder/topology.ts';
import { windows } from '../../../streams/builder/windows.ts';
import { TestDriver } from '../../../streams/testing/test-driver.ts';

const HOUR_MS = 3_600_000;

/** Of a step's record: fails in this stage, or with this failure so many times. */
interface Told {
  readonly at: number;
  readonly fail?: 'process' | 'produce' | Failure['code'];
  readonly times?: number;
}

/** Counts what has gone through; each stage fails as the record says. */
function counting(options: TopologyOptions): DeclaredTopology {
  let failed = 0;
  return topology(
    'counting',
    ({ stream }) => {
      stream('in', json<Told>(), { timeOf: ({ at }) => at })
        .process<number, string>('count', {
          state: json(),
          each: ({ fail, times = Infinity }, { state = 0, setState, emit }) => {
            setState(state + 1);
            if (fail === 'produce') emit('x'.repeat(1_100_000));
            else if (fail === undefined || failed >= times) emit(`${state + 1}`);
            else {
              failed += 1;
              throw fail === 'process' ? new Error('broken') : new Failure(fail, fail);
            }
          },
        })
        .to('out', text);
    },
    options,
  );
}

async function started(options: TopologyOptions): Promise<TestDriver> {
  return TestDriver.start({ spec: counting(options), live: true });
}

const record = (value: Told | string) => ({
  key: 'k',
  value: typeof value === 'string' ? value : JSON.stringify(value),
});
const good = record({ at: 1 });
const outputs = (driver: TestDriver): string[] => driver.outputs('out').map(({ value }) => String(value));

/** Stage, what fails in it, and its code. */
const STAGES = [
  ['decode', record('{"at":'), 'undecodable_record'],
  ['process', record({ at: 2, fail: 'process' }), 'internal'],
  ['process', record({ at: 2, fail: 'invalid_field' }), 'invalid_field'],
  ['produce', record({ at: 2, fail: 'produce' }), 'too_large'],
] as const;

for (const [stage, bad, code] of STAGES) {
  test(`${stage}, ${code}: set aside, its effects undone, unless declared otherwise`, async () => {
    const driver = await started({});
    await driver.pipe('in', [good, bad, good]);
    assert.deepEqual(outputs(driver), ['1', '2']);
    assert.deepEqual(
      driver.deadLetters().map((letter) => [letter.stage, letter.code, letter.offset]),
      [[stage, code, 1]],
    );
    await driver.close();
  });

  test(`${stage}, ${code}: the instance stops before it, and again; another policy passes over it`, async () => {
    const driver = await started({ failures: { [stage]: 'stop' } });
    await driver.pipe('in', [good]);
    const stopped = { code, message: new RegExp(`^in/0 at offset 1 \\(${stage}\\): `) };
    await assert.rejects(driver.pipe('in', [bad, good]), stopped);
    await assert.rejects(driver.restart(), stopped);
    await driver.restart(counting({}));
    assert.deepEqual(outputs(driver), ['1', '2']);
    assert.deepEqual(
      driver.deadLetters().map(({ offset }) => offset),
      [1],
    );
    await driver.close();
  });
}

test('what a step threw is tried again, later each time; what its record is to blame for is not waited for', async () => {
  const driver = await started({ failures: { retries: 3, retryBackoffMs: 1000 } });
  await driver.pipe('in', [good, record({ at: 2, fail: 'not_ready', times: 2 }), good]);
  assert.deepEqual(outputs(driver), [], 'it waits, and nothing of its task is committed');
  await driver.advanceWallClock(1000);
  assert.deepEqual(outputs(driver), []);
  await driver.advanceWallClock(2000);
  assert.deepEqual(outputs(driver), ['1', '2', '3']);
  for (const [stage, bad, code] of STAGES.filter(([, , each]) => each !== 'internal')) {
    await driver.pipe('in', [bad]);
    assert.deepEqual(
      driver.deadLetters().map((letter) => [letter.stage, letter.code]),
      [[stage, code]],
      `${code} at once`,
    );
  }
  await driver.close();
});

test('what still fails after its retries goes the way of its policy', async () => {
  const driver = await started({ failures: { retries: 2, retryBackoffMs: 1000 } });
  await driver.pipe('in', [record({ at: 2, fail: 'process' }), good]);
  await driver.advanceWallClock(1000);
  assert.deepEqual(driver.deadLetters(), []);
  await driver.advanceWallClock(2000);
  assert.deepEqual(
    driver.deadLetters().map(({ stage, code }) => [stage, code]),
    [['process', 'internal']],
  );
  assert.deepEqual(outputs(driver), ['1']);
  await driver.close();
});

test('a record that comes too late is set aside at once, also where the step is to stop', async () => {
  const spec = topology(
    'hourly',
    ({ stream }) => {
      stream('in', json<Told>(), { timeOf: ({ at }) => at })
        .windowed('counts', {
          ...{ windows: { kind: 'tumbling', size: '1h' }, lateness: '0s' },
          features: { count: { function: 'count' } },
        })
        .map(({ values }) => JSON.stringify(values.count))
        .to('out', text);
    },
    { failures: { process: 'stop', retries: 3, retryBackoffMs: 1000 } },
  );
  const driver = await TestDriver.start({ spec, live: true });
  for (const at of [1, 2 * HOUR_MS, 1, 4 * HOUR_MS]) await driver.pipe('in', [record({ at })]);
  assert.deepEqual(outputs(driver), ['1', '1']);
  assert.deepEqual(
    driver.deadLetters().map(({ code, offset }) => [code, offset]),
    [['too_late', 2]],
  );
  await driver.close();
});

test('declared windows: what cannot be read is set aside or stopped at, what is too late always set aside', async () => {
  const declared = (options: TopologyOptions): DeclaredTopology =>
    topology(
      'features',
      (builder) => {
        windows(builder, 'features', {
          from: { topic: 'in', format: 'json', eventTime: 'at' },
          ...{ step: '1h', features: { count: { function: 'count', window: '2h' } } },
        }).to('out', { format: 'json' });
      },
      options,
    );
  const driver = await TestDriver.start({ spec: declared({ failures: { decode: 'stop', process: 'stop' } }) });
  await driver.pipe('in', [record({ at: 5 * HOUR_MS }), record({ at: 1 })]);
  assert.deepEqual(
    driver.deadLetters().map(({ code }) => code),
    ['too_late'],
  );
  await assert.rejects(driver.pipe('in', [record('{"at":'), record({ at: 5 * HOUR_MS })]), {
    code: /undecodable|field/,
  });
  await driver.restart(declared({}));
  assert.equal(driver.deadLetters().length, 1);
  assert.equal(driver.outputs('out').length, 2);
  await driver.close();
});

test('a policy that is none is refused where it is declared', () => {
  const wrong = [
    [{ process: 'retry' }, /^topology counting: failures\.process: retry is not known/],
    [{ late: 'stop' }, /failures\.late: is not known here/],
    [{ retries: -1 }, /failures\.retries: -1 is no number from 0 to 1000/],
    [{ retryBackoffMs: 0 }, /failures\.retryBackoffMs: 0 is no number/],
  ] as const;
  for (const [failures, message] of wrong)
    assert.throws(() => counting({ failures: failures as TopologyOptions['failures'] & object }), {
      code: 'invalid_definition',
      message,
    });
});
