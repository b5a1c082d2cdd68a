// The feature job on Avro, on Apache Kafka with the platform's own schema registry: two schemas of events at once, a third after a
// restart, and rows that whoever knows the registry can read.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { systemClock } from '../../../infra/clock.ts';
import { startFeatureJob } from '../../../infra/bench/feature-job.ts';
import { featureRowSchema } from '../../../infra/bench/feature-topology.ts';
import { freePort } from '../../../infra/embedded/child.ts';
import { type RunningRegistry, startRegistry } from '../../../infra/embedded/registry.ts';
import { HttpSchemaRegistry } from '../../../infra/registry.ts';
import { AvroCodec, AvroReader, type AvroSchema } from '../../../schemas/codec.ts';
import { World } from './job-world.ts';

const [INPUT, OUTPUT, PARTITIONS, KEYS] = ['flights-avro', 'features-avro', 2, 7];
const START_MS = Date.UTC(2013, 0, 1);
const WITHIN_MS = 60_000;

const flight = (...fields: readonly { name: string; type: unknown; default?: unknown }[]): AvroSchema => ({
  type: 'record',
  name: 'Flight',
  fields: [
    { name: 'carrier', type: 'string' },
    { name: 'ts', type: { type: 'long', logicalType: 'timestamp-millis' } },
    { name: 'dep_delay', type: 'double' },
    ...fields,
  ],
});
const P = { name: 'p', type: ['null', 'double'], default: null };
const PLAIN = flight();
const WITH_P = flight(P);
const WITH_GATE = flight({ name: 'gate', type: ['null', 'string'], default: null }, P);

interface Event {
  readonly key: string;
  readonly carrier: string;
  readonly ts: number;
  readonly dep_delay: number;
  readonly p: number | null;
  readonly gate: string;
}

const events: readonly Event[] = Array.from({ length: 300 }, (_, sequence) => ({
  ...{ key: `N${sequence % KEYS}`, carrier: 'UA', gate: 'C12' },
  ts: START_MS + sequence * 60_000,
  dep_delay: ((sequence * 7919) % 241) / 4 - 20,
  // the first hundred are written with a schema that has no p
  p: sequence < 100 ? null : sequence % 3 === 0 ? null : sequence + 0.5,
}));

const world = new World();
let running: RunningRegistry | null = null;
let url = '';
before(async () => {
  await world.start();
  const [host, port] = ['127.0.0.1', await freePort()];
  running = await startRegistry({
    ...{ home: process.env['MILLRACE_REGISTRY_HOME'] ?? '', logFile: join(world.folder, 'registry.log'), host, port },
    ...{ java: process.env['MILLRACE_JAVA'] ?? 'java', brokers: world.broker.address },
  });
  url = `http://${host}:${port}/apis/ccompat/v7`;
  await running.ready();
});
after(async () => {
  await running?.stop();
  await world.stop();
});

async function produce(schema: AvroSchema, all: readonly Event[]): Promise<void> {
  const registry = new HttpSchemaRegistry(url, systemClock);
  const codec = new AvroCodec<Event>(await registry.register(`${INPUT}-value`, schema), schema);
  const writer = world.log.writer();
  await writer.append(
    all.map((event) => ({
      ...{ topic: INPUT, timestampMs: event.ts, key: Buffer.from(event.key), value: codec.encode(event) },
    })),
  );
  await writer.close();
}

type Row = Readonly<Record<string, number | string | null>>;

async function rows(count: number): Promise<readonly Row[]> {
  const reader = world.log.reader();
  for (let partition = 0; partition < PARTITIONS; partition += 1) reader.assign({ topic: OUTPUT, partition }, 0);
  const decoder = new AvroReader(new HttpSchemaRegistry(url, systemClock));
  const found: Row[] = [];
  const untilMs = systemClock.monotonicMs() + WITHIN_MS;
  while (found.length < count) {
    assert.ok(systemClock.monotonicMs() < untilMs, `${found.length} of ${count} rows came`);
    for (const { records } of await reader.poll(100)) {
      await decoder.prepare(records.map(({ value }) => value));
      for (const { key, value } of records) {
        const { name, value: row } = decoder.decode(value ?? Buffer.alloc(0));
        assert.equal(name, 'features');
        assert.equal((row as Row)['k'], String(key));
        found.push(row as Row);
      }
    }
  }
  await reader.close();
  return found;
}

/** What the rows must say, event by event: all lie in one week and in few hours. */
function expected(all: readonly Event[]): Row[] {
  return all.map((event, index) => {
    const { key, ts, p, dep_delay: last } = event;
    const delays = all
      .slice(0, index + 1)
      .filter((one) => one.key === key)
      .map((one) => one.dep_delay);
    const sum = delays.reduce((before, delay) => before + delay, 0);
    return { k: key, ts, p, last, count: delays.length, sum, mean: sum / delays.length, max: Math.max(...delays) };
  });
}

const byTime = (one: Row, other: Row): number => Number(one['ts']) - Number(other['ts']);

async function runJob(body: () => Promise<void>): Promise<void> {
  const { application, log } = await startFeatureJob({
    ...{ brokers: [world.broker.address], group: 'avro-job', input: INPUT, output: OUTPUT, registryUrl: url },
    ...{ guarantee: 'exactly-once', commitMs: 50, stateDir: join(world.folder, 'state'), instance: '0' },
  });
  try {
    await body();
  } finally {
    await application.stop();
    await log.close();
  }
}

test('events of several schemas give one row each, also after a restart, by a schema that is registered', async () => {
  const admin = world.log.admin();
  await admin.ensureTopics([{ name: INPUT, partitions: PARTITIONS, config: {} }]);
  await admin.close();
  await produce(PLAIN, events.slice(0, 100));
  await produce(WITH_P, events.slice(100, 200));
  await runJob(async () => {
    await rows(200);
  });
  await produce(WITH_GATE, events.slice(200));
  await runJob(async () => {
    const found = [...(await rows(300))].sort(byTime).map(({ k, ts, p, last, ...values }) => ({
      ...{ k, ts, p, last, count: values['count_7d'], sum: values['sum_7d'] },
      ...{ mean: values['mean_7d'], max: values['max_7d'] },
    }));
    assert.deepEqual(found, expected(events));
  });
  // whoever stops commits what it has: nothing was written twice
  assert.equal((await rows(300)).length, 300);
  assert.deepEqual(
    await new HttpSchemaRegistry(url, systemClock).latest(`${OUTPUT}-value`),
    JSON.parse(JSON.stringify(featureRowSchema())),
  );
});
