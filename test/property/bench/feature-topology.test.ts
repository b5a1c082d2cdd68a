// The feature job on Avro against itself on JSON: the same events give the same rows, in the same places and order, and the same
// events are set aside.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { featureRowSchema, featureTopology } from '../../../infra/bench/feature-topology.ts';
import { AvroCodec, AvroReader, type AvroSchema } from '../../../schemas/codec.ts';
import { type LogRecord } from '../../../streams/log.ts';
import { MemoryRegistry } from '../../../streams/testing/memory-registry.ts';
import { TestDriver } from '../../../streams/testing/test-driver.ts';

const HOUR_MS = 3_600_000;
const START_MS = Date.UTC(2013, 0, 1);
const TOPICS = { group: 'job', input: 'flights', output: 'features' };

interface Event {
  readonly key: string | null;
  readonly ts: number;
  readonly delay: number | null;
  /** undefined: the event's schema has no such field */
  readonly p: number | null | undefined;
}

const number = fc.oneof(
  fc.integer({ min: -120, max: 2000 }),
  fc.double({ min: -1e6, max: 1e6, noNaN: true }),
  fc.constant(-0),
);
const event: fc.Arbitrary<Event> = fc.record({
  key: fc.constantFrom('N1', 'N2', 'N3', 'ß', null),
  // longer than the longest window
  ts: fc.integer({ min: 0, max: 9 * 24 * HOUR_MS }).map((ms) => START_MS + ms),
  delay: fc.option(number),
  p: fc.oneof(fc.constant(undefined), fc.option(number)),
});
const events = fc.array(event, { maxLength: 30 }).chain((all) =>
  fc.constantFrom(
    all,
    [...all].sort((one, other) => one.ts - other.ts),
  ),
);

const maybe = (name: string) => ({ name, type: ['null', 'double'] });
const FIELDS = [
  { name: 'tailnum', type: ['null', 'string'] },
  { name: 'ts', type: { type: 'long', logicalType: 'timestamp-millis' } },
  { name: 'stops', type: { type: 'array', items: 'int' } },
];
const WITHOUT_P: AvroSchema = { type: 'record', name: 'Flight', fields: [...FIELDS, maybe('dep_delay')] };
const WITH_P: AvroSchema = { type: 'record', name: 'Flight', fields: [...FIELDS, maybe('p'), maybe('dep_delay')] };

interface Result {
  readonly rows: readonly unknown[];
  readonly setAside: readonly string[];
}

async function run(
  driver: TestDriver,
  all: readonly Event[],
  valueOf: (event: Event) => Buffer,
  rowsOf: (records: readonly LogRecord[]) => Promise<Record<string, unknown>[]>,
): Promise<Result> {
  // in two calls, so that the second finds state
  for (const part of [all.slice(0, all.length / 2), all.slice(all.length / 2)])
    await driver.pipe(
      TOPICS.input,
      part.map((one) => ({ key: one.key, value: valueOf(one), timestampMs: one.ts })),
    );
  const records = driver.outputs(TOPICS.output);
  const rows = await rowsOf(records);
  const setAside = driver.deadLetters().map(({ partition, offset, code }) => `${partition}/${offset} ${code}`);
  await driver.close();
  return {
    setAside,
    rows: records.map(({ partition, timestampMs, key }, index) => ({
      place: { partition, timestampMs, key: key?.toString() },
      row: Object.fromEntries(
        Object.entries(rows[index] ?? {}).map(([name, value]) => [name, withoutMinusZero(value)]),
      ),
    })),
  };
}

/** JSON rows do not tell −0 from 0. */
function withoutMinusZero(value: unknown): unknown {
  return value === 0 ? 0 : value;
}

async function onJson(all: readonly Event[]): Promise<Result> {
  const spec = featureTopology(TOPICS, { format: 'json' });
  return run(
    await TestDriver.start({ spec, defaultPartitions: 2 }),
    all,
    ({ ts, delay, p }) => Buffer.from(JSON.stringify({ ts, dep_delay: delay, p })),
    // what is absent is null
    async (records) => records.map(({ value }) => ({ p: null, ...(JSON.parse(String(value)) as object) })),
  );
}

async function onAvro(all: readonly Event[]): Promise<Result> {
  const schemas = new MemoryRegistry();
  const codecOf = async (schema: AvroSchema) => new AvroCodec(await schemas.register('flights-value', schema), schema);
  const [withP, withoutP] = [await codecOf(WITH_P), await codecOf(WITHOUT_P)];
  const schemaId = await schemas.register('features-value', featureRowSchema());
  const spec = featureTopology(TOPICS, { format: 'avro', schemaId });
  const reader = new AvroReader(schemas);
  return run(
    await TestDriver.start({ spec, defaultPartitions: 2, schemas }),
    all,
    ({ key, ts, delay, p }) =>
      (p === undefined ? withoutP : withP).encode({ tailnum: key, ts, stops: [1, 2], dep_delay: delay, p }),
    async (records) => {
      await reader.prepare(records.map(({ value }) => value));
      return records.map(({ value }) => ({ ...(reader.decode(value ?? Buffer.alloc(0)).value as object) }));
    },
  );
}

test('rows of the Avro job are those of the JSON job', async () => {
  let [rows, setAside] = [0, 0];
  await fc.assert(
    fc.asyncProperty(events, async (all) => {
      const [json, avro] = [await onJson(all), await onAvro(all)];
      assert.deepEqual(avro, json);
      assert.equal(json.rows.length + json.setAside.length, all.length);
      rows += json.rows.length;
      setAside += json.setAside.length;
    }),
    { numRuns: 60 },
  );
  assert.ok(rows > 0 && setAside > 0, `${rows} rows were compared, ${setAside} events were set aside`);
});

test('what a row says of an event with negative and fractional delays', async () => {
  const at = (hour: number, delay: number, p?: number): Event => ({
    ...{ key: 'N1', ts: START_MS + hour * HOUR_MS, delay, p },
  });
  const { rows } = await onAvro([at(0, -7.5), at(0.5, 12.25, -0.5), at(3, -3), at(200, 1)]);
  const told = rows.map((one) => (one as { row: Record<string, unknown> }).row);
  assert.deepEqual(
    told.map(({ p, last, count_1h, sum_1h, count_24h, sum_24h, mean_7d, max_7d }) => [
      ...[p, last, count_1h, sum_1h, count_24h, sum_24h, mean_7d, max_7d],
    ]),
    [
      [null, -7.5, 1, -7.5, 1, -7.5, -7.5, -7.5],
      [-0.5, 12.25, 2, 4.75, 2, 4.75, 2.375, 12.25],
      [null, -3, 1, -3, 3, 1.75, 1.75 / 3, 12.25],
      [null, 1, 1, 1, 1, 1, 1, 1],
    ],
  );
});
