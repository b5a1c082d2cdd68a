// The RocksDB databases that are open in this process, and what they tell of themselves, for metrics.
import type RocksDB from 'rocksdb-native';

type Told = Pick<RocksDB, 'getProperty'>;

/** By database, not by name: of two roles in one process each may have its own. */
const open = new Map<Told, string>();

export function noteOpen(name: string, db: Told): void {
  open.set(db, name);
}

export function noteClosed(db: Told): void {
  open.delete(db);
}

/** RocksDB's names of properties: numbers as they are now. */
const PROPERTIES = {
  tableBytes: 'rocksdb.total-sst-files-size',
  memtableBytes: 'rocksdb.cur-size-all-mem-tables',
  blockCacheBytes: 'rocksdb.block-cache-usage',
  estimatedKeys: 'rocksdb.estimate-num-keys',
  pendingCompactionBytes: 'rocksdb.estimate-pending-compaction-bytes',
  runningCompactions: 'rocksdb.num-running-compactions',
  backgroundErrors: 'rocksdb.background-errors',
} as const;

/** RocksDB's names of tickers: sums since the database was opened. */
const TICKERS = {
  blockCacheHits: 'rocksdb.block.cache.hit',
  blockCacheMisses: 'rocksdb.block.cache.miss',
  memtableHits: 'rocksdb.memtable.hit',
  memtableMisses: 'rocksdb.memtable.miss',
  bytesWritten: 'rocksdb.bytes.written',
  bytesFlushed: 'rocksdb.flush.write.bytes',
  compactionBytesRead: 'rocksdb.compact.read.bytes',
  compactionBytesWritten: 'rocksdb.compact.write.bytes',
  stallMicros: 'rocksdb.stall.micros',
} as const;

export type RocksProperty = keyof typeof PROPERTIES;
export type RocksTicker = keyof typeof TICKERS;
export type RocksNumbers = Readonly<Record<RocksProperty | RocksTicker, number>>;

/** Bytes of each open store, by name: its tables on disk, and what lies in its write-ahead log until it is in a table. */
export async function storeSizes(): Promise<ReadonlyMap<string, number>> {
  return eachOpen(async (db) => {
    const [tables, memtables] = await Promise.all([property(db, 'tableBytes'), property(db, 'memtableBytes')]);
    return tables + memtables;
  });
}

/** All that is asked of each open store, by name. */
export async function storeNumbers(): Promise<ReadonlyMap<string, RocksNumbers>> {
  return eachOpen(async (db) => {
    const names = Object.keys(PROPERTIES) as RocksProperty[];
    const [values, text] = await Promise.all([
      Promise.all(names.map((name) => property(db, name))),
      db.getProperty('rocksdb.options-statistics'),
    ]);
    const properties = Object.fromEntries(names.map((name, index) => [name, values[index]]));
    return { ...properties, ...tickersIn(text ?? '') } as RocksNumbers;
  });
}

async function eachOpen<T>(tell: (db: Told) => Promise<T>): Promise<ReadonlyMap<string, T>> {
  const told = await Promise.all(
    [...open].map(async ([db, name]): Promise<[string, T][]> => {
      try {
        return [[name, await tell(db)]];
      } catch {
        // it was closed meanwhile
        return [];
      }
    }),
  );
  return new Map(told.flat());
}

async function property(db: Told, name: RocksProperty): Promise<number> {
  return Number((await db.getProperty(PROPERTIES[name])) ?? 0);
}

/** Tickers in the text of RocksDB's statistics: lines such as `rocksdb.block.cache.hit COUNT : 59990`. */
export function tickersIn(text: string): Readonly<Record<RocksTicker, number>> {
  const counts = new Map(
    [...text.matchAll(/^(rocksdb\.\S+) COUNT : (\d+)$/gm)].map(([, name = '', count]) => [name, Number(count)]),
  );
  const wanted = Object.entries(TICKERS).map(([name, ticker]) => [name, counts.get(ticker) ?? 0]);
  return Object.fromEntries(wanted) as Record<RocksTicker, number>;
}
