// The test driver, as users of the engine would use it: on the platform's own applications.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import spending, { type Day } from '../../../../examples/streams/spending.ts';
import { AvroCodec, AvroReader, EventCodec } from '../../../../schemas/codec.ts';
import { type EndpointDefinition, type FeatureViewDefinition } from '../../../../schemas/definitions.ts';
import { type Prediction, type Result } from '../../../../schemas/events.generated.ts';
import { Failure } from '../../../../schemas/failure.ts';
import { featureRowSchema } from '../../../../schemas/parse-definitions.ts';
import { topicNames } from '../../../../schemas/topics.ts';
import { type FeatureRow, viewApplication } from '../../../../processors/features/view-application.ts';
import { joinApplication } from '../../../../processors/results/join-application.ts';
import { headerMaker } from '../../../../streams/event-headers.ts';
import { type ApplicationSpec, type SubTopology } from '../../../../streams/processor.ts';
import { MemoryRegistry } from '../../../../streams/testing/memory-registry.ts';
import { TestDriver, type TestRecord } from '../../../../streams/testing/test-driver.ts';

const MINUTE_MS = 60_000;
const START_MS = Date.UTC(2026, 0, 1);
const names = topicNames('');

const view: FeatureViewDefinition = {
  ...{ kind: 'feature_view', name: 'plane', entity: 'plane', lateness_ms: MINUTE_MS, step_ms: 0, expiry: 'emit' },
  description: '',
  source: { topic: 'flights', key_field: 'tail', event_time_field: 'time' },
  features: [
    { name: 'flights_10m', function: 'count', field: '', window_ms: 10 * MINUTE_MS },
    { name: 'delay_10m', function: 'sum', field: 'delay', window_ms: 10 * MINUTE_MS },
  ],
};

/** minutes after the start, tail number, delay */
type Flight = readonly [minute: number, tail: string, delay: number];

function flights(partition: number, ...all: readonly Flight[]): TestRecord[] {
  return all.map(([minute, tail, delay]) => ({
    partition,
    value: JSON.stringify({ tail, delay, time: START_MS + minute * MINUTE_MS }),
  }));
}

async function viewDriver() {
  const codec = new AvroCodec<FeatureRow>(1, featureRowSchema(view));
  const spec = viewApplication({
    ...{ view, names, definitionHash: 'hash', sourcePartitions: 2, viewPartitions: 2, rowCodec: codec },
    ...{ reader: new AvroReader(new MemoryRegistry()), headers: headerMaker('FeatureRow', 'test') },
    nowMs: () => START_MS,
  });
  const driver = await TestDriver.start({ spec, defaultPartitions: 2, startMs: START_MS });
  const rows = (): string[] =>
    driver
      .outputs(names.features('plane'))
      .map(({ value, key }) => {
        const row = codec.decode(value ?? Buffer.alloc(0));
        const minute = (Number(row['event_time']) - START_MS) / MINUTE_MS;
        return { minute, text: `${minute} ${key?.toString()} ${row['flights_10m']} ${row['delay_10m']}` };
      })
      .sort((a, b) => a.minute - b.minute)
      .map(({ text }) => text);
  return { driver, rows, codec };
}

test('a feature view: rows come when their instant is complete, and again when an event leaves the window', async () => {
  const { driver, rows } = await viewDriver();
  await driver.pipe('flights', flights(0, [1, 'N1', 5], [4, 'N1', 7]));
  assert.deepEqual(rows(), [], 'the other partition may still bring something earlier');
  await driver.pipe('flights', flights(1, [2, 'N2', 1], [3, 'N1', 2]));
  // up to minute 3 both partitions have said what there is
  assert.deepEqual(rows(), ['1 N1 1 5', '2 N2 1 1']);
  await driver.advanceTo(START_MS + 5 * MINUTE_MS);
  assert.deepEqual(rows(), ['3 N1 2 7', '4 N1 3 14']);
  await driver.advanceTo(START_MS + 60 * MINUTE_MS);
  assert.deepEqual(rows(), ['11 N1 2 9', '12 N2 0 null', '13 N1 1 7', '14 N1 0 null']);
  assert.deepEqual(rows(), []);
  assert.deepEqual(driver.deadLetters(), []);
  await driver.close();
});

test('a feature view: state outlives a restart, late and broken events are set aside', async () => {
  const { driver, rows } = await viewDriver();
  await driver.pipe('flights', flights(0, [1, 'N1', 5], [2, 'N1', 3]));
  await driver.advanceTo(START_MS + 8 * MINUTE_MS);
  assert.equal(rows().length, 2);
  assert.ok(driver.stateOf('windows', 'N1') !== undefined);
  assert.equal(driver.stateOf('windows', 'N9'), undefined);
  assert.throws(() => driver.stateOf('windwos', 'N1'), Failure);
  await driver.restart();
  await driver.pipe('flights', [...flights(0, [9, 'N1', 1]), { partition: 0, value: '{"tail":' }]);
  await driver.advanceTo(START_MS + 9 * MINUTE_MS);
  assert.deepEqual(rows(), ['9 N1 3 9']);
  await driver.pipe('flights', flights(0, [3, 'N1', 100]));
  await driver.advanceTo(START_MS + 10 * MINUTE_MS);
  assert.deepEqual(rows(), []);
  assert.deepEqual(
    driver
      .deadLetters()
      .map(({ topic, offset, stage, code }) => [topic, offset, stage, code])
      .sort(),
    [
      ['flights', 3, 'decode', 'undecodable_record'],
      [names.repartition('features.plane'), 6, 'process', 'too_late'],
    ],
  );
  await driver.close();
});

test('a feature view: its repartition topic holds only what was not committed yet', async () => {
  const { driver, rows } = await viewDriver();
  await driver.pipe('flights', flights(0, [1, 'N1', 5], [2, 'N1', 3]));
  await driver.advanceTo(START_MS + 8 * MINUTE_MS);
  await driver.advanceWallClock(MINUTE_MS);
  assert.deepEqual(driver.outputs(names.repartition('features.plane')), []);
  assert.equal(driver.outputs('flights').length, 2);
  await driver.restart();
  await driver.advanceTo(START_MS + 60 * MINUTE_MS);
  assert.deepEqual(rows(), ['1 N1 1 5', '2 N1 2 8', '11 N1 1 3', '12 N1 0 null']);
  await driver.close();
});

test('a feature view: what is told of its windows is what the last feature row says, expiries included', async () => {
  const { driver, codec } = await viewDriver();
  const last = new Map<string, FeatureRow>();
  for (let minute = 0; minute < 40; minute += 1) {
    await driver.pipe('flights', minute < 20 ? flights(minute % 2, [minute, `N${(minute * 7) % 5}`, minute]) : []);
    await driver.advanceTo(START_MS + minute * MINUTE_MS);
    for (const { key, value } of driver.outputs(names.features('plane')))
      last.set(key?.toString() ?? '', codec.decode(value ?? Buffer.alloc(0)));
    const told = await driver.read('windows', { kind: 'range', from: null, to: null, limit: 10 });
    assert.deepEqual(
      told.map(({ key, value }) => ({ key, values: (value as { values: unknown }).values })),
      [...last]
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([key, row]) => ({
          key,
          values: { flights_10m: row['flights_10m'], delay_10m: row['delay_10m'] },
        })),
    );
  }
  assert.equal(last.size, 5);
  assert.ok([...last.values()].every((row) => row['flights_10m'] === 0));
  await driver.close();
});

test('the same records give the same bytes', async () => {
  const run = async () => {
    const { driver } = await viewDriver();
    for (let minute = 0; minute < 30; minute += 1)
      await driver.pipe('flights', flights(minute % 2, [minute, `N${minute % 3}`, minute]));
    await driver.advanceTo(START_MS + 60 * MINUTE_MS);
    const records = driver.outputs(names.features('plane'));
    await driver.close();
    return records;
  };
  const records = await run();
  assert.ok(records.length > 30);
  assert.deepEqual(records, await run());
});

const endpoint: EndpointDefinition = {
  ...{ kind: 'endpoint', name: 'delay', model: 'm', entities: {}, inputs: [], serve_from: null, description: '' },
  request: { key_field: 'id', event_time_field: 'time' },
  outcome: { key_field: 'id', event_time_field: 'time', label_field: 'late', horizon_ms: 48 * 60 * MINUTE_MS },
  delivery: 'exactly-once',
};

test('the join of predictions and outcomes: a result, a correction, nothing for a repetition', async () => {
  const codec = new EventCodec(new MemoryRegistry());
  const [predictions, outcomes, results] = [
    names.predictions('delay'),
    names.outcomes('delay'),
    names.results('delay'),
  ];
  await codec.prepare(predictions, ['Prediction']);
  await codec.prepare(results, ['Result']);
  const spec = joinApplication({ endpoint, names, codec, live: false, nowMs: () => START_MS });
  const prepare = (values: readonly (Buffer | null)[]) => codec.reader.prepare(values);
  const driver = await TestDriver.start({ spec, startMs: START_MS, prepare });
  const labels = async (): Promise<(readonly [string, number])[]> => {
    const records = driver.outputs(results);
    await codec.reader.prepare(records.map(({ value }) => value));
    return records.map(({ value }) => {
      const { request_id, label } = codec.reader.decode(value ?? Buffer.alloc(0)).value as Result;
      return [request_id, label];
    });
  };
  const outcome = (id: string, minute: number, late: number): TestRecord => ({
    key: id,
    value: JSON.stringify({ id, late, time: START_MS + minute * MINUTE_MS }),
  });
  await driver.pipe(predictions, [
    { key: 'r1', value: codec.encode('Prediction', predictionOf('r1', 1)) },
    { key: 'r2', value: codec.encode('Prediction', predictionOf('r2', 2)) },
  ]);
  await driver.pipe(outcomes, [outcome('r1', 30, 1), outcome('r1', 30, 1)]);
  assert.deepEqual(await labels(), [], 'a prediction may still come before');
  await driver.advanceTo(START_MS + 40 * MINUTE_MS);
  assert.deepEqual(await labels(), [['r1', 1]]);
  await driver.pipe(outcomes, [outcome('r1', 50, 0), outcome('r2', 51, 0)]);
  await driver.advanceTo(START_MS + 60 * MINUTE_MS);
  assert.deepEqual(await labels(), [
    ['r1', 0],
    ['r2', 0],
  ]);
  assert.deepEqual(driver.deadLetters(), []);
  await driver.close();
});

function predictionOf(id: string, minute: number): Prediction {
  return {
    ...{ prediction_id: `${id}:m:1:live`, request_id: id, endpoint: 'delay', purpose: 'live', arm: 'champion' },
    ...{ event_time: START_MS + minute * MINUTE_MS, model: 'm', version: 1, weights_sha256: '', score: 0.5 },
    ...{ features: [], rows: [] },
  };
}

/** Tells each key's last value again when it was quiet for a second. */
function echo(step: (text: string) => void): ApplicationSpec {
  const topology: SubTopology<string> = {
    ...{ name: 'echo', topics: ['in'], lanesOf: () => 1, single: false, globalTopics: [] },
    store: { name: 'last', serde: { encode: (text) => Buffer.from(text), decode: (bytes) => bytes.toString() } },
    outputLanes: () => [],
    create: async ({ state, setTimer, emit }) => ({
      processor: {
        decode: (record) => ({
          ...{ kind: 'input', lane: 0, eventTimeMs: record.timestampMs, value: record.value?.toString() ?? '' },
        }),
        step: ({ timeMs, inputs, timers }) => {
          for (const { record, value } of inputs) {
            step(String(value));
            const key = record.key?.toString() ?? '';
            state.put(key, String(value));
            setTimer(key, timeMs + 1000);
          }
          for (const key of timers)
            emit({
              topic: 'out',
              timestampMs: timeMs,
              key: Buffer.from(key),
              value: Buffer.from(state.get(key) ?? ''),
            });
        },
      },
      globalPositions: new Map(),
    }),
  };
  const untyped: unknown = topology;
  return { id: 'echo', subTopologies: [untyped as SubTopology<never>] };
}

test('a declared topology: days are closed at midnight of the event time, cards over their limit are told at once', async () => {
  const hour = 60 * MINUTE_MS;
  const pay = (card: string, amount: number, hours: number): TestRecord => ({
    key: `${card}-${hours}`,
    value: JSON.stringify({ card, amount, paid_at: START_MS + hours * hour }),
  });
  const driver = await TestDriver.start({ spec: spending, partitions: { payments: 3 }, startMs: START_MS });
  const told = (): string[] =>
    driver
      .outputs('spending')
      .map(({ value }) => JSON.parse(value?.toString() ?? '') as Day)
      .map(({ card, day, spent, state }) => `${card} ${day} ${spent} ${state}`);
  await driver.pipe('payments', [pay('a', 900, 1), pay('b', 5, 2), pay('a', 200, 3), pay('a', 1, 25)]);
  await driver.advanceTo(START_MS + 12 * hour);
  assert.deepEqual(told(), ['a 2026-01-01 1100 over limit']);
  assert.deepEqual(driver.stateOf('per-day', 'b'), { card: 'b', day: '2026-01-01', spent: 5, state: 'open' });
  await driver.restart();
  await driver.advanceTo(START_MS + 26 * hour);
  assert.deepEqual(told().sort(), ['a 2026-01-01 1100 closed', 'b 2026-01-01 5 closed']);
  assert.equal(driver.stateOf('per-day', 'b'), undefined);
  await driver.close();
});

test('live, event time follows the wall clock once nothing comes any more', async () => {
  const driver = await TestDriver.start({
    spec: echo(() => undefined),
    live: true,
    idleTimeoutMs: 5000,
    startMs: START_MS,
  });
  await driver.pipe('in', [{ key: 'k', value: 'v' }]);
  assert.equal(driver.stateOf('last', 'k'), 'v');
  await driver.advanceWallClock(4000);
  assert.deepEqual(driver.outputs('out'), []);
  await driver.advanceWallClock(2000);
  assert.deepEqual(
    driver.outputs('out').map(({ key, value, timestampMs }) => [key?.toString(), value?.toString(), timestampMs]),
    [['k', 'v', START_MS + 1000]],
  );
  await assert.rejects(driver.advanceTo(START_MS + 10_000), Failure);
  await driver.close();
});

test('what ends the application is what the call throws', async () => {
  const spec = echo((text) => {
    if (text === 'bad') throw new Error('no such thing');
  });
  const driver = await TestDriver.start({ spec });
  await driver.pipe('in', [{ key: 'k', value: 'good', timestampMs: 1 }]);
  await assert.rejects(async () => {
    await driver.pipe('in', [{ key: 'k', value: 'bad', timestampMs: 2 }]);
    await driver.advanceTo(5);
  }, /no such thing/);
  assert.equal(driver.stateOf('last', 'k'), 'good');
});
