// What RocksDB takes by itself, through its Node binding, to read and write one small row per event: the floor of the growth bench.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { rocksStores } from '../../infra/rocksdb/rocksdb-stores.ts';
import { type StateStore } from '../../streams/store.ts';
import { type Run, rounded } from './outcome.ts';

/** As many rows at a time as a task of the job has between two writes of its store, about. */
const ROWS_AT_A_TIME = 5000;
/** As those of the job, with one or two panes. */
const ROW_BYTES = 32;

function keyOf(number: number): Buffer {
  return Buffer.from(`K${String(number).padStart(8, '0')}`);
}

/** Rows of `stores` stores, drawn by `chance`; each is read, and written with another value. All stores work at the same time. */
export async function storeAlone(keys: number, events: number, stores: number, chance: () => number): Promise<Run> {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-bench-store-'));
  const opened = await Promise.all(
    Array.from({ length: stores }, (_, number) => rocksStores(folder).open(`rows-${number}`)),
  );
  try {
    await Promise.all(opened.map((store, number) => fill(store, number, stores, keys)));
    const [startMs, cpu] = [performance.now(), process.cpuUsage()];
    for (let done = 0; done < events; done += ROWS_AT_A_TIME * stores)
      await Promise.all(
        opened.map((store, at) => {
          const drawn = Array.from({ length: ROWS_AT_A_TIME }, () => {
            const number = Math.floor(chance() * keys);
            return keyOf(number - (number % stores) + at);
          });
          return readAndWrite(store, drawn);
        }),
      );
    const { user, system } = process.cpuUsage(cpu);
    return {
      keys,
      us_per_event: rounded(((performance.now() - startMs) * 1000) / events),
      cpu_us_per_event: rounded((user + system) / events),
    };
  } finally {
    await Promise.all(opened.map((store) => store.close()));
    rmSync(folder, { recursive: true });
  }
}

async function fill(store: StateStore, first: number, step: number, keys: number): Promise<void> {
  for (let number = first; number < keys;) {
    const rows: Buffer[] = [];
    for (; number < keys && rows.length < ROWS_AT_A_TIME; number += step) rows.push(keyOf(number));
    await store.write(rows.map((key) => ({ key, value: Buffer.alloc(ROW_BYTES, key) })));
  }
}

async function readAndWrite(store: StateStore, keys: readonly Buffer[]): Promise<void> {
  const values = await store.multiGet(keys);
  await store.write(keys.map((key, index) => ({ key, value: Buffer.from(values[index] ?? key) })));
}
