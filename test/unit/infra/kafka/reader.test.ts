// What a reader asks which broker for, while leaders come and go.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { KafkaReader } from '../../../../infra/kafka/reader.ts';
import { encodeRecordBatch } from '../../../../streams/record-batch.ts';
import { SimulatedTime } from '../../../../streams/testing/simulated-time.ts';
import {
  API,
  AnsweringCluster,
  type AskedPart,
  fetchAnswer,
  fetchRequest,
  metadataAnswer,
} from '../../../fakes/kafka-wire.ts';

const IDS = ['00000000-0000-0000-0000-000000000001', '00000000-0000-0000-0000-000000000002'];
const NAMES = ['first', 'second'];
/** How long a fetch without records takes. */
const FETCH_MS = 20;
const AT = { topic: 'first', partition: 0 };

class Scene {
  readonly time = new SimulatedTime({ startMs: 0 });
  readonly cluster = new AnsweringCluster(this.time.clock, (node, key, request) => this.#answer(node, key, request), 2);
  readonly reader = new KafkaReader(this.cluster, '/read');
  /** by topic and partition */
  leaders: number[][] = [[1]];
  down = new Set<number>();
  /** by topic and partition, each with records in every fetch */
  busy = new Set<string>();
  fetches: { readonly nodeId: number; readonly asked: readonly AskedPart[] }[] = [];
  lookUps = 0;

  async #answer(nodeId: number, apiKey: number, request: Parameters<typeof fetchRequest>[0]) {
    if (this.down.has(nodeId)) throw new Error('the connection is refused');
    if (apiKey === API.metadata) {
      this.lookUps += 1;
      return metadataAnswer(
        this.leaders.map((leaders, index) => ({ name: NAMES[index] ?? '', id: IDS[index] ?? '', leaders })),
      );
    }
    assert.equal(apiKey, API.fetch);
    const asked = fetchRequest(request);
    this.fetches.push({ nodeId, asked });
    const found = asked.filter((part) => this.busy.has(nameOf(part)));
    await this.time.clock.sleep(found.length === 0 ? FETCH_MS : 1);
    if (this.down.has(nodeId)) throw new Error('the connection is closed');
    return fetchAnswer(found.map((part) => ({ ...part, offset: part.offset + 1, bytes: oneRecord(part.offset) })));
  }

  async poll(ms: number): Promise<void> {
    const untilMs = this.time.elapsedMs + ms;
    while (this.time.elapsedMs < untilMs) await this.reader.poll(FETCH_MS);
  }

  run(body: () => Promise<void>): Promise<void> {
    return this.time.run(async () => {
      await body();
      await this.reader.close();
    }, 120_000);
  }
}

function nameOf({ topicId, partition }: AskedPart): string {
  return `${NAMES[IDS.indexOf(topicId)]}/${partition}`;
}

function oneRecord(offset: number): Buffer {
  const record = { ...AT, timestampMs: 0, key: null, value: Buffer.from('value') };
  const bytes = encodeRecordBatch([record], { producerId: 1n, epoch: 0, baseSequence: 0, transactional: false });
  bytes.writeBigInt64BE(BigInt(offset), 0);
  return bytes;
}

test('a partition is read on when the broker that leads it is back, though it had no leader while that started', () => {
  const scene = new Scene();
  return scene.run(async () => {
    scene.reader.assign(AT, 0);
    await scene.poll(200);
    scene.down = new Set([1, 2]);
    await scene.poll(300);
    scene.down = new Set();
    scene.leaders = [[-1]];
    await scene.poll(300);
    scene.leaders = [[1]];
    await scene.poll(1100);
    scene.fetches = [];
    await scene.poll(200);
    assert.ok(scene.fetches.length >= 5, `${scene.fetches.length} fetches in 200 ms`);
  });
});

test('a partition that is assigned while it has no leader is read once it has one', () => {
  const scene = new Scene();
  return scene.run(async () => {
    scene.leaders = [[-1, 1]];
    scene.reader.assign(AT, 0);
    scene.reader.assign({ topic: 'first', partition: 1 }, 0);
    await scene.poll(500);
    assert.deepEqual(new Set(scene.fetches.flatMap(({ asked }) => asked.map(nameOf))), new Set(['first/1']));
    scene.leaders = [[2, 1]];
    await scene.poll(1100);
    assert.ok(scene.fetches.some(({ nodeId, asked }) => nodeId === 2 && asked.map(nameOf).join() === 'first/0'));
  });
});

for (const leaders of [[[2]], [[-1]]])
  test(`somebody else has learnt meanwhile that the leader is ${String(leaders)}: no fetch fails, and the partition is read on`, () => {
    const scene = new Scene();
    return scene.run(async () => {
      scene.reader.assign(AT, 0);
      await scene.poll(100);
      scene.leaders = leaders;
      await scene.cluster.refresh(['first']);
      await scene.poll(100);
      scene.leaders = [[2]];
      scene.fetches = [];
      await scene.poll(1100);
      assert.ok(scene.fetches.some(({ nodeId }) => nodeId === 2));
    });
  });

test('a leader that stays away is not asked for twenty times a second', () => {
  const scene = new Scene();
  return scene.run(async () => {
    scene.leaders = [[-1]];
    scene.reader.assign(AT, 0);
    await scene.poll(60_000);
    assert.ok(scene.lookUps >= 50 && scene.lookUps < 75, `${scene.lookUps} in a minute`);
  });
});

test('what brought nothing comes before what did, whatever its topic: a broker may have room for the first alone', () => {
  const scene = new Scene();
  return scene.run(async () => {
    scene.leaders = [[1, 1], [1]];
    // the quiet one of the first topic must not take the busy one of its topic along to the front
    for (const [topic, partition] of [
      ['first', 0],
      ['second', 0],
      ['first', 1],
    ] as const)
      scene.reader.assign({ topic, partition }, 0);
    scene.busy = new Set(['first/1', 'second/0']);
    await scene.poll(50);
    scene.busy = new Set(['first/1']);
    await scene.poll(50);
    assert.deepEqual(scene.fetches.at(-1)?.asked.map(nameOf), ['first/0', 'second/0', 'first/1']);
    scene.busy = new Set(['second/0']);
    await scene.poll(50);
    assert.deepEqual(scene.fetches.at(-1)?.asked.map(nameOf), ['first/0', 'first/1', 'second/0']);
  });
});
