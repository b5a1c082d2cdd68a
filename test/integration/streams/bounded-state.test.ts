// Many more keys than memory may hold, on RocksDB: what is in memory stays within its bound, and every key is found again.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { rocksStores } from '../../../infra/rocksdb/rocksdb-stores.ts';
import { json } from '../../../streams/builder/format.ts';
import { topology } from '../../../streams/builder/topology.ts';
import { type NewRecord } from '../../../streams/log.ts';
import { LoneTask } from '../../fakes/lone-task.ts';

const folder = mkdtempSync(join(tmpdir(), 'millrace-bounded-'));
after(() => rmSync(folder, { recursive: true, force: true }));

const KEYS = 200_000;
const CACHE_BYTES_MAX = 4 * 1024 * 1024;
/** Of one commit. */
const CHUNK = 2000;
/** Beyond the bound for a moment: what two fetches bring, what one commit has changed. */
const OVER_BYTES_MAX = 2 * CHUNK * 300;
const CLOSE_MS = 10_000_000;

const counted = topology('counted', ({ stream }) => {
  stream('in', json<number>())
    .process<number, number>('count', {
      state: json(),
      each: (amount, { state = 0, timeMs, setState, setTimer, emit }) => {
        setState(state + amount);
        // all of them at one instant
        setTimer(timeMs < CLOSE_MS ? CLOSE_MS : null);
        emit(state + amount);
      },
      timer: ({ state, setState, emit }) => {
        emit(state ?? -1);
        setState(undefined);
      },
    })
    .to('out', json());
});

/** How often each even number was told; nothing else is. */
class Told {
  readonly #times = new Uint8Array(KEYS);
  count = 0;

  readonly take = (records: readonly NewRecord[]): void => {
    for (const { value } of records) {
      const key = Number(String(value)) / 2;
      this.count += 1;
      if (Number.isInteger(key) && key < KEYS) this.#times[key] = (this.#times[key] ?? 0) + 1;
    }
  };

  forget(): void {
    this.#times.fill(0);
    this.count = 0;
  }

  requireEachOnce(): void {
    assert.equal(
      this.#times.findIndex((times) => times !== 1),
      -1,
      'a key was not told once',
    );
  }
}

/** One record a key, its value the key's number: in an order in which neighbours are far apart. */
async function pass(task: LoneTask, timeMs: number, worked: () => void): Promise<void> {
  for (let from = 0; from < KEYS; from += CHUNK) {
    const keys = Array.from({ length: CHUNK }, (_, index) => ((from + index) * 7919) % KEYS);
    task.take(
      'in',
      keys.map((key) => ({ key: `key ${key}`, value: Buffer.from(String(key)), timestampMs: timeMs + from / CHUNK })),
    );
    await task.work();
    worked();
    await task.commit();
  }
}

test('200,000 keys in 4 MiB: values and timers are found again, after a restart too, and memory stays within its bound', async () => {
  const stores = rocksStores(folder);
  const told = new Told();
  let [peakRows, peakBytes] = [0, 0];
  const start = async (): Promise<LoneTask> => {
    const task: LoneTask = await LoneTask.of(counted, await stores.open('state'), CACHE_BYTES_MAX, (records) => {
      told.take(records);
      measure(task);
    });
    return task;
  };
  const measure = ({ state }: LoneTask): void => {
    peakRows = Math.max(peakRows, state.residentRows);
    peakBytes = Math.max(peakBytes, state.cachedBytes);
  };

  const first = await start();
  await pass(first, 1, () => measure(first));
  assert.equal(first.state.size, KEYS);
  assert.ok(!first.state.isComplete);
  told.forget();
  await pass(first, 1000, () => measure(first));
  assert.equal(first.state.size, KEYS);
  // each key's number twice
  told.requireEachOnce();
  await first.close();

  const second = await start();
  assert.equal(second.state.size, KEYS);
  measure(second);
  told.forget();
  // all timers are due before this record: each finds its key
  second.take('in', [{ key: 'last', value: Buffer.from('1'), timestampMs: CLOSE_MS }]);
  await second.work();
  measure(second);
  await second.commit();
  told.requireEachOnce();
  assert.equal(told.count, KEYS + 1);
  assert.equal(second.state.size, 1);
  await second.close();

  assert.ok(peakBytes < CACHE_BYTES_MAX + OVER_BYTES_MAX, `${peakBytes} bytes were in memory`);
  assert.ok(peakRows < KEYS / 8, `${peakRows} rows were in memory`);
});
