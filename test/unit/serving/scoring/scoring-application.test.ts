// The scoring of a topic as a task: who has promoted a version is answered by it, however far the fold of the routing has come.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EventCodec } from '../../../../schemas/codec.ts';
import { type EndpointDefinition } from '../../../../schemas/definitions.ts';
import {
  type ModelVersionCreated,
  type Prediction,
  type RoutingChanged,
} from '../../../../schemas/events.generated.ts';
import { topicNames } from '../../../../schemas/topics.ts';
import { OnlineStore } from '../../../../serving/online-store.ts';
import { Routing } from '../../../../serving/scoring/routing.ts';
import { scoringApplication } from '../../../../serving/scoring/scoring-application.ts';
import { memoryStores } from '../../../../streams/memory-store.ts';
import { type SubTopology } from '../../../../streams/processor.ts';
import { memoryRegistry } from '../../../fakes/memory-registry.ts';
import { statelessTask } from '../../streams/stateless-task.ts';

const names = topicNames('millrace.');
const requests = names.requests('e');
const endpoint: EndpointDefinition = {
  ...{ kind: 'endpoint', name: 'e', model: 'm', description: '', delivery: 'exactly-once' },
  ...{ entities: {}, inputs: [{ name: 'a', from: 'request', kind: 'number' }], serve_from: null },
  request: { key_field: 'id', event_time_field: 'asked_at' },
  outcome: { key_field: 'id', event_time_field: 'known_at', label_field: 'label', horizon_ms: 1 },
};
const created: ModelVersionCreated = {
  ...{ model: 'm', version: 1, source: '', run_id: '', created_at: 0, description: '', weights_sha256: 'hash' },
  ...{ weights_uri: '', inputs: JSON.stringify([{ name: 'a', kind: 'number' }]), metrics: {} },
  ...{ training_set_id: '', training_id: '', tags: {} },
};
const champion: RoutingChanged = {
  ...{ endpoint: 'e', effective_from: 10, rollout_id: '', reason: '' },
  arms: [{ arm: 'champion', model: 'm', version: 1, purpose: 'live', share: 1 }],
};
const codec = new EventCodec(memoryRegistry());
await codec.prepare(names.predictions('e'), ['Prediction']);

/** Requests of the given times, in one batch; `caughtUp` is what the routing learns of when it is asked to catch up. */
async function scored(live: boolean, askedAtMs: readonly number[], caughtUp: (routing: Routing) => void) {
  const routing = new Routing('e');
  const { subTopologies } = scoringApplication({
    ...{ endpoint, entityOf: new Map(), names, codec, purpose: 'live', live, routing },
    caughtUp: async () => caughtUp(routing),
    models: { run: async (_id, rows) => Float64Array.from(rows) },
    openStore: async () =>
      new OnlineStore(await memoryStores().open('online'), { prepare: async () => undefined, decode: () => ({}) }),
    nowMs: () => 0,
    observed: () => undefined,
  });
  const [topology] = subTopologies as [SubTopology<never>];
  const input = { topic: requests, partition: 0, offset: 0, metadata: '', global: false };
  const task = await statelessTask(topology, [input], live);
  const records = askedAtMs.map((timeMs, offset) => ({
    ...{ topic: requests, partition: 0, offset, timestampMs: timeMs, key: null, headers: [] },
    value: Buffer.from(JSON.stringify({ id: `r${timeMs}`, asked_at: timeMs, a: timeMs })),
  }));
  const ends = { nextOffset: records.length, endOffset: records.length };
  task.take({ topic: requests, partition: 0, records, slabs: [], ...ends });
  task.process(() => false);
  await task.flush();
  const drawn = task.draw();
  await codec.reader.prepare(drawn.records.map(({ value }) => value));
  return {
    predictions: drawn.records.map(
      ({ value }) => (codec.reader.decode(value ?? Buffer.alloc(0)).value as Prediction).request_id,
    ),
    letters: drawn.deadLetters.map(({ record, failure }) => `${record.offset} ${failure.code}`),
  };
}

function promote(routing: Routing): void {
  routing.apply({ name: 'ModelVersionCreated', value: created });
  routing.apply({ name: 'RoutingChanged', value: champion });
}

test('live: a request that comes before the fold of its promotion is answered', async () => {
  assert.deepEqual(await scored(true, [11, 12], promote), { predictions: ['r11', 'r12'], letters: [] });
});

test('live: a request before any version serves is a dead letter, once the log has been asked', async () => {
  assert.deepEqual(await scored(true, [5, 11], promote), { predictions: ['r11'], letters: ['0 not_ready'] });
  assert.deepEqual(await scored(true, [5], () => undefined), { predictions: [], letters: ['0 not_ready'] });
});
