// Steps that are punctuated, by event time and by the wall clock, in the test driver.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Failure } from '../../../../schemas/failure.ts';
import { type DeclaredTopology } from '../../../../streams/builder/declaration.ts';
import { json, text } from '../../../../streams/builder/format.ts';
import { topology } from '../../../../streams/builder/topology.ts';
import { TestDriver, type TestRecord } from '../../../../streams/testing/test-driver.ts';

const at = (timestampMs: number, key = 'k'): TestRecord => ({ key, value: 'x', timestampMs });
const lines = (driver: TestDriver): string[] =>
  driver.outputs('out').map(({ key, value, timestampMs }) => `${timestampMs} ${key?.toString()} ${value?.toString()}`);

/** Counts per key; tells every count at each multiple of 10 ms, and forgets keys that have been told three times. */
function told(by: 'event time' | 'wall clock'): DeclaredTopology {
  return topology('told', ({ stream }) => {
    stream('in', text)
      .process<{ count: number; told: number }, string>('count', {
        state: json(),
        each: (_value, { state, setState }) => setState({ count: (state?.count ?? 0) + 1, told: 0 }),
        punctuate: {
          every: '10ms',
          by,
          run: ({ states, setState, emit, wallMs }) => {
            for (const [key, { count, told: before }] of states()) {
              emit(key, `${count} at ${wallMs}`);
              setState(key, before === 2 ? undefined : { count, told: before + 1 });
            }
          },
        },
      })
      .to('out', text);
  });
}

test('by event time: at each multiple while anything is kept, the same across restarts', async () => {
  const driver = await TestDriver.start({ spec: told('event time') });
  await driver.pipe('in', [at(3), at(10), at(10, 'l')]);
  await driver.advanceTo(9);
  assert.deepEqual(lines(driver), []);
  await driver.restart();
  await driver.advanceTo(15);
  // what is at the very instant of a punctuation is in it
  assert.deepEqual(lines(driver), ['10 k 2 at null', '10 l 1 at null']);
  await driver.restart();
  await driver.pipe('in', [at(25)]);
  await driver.advanceTo(1000);
  assert.deepEqual(lines(driver), [
    ...['20 k 2 at null', '20 l 1 at null', '30 k 3 at null', '30 l 1 at null'],
    ...['40 k 3 at null', '50 k 3 at null'],
  ]);
  assert.equal(driver.stateOf('count', 'k'), undefined);
  await driver.pipe('in', [at(2000)]);
  await driver.advanceTo(2010);
  assert.deepEqual(lines(driver), ['2010 k 1 at null'], 'it begins again');
  await driver.close();
});

test('by event time it is what the events say, whatever the order of partitions and restarts', async () => {
  const events = fc.array(fc.record({ afterMs: fc.nat(7), key: fc.constantFrom('k', 'l'), restart: fc.boolean() }), {
    maxLength: 12,
  });
  await fc.assert(
    fc.asyncProperty(events, async (drawn) => {
      const driver = await TestDriver.start({ spec: told('event time') });
      const counts = new Map<string, { count: number; told: number }>();
      const expected: string[] = [];
      let nowMs = 100;
      const tellTo = (timeMs: number): void => {
        for (let nextMs = nowMs - (nowMs % 10) + 10; nextMs < timeMs; nextMs += 10)
          for (const [key, kept] of [...counts].sort()) {
            expected.push(`${nextMs} ${key} ${kept.count} at null`);
            kept.told += 1;
            if (kept.told === 3) counts.delete(key);
          }
      };
      for (const { afterMs, key, restart } of drawn) {
        const timeMs = nowMs + 1 + afterMs;
        tellTo(timeMs);
        nowMs = timeMs - 1;
        counts.set(key, { count: (counts.get(key)?.count ?? 0) + 1, told: 0 });
        await driver.pipe('in', [at(timeMs, key)]);
        if (restart) await driver.restart();
      }
      tellTo(1001);
      await driver.advanceTo(1000);
      assert.deepEqual(lines(driver).sort(), expected.sort());
      await driver.close();
    }),
    { numRuns: 60 },
  );
});

test('by the wall clock: once however long it was due, and never before the first record', async () => {
  const driver = await TestDriver.start({ spec: told('wall clock'), live: true, startMs: 5 });
  await driver.advanceWallClock(100);
  assert.deepEqual(lines(driver), []);
  await driver.pipe('in', [at(3)]);
  assert.deepEqual(lines(driver), ['3 k 1 at 105'], 'it was due when the record came');
  await driver.advanceWallClock(4);
  assert.deepEqual(lines(driver), []);
  await driver.advanceWallClock(1);
  assert.deepEqual(lines(driver), ['3 k 1 at 110']);
  await driver.restart();
  await driver.advanceWallClock(35);
  assert.deepEqual(lines(driver), ['3 k 1 at 145']);
  assert.equal(driver.stateOf('count', 'k'), undefined, 'what it changed is committed though no record came');
  await driver.close();
});

test('a state that only a punctuation changes is committed too', async () => {
  const spec = topology('forgetful', ({ stream }) => {
    stream('in', text).process<string, never>('p', {
      state: json(),
      each: (value, { setState }) => setState(value),
      punctuate: {
        every: '10ms',
        by: 'wall clock',
        run: ({ states, setState }) => {
          for (const [key] of states()) setState(key, undefined);
        },
      },
    });
  });
  const driver = await TestDriver.start({ spec, live: true, startMs: 20 });
  await driver.pipe('in', [at(1)]);
  assert.equal(driver.stateOf('p', 'k'), 'x');
  await driver.advanceWallClock(10);
  assert.equal(driver.stateOf('p', 'k'), undefined);
  await driver.close();
});

test('a punctuation that throws is tried again, then ends the instance', async () => {
  let left = 2;
  const spec = topology('failing', ({ stream }) => {
    stream('in', text)
      .process<string, string>('p', {
        state: json(),
        each: (value, { setState }) => setState(value),
        punctuate: {
          every: '10ms',
          by: 'event time',
          run: ({ emit }) => {
            emit('k', 'told');
            left -= 1;
            if (left !== 0) throw new Failure('not_ready', 'not yet');
          },
        },
      })
      .to('out', text);
  });
  const driver = await TestDriver.start({ spec, policies: { retries: 1, retryBackoffMs: 5 } });
  await driver.pipe('in', [at(1)]);
  await driver.advanceTo(15);
  assert.deepEqual(lines(driver), ['10 k told']);
  await assert.rejects(driver.advanceTo(25), {
    code: 'not_ready',
    message: 'The punctuation of p at event time 20 in partition 0 failed: not yet',
    fix: /^There is no record to set aside: mend the step/,
  });
  await driver.close();
});

test('a timer that throws is tried again, then ends the instance with the names of its step and key', async () => {
  let left = 2;
  const spec = topology('failing', ({ stream }) => {
    stream('in', text)
      .process<string, string>('alarm', {
        state: json(),
        each: (value, { setState, setTimer, timeMs }) => {
          setState(value);
          setTimer(timeMs + 10);
        },
        timer: ({ emit, setTimer, timeMs }) => {
          emit('told');
          setTimer(timeMs + 10);
          left -= 1;
          if (left !== 0) throw new Error('my own mistake');
        },
      })
      .to('out', text);
  });
  const driver = await TestDriver.start({ spec, policies: { retries: 1, retryBackoffMs: 5 } });
  await driver.pipe('in', [at(1)]);
  await driver.advanceTo(15);
  assert.deepEqual(lines(driver), ['11 k told']);
  await assert.rejects(driver.advanceTo(25), {
    code: 'internal',
    message: /^The timer of alarm for the key "k" at event time 21 in partition 0 failed: .*my own mistake/,
    fix: /^There is no record to set aside: mend the step, and start the instance again\./,
  });
  await driver.close();
});
