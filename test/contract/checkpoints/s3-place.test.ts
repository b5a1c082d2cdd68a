// Checkpoints of a running task in S3, the place as the settings name it: written by one machine, found by another.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { storageAt } from '../../../infra/checkpoints/storage-place.ts';
import { systemClock } from '../../../infra/clock.ts';
import { readSettings } from '../../../infra/settings.ts';
import { type CheckpointStorage } from '../../../streams/checkpoints/checkpoint-storage.ts';
import { Checkpoints } from '../../../streams/checkpoints/checkpoints.ts';
import { fromCheckpoint } from '../../../streams/checkpoints/from-checkpoint.ts';
import { TaskCheckpoints } from '../../../streams/checkpoints/task-checkpoints.ts';
import { memoryStores } from '../../../streams/memory-store.ts';
import { positionWrite, storedPosition } from '../../../streams/state/position.ts';
import { type MotoServer, startMoto } from './moto-server.ts';

process.env['AWS_ACCESS_KEY_ID'] = 'any';
process.env['AWS_SECRET_ACCESS_KEY'] = 'any';
process.env['AWS_REGION'] = 'us-east-1';

const STATE = { name: 'app.rows-0', changelog: { topic: 'changelog', partition: 0 } };
const POSITION = 500;
let moto: MotoServer;

before(async () => {
  moto = await startMoto();
  const client = new S3Client({ endpoint: moto.endpoint, forcePathStyle: true });
  await client.send(new CreateBucketCommand({ Bucket: 'states' }));
  client.destroy();
});
after(() => moto.stop());

/** A connection of its own, as another machine has it. */
function place(): Promise<CheckpointStorage> {
  const { checkpoints } = readSettings({
    MILLRACE_CHECKPOINTS: 's3://states/production',
    MILLRACE_CHECKPOINTS_S3_ENDPOINT: moto.endpoint,
  });
  assert.ok(checkpoints !== null);
  return storageAt(checkpoints.place, { endpoint: checkpoints.s3Endpoint, region: null });
}

test('s3: what a task has is written now and then, and is what another machine begins with', async () => {
  const notices: string[] = [];
  const notice = (text: string): unknown => notices.push(text);
  const store = await memoryStores().open(STATE.name);
  const row = { key: Buffer.from('a'), value: Buffer.from('1') };
  await store.write([row, positionWrite({ nextOffset: POSITION, logEnd: POSITION, asOfMs: systemClock.nowMs() })]);
  const offsets = async () => [{ ...STATE.changelog, start: 0, end: 600, highWatermark: 600 }];
  const writing = new TaskCheckpoints({
    storage: await place(),
    intervalMs: 20,
    clock: systemClock,
    admin: { offsets },
    notice,
  });
  writing.add(STATE, store);
  const elsewhere = await place();
  while ((await new Checkpoints(elsewhere).newest(STATE.changelog)) === null) await systemClock.sleep(20);
  await writing.close();

  const stores = memoryStores();
  const parts = { stores, storage: elsewhere, clock: systemClock, notice };
  await fromCheckpoint(parts, STATE, { start: 0, end: 600 }, new AbortController().signal);
  const restored = await stores.open(STATE.name);
  assert.equal((await storedPosition(restored)).nextOffset, POSITION);
  assert.deepEqual(await restored.multiGet([row.key]), [row.value]);
  assert.deepEqual(notices, [
    `The state store ${STATE.name} has 1 rows from a checkpoint at ${POSITION}; its changelog ends at 600.`,
  ]);
});
