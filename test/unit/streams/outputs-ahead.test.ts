// At least once, outputs go ahead of their commit: when they could not be written, neither their offsets nor their changes are committed.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { topology } from '../../../streams/builder/topology.ts';
import { windows } from '../../../streams/builder/windows.ts';
import { Failure } from '../../../schemas/failure.ts';
import { MemoryLog } from '../../../streams/testing/memory-log.ts';
import { TestDriver } from '../../../streams/testing/test-driver.ts';

const START_MS = 1_700_000_000_000;
/** A commit begins meanwhile, in simulated time. */
const TURNS_OF_A_SLOW_APPEND = 200;

const counts = topology('counts', (builder) => {
  windows(builder, 'counted', {
    ...{ from: { topic: 'in', format: 'json', eventTime: 'at' }, step: '1h', lateness: '2h' },
    features: { events: { function: 'count', window: '24h' } },
  }).to('out', { format: 'json', key: 'card', eventTime: 'at' });
});

const event = (number: number): { key: string; value: string } => ({
  key: 'c1',
  value: JSON.stringify({ at: START_MS + number }),
});

test('outputs that could not be written are written after a restart', async (context) => {
  let isBroken = false;
  const atLeastOnce = Object.getOwnPropertyDescriptor(MemoryLog.prototype, 'atLeastOnce')
    ?.value as MemoryLog['atLeastOnce'];
  context.mock.method(MemoryLog.prototype, 'atLeastOnce', async function (this: MemoryLog) {
    const session = await atLeastOnce.call(this);
    const { appendEncoded } = session;
    session.appendEncoded = async (batches) => {
      if (!isBroken || batches.every(({ topic }) => topic !== 'out')) return appendEncoded.call(session, batches);
      for (let turn = 0; turn < TURNS_OF_A_SLOW_APPEND; turn += 1)
        await new Promise((resolve) => setImmediate(resolve));
      throw new Failure('unreachable', 'Kafka did not answer.');
    };
    return session;
  });
  const driver = await TestDriver.start({
    ...{ spec: counts, guarantee: 'at-least-once', live: true, startMs: START_MS },
  });
  await driver.pipe('in', [event(1)]);
  isBroken = true;
  await driver.pipe('in', [event(2), event(3)]);
  await driver.close();
  isBroken = false;
  await driver.restart();
  const values = driver.outputs('out').map(({ value }) => JSON.parse(String(value)) as { events: number });
  assert.deepEqual(
    values.map(({ events }) => events),
    [1, 2, 3],
  );
  await driver.close();
});
