// Records per second of merged tasks by how much of their state is in memory: all of it, or a tenth with the rest in RocksDB. One task,
// no log: steps, state, changelog records and the local store.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { rocksStores } from '../../infra/rocksdb/rocksdb-stores.ts';
import { type DeclaredTopology } from '../../streams/builder/declaration.ts';
import { json, text } from '../../streams/builder/format.ts';
import { topology } from '../../streams/builder/topology.ts';
import { LoneTask } from '../fakes/lone-task.ts';
import { type Run, finish, readOptions, rounded, say, tell } from './outcome.ts';

const options = readOptions();
const RUNS = options.quick ? 1 : 3;
const KEYS = options.quick ? 10_000 : 100_000;
const MEASURED_RECORDS = options.quick ? 20_000 : 300_000;
/** Of one commit: about what 100 ms bring. */
const CHUNK_RECORDS = 5000;
const UNBOUNDED_BYTES = 2 ** 40;
const CLOSE_AFTER_MS = 1e12;

interface Payment {
  readonly amount: number;
}

interface Spent {
  readonly count: number;
  readonly sum: number;
}

const spent = topology('spent', ({ stream }) => {
  stream('in', json<Payment>())
    .process<Spent, Spent>('spent', {
      state: json(),
      each: ({ amount }, { state = { count: 0, sum: 0 }, timeMs, setState, setTimer, emit }) => {
        const next = { count: state.count + 1, sum: state.sum + amount };
        setState(next);
        setTimer(timeMs + CLOSE_AFTER_MS);
        emit(next);
      },
    })
    .to('out', json());
});

const joined = topology('joined', ({ stream, table }) => {
  const limits = table('table', json<Payment>());
  stream('in', json<Payment>())
    .asOf('limits', limits, {
      ...{ kind: 'left', lateness: '1s' },
      join: (left, right) => `${left.amount} of ${right?.amount ?? '-'}`,
    })
    .to('out', text);
});

function drawn(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

const folder = mkdtempSync(join(tmpdir(), 'millrace-bench-'));
let stores = 0;

async function measure(declared: DeclaredTopology, first: string, cacheBytesMax: number): Promise<Run> {
  stores += 1;
  const store = await rocksStores(folder).open(`state-${stores}`);
  let outputs = 0;
  const task = await LoneTask.of(declared, store, cacheBytesMax, ({ length }) => (outputs += length));
  const random = drawn(stores);
  let timeMs = 1_700_000_000_000;
  let residentRows = 0;
  const chunk = async (topic: string, keyOf: (index: number) => number): Promise<void> => {
    const records = Array.from({ length: CHUNK_RECORDS }, (_, index) => ({
      key: `K${String(keyOf(index)).padStart(8, '0')}`,
      value: Buffer.from(`{"amount":${index}}`),
      timestampMs: (timeMs += 1),
    }));
    task.take(topic, records);
    await task.work();
    residentRows = Math.max(residentRows, task.state.residentRows);
    await task.commit();
  };
  // every key has its row before it is measured
  for (let from = 0; from < KEYS; from += CHUNK_RECORDS) await chunk(first, (index) => from + index);
  const startMs = performance.now();
  const { user, system } = process.cpuUsage();
  for (let done = 0; done < MEASURED_RECORDS; done += CHUNK_RECORDS)
    await chunk('in', () => Math.floor(random() * KEYS));
  const spentCpu = process.cpuUsage();
  const wallMs = performance.now() - startMs;
  await task.close();
  if (outputs < MEASURED_RECORDS) throw new Error(`only ${outputs} outputs`);
  return {
    records_per_s: rounded((MEASURED_RECORDS * 1000) / wallMs),
    cpu_us_per_record: rounded((spentCpu.user + spentCpu.system - user - system) / MEASURED_RECORDS),
    resident_rows_max: residentRows,
  };
}

/** About what a tenth of the keys take, as the state itself reckons. */
const TENTH_BYTES = (KEYS / 10) * 320;
const VARIANTS: readonly (readonly [string, DeclaredTopology, string, number])[] = [
  ['process, all in memory', spent, 'in', UNBOUNDED_BYTES],
  ['process, a tenth in memory', spent, 'in', TENTH_BYTES],
  ['as-of join, all in memory', joined, 'table', UNBOUNDED_BYTES],
  ['as-of join, a tenth in memory', joined, 'table', TENTH_BYTES],
];

const variants: Record<string, Run[]> = {};
try {
  for (let count = 0; count < RUNS; count += 1)
    for (const [name, declared, first, cacheBytesMax] of VARIANTS) {
      const run = await measure(declared, first, cacheBytesMax);
      (variants[name] ??= []).push(run);
      say(`${name}: ${tell(run)}`);
    }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
finish(options, {
  measures:
    'One merged task without a log: decoding JSON, the step, its state, outputs and changelog records as objects, and a write to RocksDB for each commit of 5,000 records; keys uniformly drawn, all of which have a row already. CPU of the whole process, RocksDB’s threads included. Not measured: Kafka, several tasks, keys that come again soon.',
  settings: { keys: KEYS, measured_records: MEASURED_RECORDS, chunk_records: CHUNK_RECORDS, runs: RUNS },
  variants,
});
