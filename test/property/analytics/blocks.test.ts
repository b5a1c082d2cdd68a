// Blocks of several partitions: wherever the warehouse fails, what each partition has in its tables is a beginning of it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type BlockKind, Blocks } from '../../../infra/clickhouse/blocks.ts';
import { AvroCodec, AvroReader, type AvroSchema } from '../../../schemas/codec.ts';
import { type Sql } from '../../../serving/analytics/sql.ts';
import { type LogRecord } from '../../../streams/log.ts';
import { memoryRegistry } from '../../fakes/memory-registry.ts';

const registry = memoryRegistry();
const schemaOf = (field: string): AvroSchema => ({
  type: 'record',
  name: 'Row',
  fields: [{ name: field, type: 'int' }],
});
async function framed(field: string): Promise<Buffer> {
  const schema = schemaOf(field);
  return new AvroCodec(await registry.register('rows-value', schema), schema).encode({ [field]: 1 });
}
const VALUES = { older: await framed('a'), newer: await framed('b'), unreadable: Buffer.from('nothing') };
type Written = keyof typeof VALUES;

/** What was inserted, as `partition/offset`, by the names of the blocks; the insert of number `failAt` fails. */
class Tables {
  readonly inserted: string[] = [];
  readonly #failAt: number;
  #inserts = 0;

  constructor(failAt: number) {
    this.#failAt = failAt;
  }

  readonly sql: Sql = {
    query: async () => [],
    text: async () => '',
    exec: async () => undefined,
    insert: async (_table, _columns, _format, _data, token) => {
      this.#inserts += 1;
      if (this.#inserts === this.#failAt) throw new Error('the warehouse is gone');
      for (const range of token.split(' ')) {
        const [, partition = '', first = '', last = ''] = /^rows\/(\d+):(\d+)-(\d+)$/.exec(range) ?? [];
        for (let offset = Number(first); offset <= Number(last); offset += 1)
          this.inserted.push(`${partition}/${offset}`);
      }
    },
  };
}

function recordsOf(partitions: readonly (readonly Written[])[]): LogRecord[] {
  return partitions.flatMap((written, partition) =>
    written.map((what, offset) => ({
      ...{ topic: 'rows', partition, offset, timestampMs: 0, key: null, headers: [] },
      value: VALUES[what],
    })),
  );
}

const idOf = ({ partition, offset }: LogRecord): string => `${partition}/${offset}`;

test('a failure between two blocks leaves a beginning of each partition; going on there gives everything, once', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.array(fc.constantFrom<Written>('older', 'newer', 'unreadable'), { maxLength: 8 }), { maxLength: 4 }),
      fc.constantFrom<BlockKind>('rows', 'events'),
      fc.integer({ min: 1, max: 12 }),
      async (partitions, kind, failAt) => {
        const tables = new Tables(failAt);
        const blocks = new Blocks({ sql: tables.sql, avro: new AvroReader(registry), registry, prefix: '' });
        const records = recordsOf(partitions);
        await blocks.insert('rows', kind, records).catch((error: unknown) => {
          assert.match(String(error), /the warehouse is gone/);
        });
        // where a restart goes on: after the largest offset
        const nextOf = new Map<string, number>();
        for (const id of tables.inserted) {
          const [partition = '', offset = ''] = id.split('/');
          nextOf.set(partition, Math.max(nextOf.get(partition) ?? 0, Number(offset) + 1));
        }
        const rest = records.filter(({ partition, offset }) => offset >= (nextOf.get(String(partition)) ?? 0));
        await new Blocks({ sql: tables.sql, avro: new AvroReader(registry), registry, prefix: '' }).insert(
          'rows',
          kind,
          rest,
        );
        assert.deepEqual([...tables.inserted].sort(), records.map(idOf).sort());
      },
    ),
    { numRuns: 300 },
  );
});
