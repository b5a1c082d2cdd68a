// An instance that does not know yet that its task is another's leaves the other's checkpoints alone.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemClock } from '../../../infra/clock.ts';
import { type CheckpointStorage } from '../../../streams/checkpoints/checkpoint-storage.ts';
import { Checkpoints } from '../../../streams/checkpoints/checkpoints.ts';
import { memoryStorage } from '../../../streams/checkpoints/memory-storage.ts';
import { fromCheckpoint } from '../../../streams/checkpoints/from-checkpoint.ts';
import { TaskCheckpoints } from '../../../streams/checkpoints/task-checkpoints.ts';
import { memoryStores } from '../../../streams/memory-store.ts';
import { NO_POSITION, positionWrite, storedPosition } from '../../../streams/state/position.ts';
import { type StateStore } from '../../../streams/store.ts';

const STATE = { name: 'app.rows-0', changelog: { topic: 'changelog', partition: 0 } };
const END = 120;

class Scene {
  readonly storage = memoryStorage();
  readonly notices: string[] = [];

  writer(storage: CheckpointStorage): TaskCheckpoints {
    const offsets = async () => [{ ...STATE.changelog, start: 0, end: END, highWatermark: END }];
    const notice = (text: string): unknown => this.notices.push(text);
    return new TaskCheckpoints({ storage, intervalMs: 20, clock: systemClock, admin: { offsets }, notice });
  }

  async write(position: number): Promise<void> {
    const header = { store: STATE.name, ...STATE.changelog, takenAtMs: systemClock.nowMs() };
    const begun = await new Checkpoints(this.storage).beginAtPosition(await storeAt(position), header);
    await begun?.write();
  }

  async offsets(): Promise<number[]> {
    return (await new Checkpoints(this.storage).list(STATE.changelog)).map(({ offset }) => offset);
  }

  async until(isSo: () => Promise<boolean>): Promise<void> {
    while (!(await isSo())) await systemClock.sleep(5);
  }
}

async function storeAt(position: number, asOfMs = systemClock.nowMs()): Promise<StateStore> {
  const store = await memoryStores().open(STATE.name);
  const at = { nextOffset: position, logEnd: position, asOfMs };
  await store.write([{ key: Buffer.from('a'), value: Buffer.from('1') }, positionWrite(at)]);
  return store;
}

test('only what is beyond the end of the log is of another log, not what is beyond the own store', async (t) => {
  const scene = new Scene();
  await scene.write(100);
  await scene.write(END + 1);
  const writing = scene.writer(scene.storage);
  t.after(() => writing.close());
  writing.add(STATE, await storeAt(50));
  await scene.until(async () => !(await scene.offsets()).includes(END + 1));
  assert.deepEqual(await scene.offsets(), [100, 50]);
  assert.deepEqual(scene.notices, []);
});

test('one whose task has gone while its checkpoint was written deletes nothing', async (t) => {
  const scene = new Scene();
  for (const position of [10, 20, 30, END + 1]) await scene.write(position);
  let removed: Promise<void> | null = null;
  const writing = scene.writer({
    ...scene.storage,
    // too late to be stopped
    put: async (name, chunks) => {
      const bytes = await scene.storage.put(name, chunks);
      removed = writing.remove(STATE);
      return bytes;
    },
  });
  t.after(() => writing.close());
  writing.add(STATE, await storeAt(50));
  await scene.until(async () => removed !== null && (await scene.offsets()).includes(50));
  await systemClock.sleep(100);
  assert.deepEqual(await scene.offsets(), [END + 1, 50, 30, 20, 10]);
});

test('a checkpoint of a store that stands still is as old as the store, not as its taking', async () => {
  const scene = new Scene();
  const notice = (text: string): unknown => scene.notices.push(text);
  for (const [hours, position] of [
    [25, null],
    [20, 10],
  ] as const) {
    const asOfMs = Math.floor(systemClock.nowMs()) - hours * 3_600_000;
    const header = { store: STATE.name, ...STATE.changelog, takenAtMs: systemClock.nowMs() };
    const begun = await new Checkpoints(scene.storage).beginAtPosition(await storeAt(10, asOfMs), header);
    await begun?.write();
    const stores = memoryStores();
    const parts = { stores, storage: scene.storage, clock: systemClock, notice };
    await fromCheckpoint(parts, STATE, { start: 0, end: END }, new AbortController().signal);
    const restored = await storedPosition(await stores.open(STATE.name));
    assert.deepEqual(restored, position === null ? NO_POSITION : { nextOffset: position, logEnd: position, asOfMs });
  }
  assert.match(scene.notices[0] ?? '', /is older than the changelog remembers deletions/);
});
