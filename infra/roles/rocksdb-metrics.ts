// What RocksDB tells of each open store, for /metrics.
import { Counter, Gauge, type Registry } from 'prom-client';
import { type Clock } from '../../streams/clock.ts';
import { type RocksNumbers, storeNumbers } from '../rocksdb/open-databases.ts';

/** All metrics of one scrape are asked for at about the same time: the stores are asked once. */
const FRESH_MS = 500;

export function measureStores(registry: Registry, clock: Clock): void {
  let read = {
    atMs: Number.NEGATIVE_INFINITY,
    numbers: Promise.resolve(new Map() as ReadonlyMap<string, RocksNumbers>),
  };
  const numbers = (): Promise<ReadonlyMap<string, RocksNumbers>> => {
    if (clock.monotonicMs() - read.atMs > FRESH_MS) read = { atMs: clock.monotonicMs(), numbers: storeNumbers() };
    return read.numbers;
  };
  const shared = { labelNames: ['store'], registers: [registry] };
  const gauge = (name: string, help: string, value: (told: RocksNumbers) => number): void => {
    new Gauge({
      ...{ name, help, ...shared },
      async collect() {
        // a store that was closed has nothing to tell
        this.reset();
        for (const [store, told] of await numbers()) this.set({ store }, value(told));
      },
    });
  };
  const counter = (name: string, help: string, value: (told: RocksNumbers) => number): void => {
    new Counter({
      ...{ name, help, ...shared },
      async collect() {
        const all = await numbers();
        this.reset();
        for (const [store, told] of all) this.inc({ store }, value(told));
      },
    });
  };
  addGauges(gauge);
  addCounters(counter);
}

type Add = (name: string, help: string, value: (told: RocksNumbers) => number) => void;

function addGauges(gauge: Add): void {
  gauge('millrace_rocksdb_table_bytes', "Size of a store's tables on disk", ({ tableBytes }) => tableBytes);
  gauge(
    'millrace_rocksdb_memtable_bytes',
    "Size of a store's memtables: written to its log, not yet to a table",
    ({ memtableBytes }) => memtableBytes,
  );
  gauge(
    'millrace_rocksdb_block_cache_bytes',
    'Memory that blocks of tables take',
    ({ blockCacheBytes }) => blockCacheBytes,
  );
  gauge('millrace_rocksdb_estimated_keys', 'Keys of a store, as RocksDB estimates', (told) => told.estimatedKeys);
  gauge(
    'millrace_rocksdb_pending_compaction_bytes',
    'Bytes that compactions have to rewrite, as RocksDB estimates',
    ({ pendingCompactionBytes }) => pendingCompactionBytes,
  );
  gauge('millrace_rocksdb_running_compactions', 'Compactions at work', (told) => told.runningCompactions);
  gauge('millrace_rocksdb_background_errors', 'Errors of flushes and compactions', (told) => told.backgroundErrors);
}

function addCounters(counter: Add): void {
  counter('millrace_rocksdb_block_cache_hits_total', 'Blocks found in memory', (told) => told.blockCacheHits);
  counter('millrace_rocksdb_block_cache_misses_total', 'Blocks read from disk', (told) => told.blockCacheMisses);
  counter('millrace_rocksdb_memtable_hits_total', 'Keys found in a memtable', (told) => told.memtableHits);
  counter('millrace_rocksdb_memtable_misses_total', 'Keys looked for in tables', (told) => told.memtableMisses);
  counter('millrace_rocksdb_written_bytes_total', 'Bytes of keys and values written', (told) => told.bytesWritten);
  counter('millrace_rocksdb_flushed_bytes_total', 'Bytes flushed from memtables', (told) => told.bytesFlushed);
  counter(
    'millrace_rocksdb_compaction_read_bytes_total',
    'Bytes read by compactions',
    ({ compactionBytesRead }) => compactionBytesRead,
  );
  counter(
    'millrace_rocksdb_compaction_written_bytes_total',
    'Bytes written by compactions',
    ({ compactionBytesWritten }) => compactionBytesWritten,
  );
  counter('millrace_rocksdb_stall_seconds_total', 'Time that writes were held up', (told) => told.stallMicros / 1e6);
}
