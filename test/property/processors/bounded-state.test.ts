// Feature views and the join of outcomes give what they give with their whole state in memory when only a part of it may be there:
// outputs byte by byte and dead letters, with restarts between, by event time and live.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type FeatureRow, viewApplication } from '../../../processors/features/view-application.ts';
import { joinApplication } from '../../../processors/results/join-application.ts';
import { AvroCodec, AvroReader, EventCodec } from '../../../schemas/codec.ts';
import { type EndpointDefinition, type FeatureViewDefinition } from '../../../schemas/definitions.ts';
import { type Prediction } from '../../../schemas/events.generated.ts';
import { featureRowSchema } from '../../../schemas/parse-definitions.ts';
import { topicNames } from '../../../schemas/topics.ts';
import { headerMaker } from '../../../streams/event-headers.ts';
import { MemoryRegistry } from '../../../streams/testing/memory-registry.ts';
import { TestDriver, type TestDriverOptions, type TestRecord } from '../../../streams/testing/test-driver.ts';
import { CountedStores } from '../../fakes/counted-stores.ts';

const START_MS = Date.UTC(2026, 0, 1);
/** Event time that one chunk of a history spans. */
const CHUNK_MS = 1000;
const UNBOUNDED = 1e9;
const KEYS = 12;
const names = topicNames('');

interface Happening {
  /** 0 or 1: which topic, or which partition of it */
  readonly side: number;
  readonly key: string;
  readonly timeMs: number;
  readonly number: number;
}

interface Chunk {
  readonly happenings: readonly Happening[];
  readonly restart: boolean;
}

const history = fc
  .array(
    fc.record({
      happenings: fc.array(
        fc.record({
          side: fc.integer({ min: 0, max: 1 }),
          key: fc.integer({ min: 1, max: KEYS }).map((number) => `N${number}`),
          // few instants, so that several things happen at one
          atMs: fc.integer({ min: 0, max: 9 }).map((tenth) => tenth * 100),
          number: fc.integer({ min: -20, max: 200 }),
        }),
        { maxLength: 30 },
      ),
      restart: fc.boolean(),
    }),
    { minLength: 1, maxLength: 6 },
  )
  .map((chunks): Chunk[] =>
    chunks.map(({ happenings, restart }, index) => ({
      restart,
      happenings: happenings
        .toSorted((a, b) => a.atMs - b.atMs)
        .map(({ atMs, ...other }) => ({ ...other, timeMs: START_MS + index * CHUNK_MS + atMs })),
    })),
  );

interface Job {
  readonly options: Omit<TestDriverOptions, 'stores' | 'cacheBytesMax'>;
  readonly output: string;
  pipe(driver: TestDriver, happenings: readonly Happening[]): Promise<void>;
}

interface Bound {
  readonly live: boolean;
  readonly cacheBytesMax: number;
}

async function play(job: Job, chunks: readonly Chunk[], { live, cacheBytesMax }: Bound, stores: CountedStores) {
  const driver = await TestDriver.start({ ...job.options, live, cacheBytesMax, stores });
  for (const [index, { happenings, restart }] of chunks.entries()) {
    await job.pipe(driver, happenings);
    if (!live) await driver.advanceTo(START_MS + (index + 1) * CHUNK_MS - 1);
    if (restart) await driver.restart();
  }
  if (!live) await driver.advanceTo(START_MS + (chunks.length + 10) * CHUNK_MS);
  const outputs = driver
    .outputs(job.output)
    .map(({ partition, key, value }) => `${partition} ${key?.toString()} ${value?.toString('hex')}`);
  const letters = driver.deadLetters();
  await driver.close();
  return { outputs, letters };
}

async function requireSame(job: Job): Promise<void> {
  let [bounded, unbounded, rows, letters] = [0, 0, 0, 0];
  await fc.assert(
    fc.asyncProperty(history, fc.boolean(), fc.constantFrom(0, 2000), async (chunks, live, cacheBytesMax) => {
      const [few, all] = [new CountedStores(), new CountedStores()];
      const found = await play(job, chunks, { live, cacheBytesMax }, few);
      assert.deepEqual(found, await play(job, chunks, { live, cacheBytesMax: UNBOUNDED }, all));
      bounded += few.askedKeys;
      unbounded += all.askedKeys;
      rows += found.outputs.length;
      letters += found.letters.length;
    }),
    { numRuns: 50 },
  );
  // the comparison says nothing unless the one reads its store and the other does not, and there is something to compare
  assert.ok(bounded > 100, `only ${bounded} keys were read`);
  assert.equal(unbounded, 0);
  assert.ok(rows > 100 && letters > 5, `${rows} rows, ${letters} letters`);
}

function viewJob(expiry: FeatureViewDefinition['expiry']): Job {
  const view: FeatureViewDefinition = {
    ...{ kind: 'feature_view', name: 'plane', entity: 'plane', lateness_ms: 0, step_ms: 0, expiry, description: '' },
    source: { topic: 'flights', key_field: 'tail', event_time_field: 'time' },
    features: [
      { name: 'flights_1s', function: 'count', field: '', window_ms: 1000 },
      { name: 'delay_3s', function: 'sum', field: 'delay', window_ms: 3000 },
    ],
  };
  const rowCodec = new AvroCodec<FeatureRow>(1, featureRowSchema(view));
  const spec = viewApplication({
    ...{ view, names, definitionHash: 'hash', sourcePartitions: 2, viewPartitions: 2, rowCodec },
    ...{ reader: new AvroReader(new MemoryRegistry()), headers: headerMaker('FeatureRow', 'test') },
    nowMs: () => START_MS,
  });
  return {
    options: { spec, defaultPartitions: 2, startMs: START_MS },
    output: names.features('plane'),
    pipe: (driver, happenings) =>
      driver.pipe(
        'flights',
        happenings.map(({ side, key, timeMs, number }): TestRecord => {
          // now and then one of the past, which comes too late
          const time = number > 190 ? timeMs - 5 * CHUNK_MS : timeMs;
          return { partition: side, value: JSON.stringify({ tail: key, time, delay: number }) };
        }),
      ),
  };
}

async function joinJob(): Promise<Job> {
  const endpoint: EndpointDefinition = {
    ...{ kind: 'endpoint', name: 'delay', model: 'm', entities: {}, inputs: [], serve_from: null, description: '' },
    request: { key_field: 'id', event_time_field: 'time' },
    outcome: { key_field: 'id', event_time_field: 'time', label_field: 'late', horizon_ms: 3 * CHUNK_MS },
    delivery: 'exactly-once',
  };
  const codec = new EventCodec(new MemoryRegistry());
  const [predictions, outcomes] = [names.predictions('delay'), names.outcomes('delay')];
  await codec.prepare(predictions, ['Prediction']);
  await codec.prepare(names.results('delay'), ['Result']);
  const spec = joinApplication({ endpoint, names, codec, live: false, nowMs: () => START_MS });
  const predicted = ({ key, timeMs, number }: Happening): TestRecord => ({
    key,
    value: codec.encode('Prediction', predictionOf(key, timeMs, number)),
  });
  const known = ({ key, timeMs, number }: Happening): TestRecord => ({
    key,
    value: JSON.stringify({ id: key, late: number % 2 === 0 ? 1 : 0, time: timeMs }),
  });
  return {
    options: {
      ...{ spec, defaultPartitions: 2, startMs: START_MS },
      prepare: (values) => codec.reader.prepare(values),
    },
    output: names.results('delay'),
    pipe: async (driver, happenings) => {
      await driver.pipe(predictions, happenings.filter(({ side }) => side === 0).map(predicted));
      await driver.pipe(outcomes, happenings.filter(({ side }) => side === 1).map(known));
    },
  };
}

function predictionOf(id: string, timeMs: number, number: number): Prediction {
  return {
    ...{ prediction_id: `${id}:m:${timeMs}:live`, request_id: id, endpoint: 'delay', purpose: 'live', arm: 'champion' },
    ...{ event_time: timeMs, model: 'm', version: 1, weights_sha256: '', score: (number + 20) / 220 },
    ...{ features: [], rows: [] },
  };
}

test('feature views that tell when events leave', () => requireSame(viewJob('emit')));

test('feature views that do not', () => requireSame(viewJob('none')));

test('the join of predictions and outcomes', async () => requireSame(await joinJob()));
