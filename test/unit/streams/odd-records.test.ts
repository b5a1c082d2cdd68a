// Records that no partition may be stopped by: event times that are none, and the one key that a local store keeps for itself.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { json } from '../../../streams/builder/format.ts';
import { topology } from '../../../streams/builder/topology.ts';
import { windows } from '../../../streams/builder/windows.ts';
import { memoryStores } from '../../../streams/memory-store.ts';
import { POSITION_KEY } from '../../../streams/state/position.ts';
import { TaskState } from '../../../streams/task-state.ts';
import { TestDriver } from '../../../streams/testing/test-driver.ts';

const START_MS = 1_700_000_000_000;

interface Event {
  readonly at: number;
}

const direct = topology('direct', (builder) => {
  windows(builder, 'counted', {
    ...{ from: { topic: 'in', format: 'json', eventTime: 'at' }, step: '1h', lateness: '2h' },
    features: { events: { function: 'count', window: '24h' } },
  }).to('out', { format: 'json', key: 'card', eventTime: 'at' });
});

const stepped = topology('stepped', ({ stream }) => {
  stream('in', json<Event>(), { timeOf: ({ at }) => at })
    .process<number, { events: number }>('counted', {
      state: json(),
      each: (_event, { state = 0, setState, emit }) => {
        setState(state + 1);
        emit({ events: state + 1 });
      },
    })
    .to('out', json());
});

const windowed = topology('windowed', ({ stream }) => {
  stream('in', json<Event>(), { timeOf: ({ at }) => at })
    .windowed('counted', {
      windows: { kind: 'tumbling', size: '1h' },
      lateness: '5m',
      features: { events: { function: 'count' } },
    })
    .map(({ values }) => values)
    .to('out', json());
});

const record = (at: number, key = 'a'): { key: string; value: string } => ({ key, value: JSON.stringify({ at }) });
const eventsIn = (driver: TestDriver): number[] =>
  driver.outputs('out').map(({ value }) => (JSON.parse(String(value)) as { events: number }).events);

const ODD_TIMES = [-1e20, -8.64e15, -1, 0.5, 8.64e15, 1e20, 1_700_000_000_000_000_000];

for (const spec of [direct, stepped, windowed])
  test(`${spec.id}: an event time that is none goes to the dead letters, and the next record counts`, async () => {
    const driver = await TestDriver.start({ spec, live: true, startMs: START_MS });
    await driver.pipe('in', [
      record(START_MS),
      ...ODD_TIMES.map((at) => record(at)),
      record(START_MS + 1),
      record(START_MS + 86_400_000),
    ]);
    const letters = driver.deadLetters();
    assert.deepEqual(new Set(letters.map(({ code }) => code)), new Set(['invalid_field']));
    assert.equal(letters.length, ODD_TIMES.length);
    assert.deepEqual(eventsIn(driver).slice(0, 2), spec === windowed ? [2] : [1, 2]);
    await driver.close();
  });

for (const odd of [Number.NaN, Number.POSITIVE_INFINITY, 8.64e15, START_MS + 0.5])
  test(`a timer at ${odd} is refused with its record`, async () => {
    const spec = topology('timers', ({ stream }) => {
      stream('in', json<Event>())
        .process<number, number>('step', { state: json(), each: (_event, { setTimer }) => setTimer(odd) })
        .to('out', json());
    });
    const driver = await TestDriver.start({ spec, live: true, startMs: START_MS });
    await driver.pipe('in', [record(START_MS)]);
    assert.match(driver.deadLetters()[0]?.reason ?? '', new RegExp(`setTimer was given ${odd}`));
    await driver.close();
  });

test("declared windows refuse the local store's own key, and start again", async () => {
  const driver = await TestDriver.start({ spec: direct, live: true, startMs: START_MS });
  const own = POSITION_KEY.toString();
  await driver.pipe('in', [record(START_MS), record(START_MS, own), record(START_MS, '\0')]);
  await driver.restart();
  await driver.pipe('in', [record(START_MS + 1), record(START_MS + 1, '\0'), record(START_MS + 1, own)]);
  assert.deepEqual(eventsIn(driver), [1, 1, 2, 2]);
  assert.deepEqual(
    driver.deadLetters().map(({ reason }) => reason.includes("is the local store's own")),
    [true, true],
  );
  await driver.close();
});

test('a key that begins with NUL comes back', async () => {
  const stores = memoryStores();
  const serde = { encode: (value: number) => Buffer.from([value]), decode: (bytes: Buffer) => bytes[0] ?? 0 };
  const changelog = { topic: 'changelog', partition: 0 };
  const first = new TaskState<number>(await stores.open('state'), serde, changelog);
  first.put('\0', 5);
  first.drain();
  await first.written({ nextOffset: 2, logEnd: 2 }, { asOfMs: 0, isRenewal: false });
  await first.close();
  const second = new TaskState<number>(await stores.open('state'), serde, changelog);
  await second.load();
  assert.deepEqual([...second.entries()], [['\0', 5]]);
  await second.close();
});
