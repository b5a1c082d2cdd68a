// A topology whose state is in memory in part gives what it gives with all of it there: outputs byte by byte, dead letters, and what is
// kept at the end, with restarts between, by event time and live.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { TestDriver, type TestRecord } from '../../../../streams/testing/test-driver.ts';
import { CountedStores } from '../../../fakes/counted-stores.ts';
import {
  type Chunk,
  type Event,
  CHUNK_MS,
  OUTPUTS,
  START_MS,
  STORES,
  TOPICS,
  everyStep,
  history,
} from './every-step.ts';

const PARTITIONS = 2;
const END_MS = 10_000;
const UNBOUNDED = 1e9;

const recordOf = ({ key, value, timeMs }: Event): TestRecord => ({
  key,
  value: value === null ? null : JSON.stringify(value),
  timestampMs: timeMs,
});

async function play(chunks: readonly Chunk[], live: boolean, cacheBytesMax: number, stores: CountedStores) {
  const driver = await TestDriver.start({
    ...{ spec: everyStep, defaultPartitions: PARTITIONS, live, cacheBytesMax, stores },
  });
  for (const [index, { events, restart }] of chunks.entries()) {
    for (const topic of TOPICS) {
      const own = events.filter((event) => event.topic === topic);
      if (own.length > 0) await driver.pipe(topic, own.map(recordOf));
    }
    if (!live) await driver.advanceTo(START_MS + (index + 1) * CHUNK_MS - 1);
    if (restart) await driver.restart();
  }
  if (live) await letTimePass(driver);
  else await driver.advanceTo(END_MS);
  const outputs = OUTPUTS.map((topic) => driver.outputs(topic).map(lineOf));
  const kept = await Promise.all(
    STORES.map((name) => driver.read(name, { kind: 'range', from: null, to: null, limit: 1000 })),
  );
  const letters = driver.deadLetters();
  await driver.close();
  return { outputs, letters, kept };
}

/** Live, time comes with records. */
async function letTimePass(driver: TestDriver): Promise<void> {
  for (const topic of TOPICS)
    for (let partition = 0; partition < PARTITIONS; partition += 1)
      await driver.pipe(topic, [{ key: 'k0', value: '{"id":"last","ref":null}', timestampMs: END_MS, partition }]);
}

const lineOf = ({ partition, key, value, timestampMs }: ReturnType<TestDriver['outputs']>[number]): string =>
  `${partition} ${key?.toString()} ${timestampMs} ${value?.toString()}`;

test('outputs, dead letters and what is kept are those of a state that is wholly in memory', async () => {
  let [bounded, unbounded, letters, rows] = [0, 0, 0, 0];
  await fc.assert(
    fc.asyncProperty(history, fc.boolean(), fc.constantFrom(0, 4000, 20_000), async (chunks, live, cacheBytesMax) => {
      const [few, all] = [new CountedStores(), new CountedStores()];
      const found = await play(chunks, live, cacheBytesMax, few);
      const expected = await play(chunks, live, UNBOUNDED, all);
      bounded += few.askedKeys;
      unbounded += all.askedKeys;
      letters += found.letters.length;
      rows += found.outputs.flat().length;
      assert.deepEqual(found, expected);
    }),
    { numRuns: 60 },
  );
  // the comparison says nothing unless the one reads its store and the other does not, and there is something to compare
  assert.ok(bounded > 1000, `only ${bounded} keys were read`);
  assert.equal(unbounded, 0);
  assert.ok(letters > 20 && rows > 1000, `${letters} letters, ${rows} rows`);
});
