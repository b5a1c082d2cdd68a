// The rows that a run of the feature job wrote, told in two ways: by the peers' checksums (shared/peers/streams/py/check_features.py),
// and by a digest of all of each row, in its partition's order. Rows in Avro and in JSON that say the same have the same digest.
import { createHash } from 'node:crypto';
import { AvroReader, type SchemaRegistry } from '../../schemas/codec.ts';
import { type KafkaLog } from '../../infra/kafka/kafka-log.ts';
import { type LogRecord } from '../../streams/log.ts';
import { readAll } from './read-topic.ts';

type Row = Readonly<Record<string, number>>;

const WINDOWS = { c1: '1h', c24: '24h', c168: '7d' } as const;
const NAMES = [
  ...['k', 'ts', 'p', 'last'],
  ...Object.values(WINDOWS).flatMap((window) => ['count', 'sum', 'mean', 'max'].map((name) => `${name}_${window}`)),
];

export interface ToldRows {
  /** as in the peers' reference.json */
  readonly sums: Readonly<Record<string, number>>;
  readonly digest: string;
}

/** @param registry that of rows in Avro; null: they are JSON */
export async function tellRows(log: KafkaLog, topic: string, registry: SchemaRegistry | null): Promise<ToldRows> {
  const sums: Record<string, number> = { n: 0, last: 0 };
  const digests = new Map<number, ReturnType<typeof createHash>>();
  const rowsOf = registry === null ? jsonRows : avroRows(new AvroReader(registry));
  await readAll(log, topic, async (records) => {
    for (const [index, row] of (await rowsOf(records)).entries()) {
      const { partition = 0, timestampMs = 0, key = null } = records[index] ?? {};
      const digest = digests.get(partition) ?? createHash('sha256');
      digests.set(partition, digest);
      digest.update(JSON.stringify([timestampMs, String(key), ...NAMES.map((name) => row[name] ?? null)]));
      add(sums, row);
    }
  });
  const ordered = [...digests].sort(([one], [other]) => one - other);
  return { sums, digest: ordered.map(([partition, digest]) => `${partition} ${digest.digest('hex')}`).join() };
}

function jsonRows(records: readonly LogRecord[]): Promise<readonly Row[]> {
  return Promise.resolve(records.map(({ value }) => JSON.parse(String(value)) as Row));
}

function avroRows(reader: AvroReader): (records: readonly LogRecord[]) => Promise<readonly Row[]> {
  return async (records) => {
    await reader.prepare(records.map(({ value }) => value));
    return records.map(({ value }) => reader.decode(value ?? Buffer.alloc(0)).value as Row);
  };
}

function add(sums: Record<string, number>, row: Row): void {
  const plus = (name: string, value: number | undefined): void => {
    sums[name] = (sums[name] ?? 0) + (value ?? Number.NaN);
  };
  plus('n', 1);
  plus('last', row['last']);
  for (const [name, window] of Object.entries(WINDOWS)) {
    plus(name, row[`count_${window}`]);
    plus(name.replace('c', 's'), row[`sum_${window}`]);
    plus(name.replace('c', 'x'), row[`max_${window}`]);
  }
}
