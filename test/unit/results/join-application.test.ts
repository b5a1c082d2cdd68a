// The join as a task: what it writes, by event time and live, and after a restart from its kept state.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemClock } from '../../../infra/clock.ts';
import { joinApplication } from '../../../processors/results/join-application.ts';
import { EventCodec } from '../../../schemas/codec.ts';
import { type EndpointDefinition } from '../../../schemas/definitions.ts';
import { type Prediction, type Result } from '../../../schemas/events.generated.ts';
import { topicNames } from '../../../schemas/topics.ts';
import { DEFAULT_POLICIES } from '../../../streams/failure-policies.ts';
import { type LogRecord } from '../../../streams/log.ts';
import { loadState } from '../../../streams/load-state.ts';
import { memoryStores } from '../../../streams/memory-store.ts';
import { type SubTopology } from '../../../streams/processor.ts';
import { Task } from '../../../streams/task.ts';
import { WatermarkFollower } from '../../../streams/watermark-follower.ts';
import { memoryRegistry } from '../../fakes/memory-registry.ts';

const HOUR_MS = 3_600_000;
const names = topicNames('millrace.');
const endpoint: EndpointDefinition = {
  ...{ kind: 'endpoint', name: 'e', model: 'm', description: '', delivery: 'exactly-once' },
  ...{ entities: {}, inputs: [], serve_from: null },
  request: { key_field: 'id', event_time_field: 'asked_at' },
  outcome: { key_field: 'id', event_time_field: 'known_at', label_field: 'label', horizon_ms: 48 * HOUR_MS },
};
const codec = new EventCodec(memoryRegistry());
await codec.prepare(names.predictions('e'), ['Prediction']);
await codec.prepare(names.results('e'), ['Result']);
const stores = memoryStores();

class Join {
  readonly task: Task;
  readonly #follower: WatermarkFollower;
  readonly #offsets = new Map<string, number>();

  private constructor(task: Task, follower: WatermarkFollower) {
    this.task = task;
    this.#follower = follower;
  }

  /** With the state that a predecessor of this name has written. */
  static async make(name: string, live: boolean): Promise<Join> {
    const { subTopologies } = joinApplication({ endpoint, names, codec, live, nowMs: () => 0 });
    const [topology] = subTopologies as [SubTopology<never>];
    const changelog = { topic: 'changelog', partition: 0 };
    const serde = topology.store?.serde ?? assert.fail();
    const loaded = await loadState(topology, await stores.open(name), serde, changelog, 0);
    const follower = new WatermarkFollower();
    const inputs = topology.topics.map((topic) => ({ topic, partition: 0, offset: 0, metadata: '', global: false }));
    const task = new Task({
      application: 'test',
      ...{ topology, partition: 0, inputs, live, follower, ...loaded },
      policies: DEFAULT_POLICIES,
      clock: systemClock,
    });
    await task.start(topology);
    return new Join(task, follower);
  }

  async take(topic: string, value: Buffer): Promise<LogRecord> {
    const offset = this.#offsets.get(topic) ?? 0;
    this.#offsets.set(topic, offset + 1);
    const record = { topic, partition: 0, offset, timestampMs: 1, key: Buffer.from('k'), value, headers: [] };
    await codec.reader.prepare([value]);
    this.task.take({
      ...{ topic, partition: 0, records: [record], slabs: [] },
      ...{ nextOffset: offset + 1, endOffset: offset + 1 },
    });
    return record;
  }

  predict(requestId: string, timeMs: number, purpose = 'live'): Promise<LogRecord> {
    const prediction: Prediction = {
      ...{ prediction_id: `${requestId}:m:1:${purpose}`, request_id: requestId, endpoint: 'e', event_time: timeMs },
      ...{ purpose, arm: 'champion', model: 'm', version: 1, weights_sha256: '', score: 0.25, features: [], rows: [] },
    };
    return this.take(names.predictions('e'), codec.encode('Prediction', prediction));
  }

  settle(requestId: unknown, knownAtMs: number, label: number): Promise<LogRecord> {
    const outcome = JSON.stringify({ id: requestId, known_at: knownAtMs, label });
    return this.take(names.outcomes('e'), Buffer.from(outcome));
  }

  /** Everything at or before this event time has been written. */
  completeTo(timeMs: number): void {
    const [predictions, outcomes] = [names.predictions('e'), names.outcomes('e')];
    const mark = (topic: string, lane: number) => ({
      ...{ topic, partition: 0, lane, event_time: timeMs, live: false },
      offset: this.#offsets.get(topic) ?? 0,
    });
    this.#follower.apply([mark(predictions, 0), mark(predictions, 1), mark(outcomes, 0)]);
  }

  /** Results as `prediction label`, and what went to the dead letters. */
  async written() {
    this.task.look(({ topic }) => this.#offsets.get(topic) ?? 0, null);
    do {
      await this.task.prepare();
      this.task.process(() => false);
    } while (this.task.lacksState);
    const { records, deadLetters, committed } = this.task.draw();
    const outputs = records.filter(({ topic }) => topic === names.results('e'));
    await codec.reader.prepare(outputs.map(({ value }) => value));
    const results = outputs.map(({ value }) => codec.reader.decode(value ?? Buffer.alloc(0)).value as Result);
    await committed(null);
    return {
      results: results.map(({ prediction_id, label }) => `${prediction_id} ${label}`),
      letters: deadLetters.map(({ record, failure }) => ({ record, code: failure.code })),
    };
  }
}

test('by event time: an outcome meets the predictions of its own instant, whichever topic is read first', async () => {
  const join = await Join.make('instant', false);
  await join.settle('a', 5, 1);
  await join.predict('a', 5);
  await join.predict('a', 5, 'shadow');
  assert.deepEqual((await join.written()).results, [], 'other lanes may still bring something of this instant');
  join.completeTo(5);
  assert.deepEqual(await join.written(), { results: ['a:m:1:live 1', 'a:m:1:shadow 1'], letters: [] });
});

test('by event time: an outcome of an unknown request goes to the dead letters, whole, at its own instant', async () => {
  const join = await Join.make('unknown', false);
  const record = await join.settle('nobody', 7, 1);
  join.completeTo(7);
  assert.deepEqual(await join.written(), { results: [], letters: [{ record, code: 'unknown_prediction' }] });
});

test('an outcome that cannot be read goes to the dead letters, whole', async () => {
  const join = await Join.make('unread', false);
  const record = await join.settle(null, 7, 1);
  assert.deepEqual(await join.written(), { results: [], letters: [{ record, code: 'missing_field' }] });
});

test('a restarted task goes on with what it knew: it joins, and corrects', async () => {
  const before = await Join.make('restart', false);
  await before.predict('a', 5);
  before.completeTo(6);
  assert.deepEqual(await before.written(), { results: [], letters: [] });
  const after = await Join.make('restart', false);
  await after.settle('a', 9, 0);
  await after.settle('a', 10, 1);
  after.completeTo(10);
  assert.deepEqual(await after.written(), { results: ['a:m:1:live 0', 'a:m:1:live 1'], letters: [] });
});

test('live: an outcome waits ten minutes for its prediction, and is joined even after it was reported', async () => {
  const join = await Join.make('live', true);
  await join.settle('a', 5, 1);
  const record = await join.settle('b', 5, 1);
  assert.deepEqual(await join.written(), { results: [], letters: [] });
  await join.predict('a', 4);
  assert.deepEqual((await join.written()).results, ['a:m:1:live 1']);
  await join.predict('c', 600_006);
  assert.deepEqual(await join.written(), { results: [], letters: [{ record, code: 'unknown_prediction' }] });
  await join.predict('b', 600_007);
  assert.deepEqual((await join.written()).results, ['b:m:1:live 1']);
});
