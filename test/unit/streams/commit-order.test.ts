// At least once: a changelog never knows of an event whose output was lost. Read again, it would pass for one that comes too late.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type WrittenEnds, commitDrawn } from '../../../streams/commit.ts';
import { type EncodedBatch } from '../../../streams/log.ts';
import { OutputBatches } from '../../../streams/output-batches.ts';
import { MemoryBroker } from '../../../streams/testing/memory-broker.ts';
import { MemoryLog } from '../../../streams/testing/memory-log.ts';
import { SimulatedTime } from '../../../streams/testing/simulated-time.ts';

const CHANGELOG = { topic: 'changelog', partition: 0 };
const OUTPUT = 'rows';

function batchFor(topic: string): EncodedBatch[] {
  const batches = new OutputBatches();
  const into = batches.builderFor(topic, 0);
  const key = Buffer.from('key');
  into.end(into.begin(0, key, 0, key.length, 0));
  return batches.take();
}

/** One commit of one task; gives how many changelog records there are then. */
async function changelogAfterCommit(topics: readonly string[]): Promise<{ changes: number; failed: boolean }> {
  const time = new SimulatedTime({ startMs: 1_700_000_000_000 });
  const broker = new MemoryBroker({ clock: time.clock });
  broker.createTopics(topics.map((name) => ({ name, partitions: 1, config: {} })));
  const log = new MemoryLog({ broker, clock: time.clock, clientId: 'test', retryForMs: 100 });
  const ends: WrittenEnds = new Map();
  let changes = -1;
  let failed = false;
  await time.run(async () => {
    const session = await log.atLeastOnce();
    const membership = log.membership({ group: 'test', topics: [], instanceId: null });
    const drawn = {
      ...{ records: [], batches: batchFor(OUTPUT), deadLetters: [], offsets: [], watermark: null },
      ...{ changes: { records: [], batches: batchFor(CHANGELOG.topic) }, changelog: CHANGELOG },
      committed: async () => undefined,
    };
    const refuse = (): never => assert.fail('there are neither dead letters nor watermarks');
    const parts = { session, membership, writtenTo: new Map(), deadLetterRecord: refuse, watermarkRecord: refuse };
    await commitDrawn([{ name: 'rows-0', outputLanes: [], drawn }], parts, ends).catch(() => {
      failed = true;
    });
    const [bounds] = await log.admin().offsets([CHANGELOG]);
    changes = bounds?.end ?? -1;
  }, 60_000);
  return { changes, failed };
}

test('what the changelog says waits for the outputs', async () => {
  assert.deepEqual(await changelogAfterCommit([CHANGELOG.topic, OUTPUT]), { changes: 1, failed: false });
  // the outputs cannot be written: nothing may be said of them
  assert.deepEqual(await changelogAfterCommit([CHANGELOG.topic]), { changes: 0, failed: true });
});
