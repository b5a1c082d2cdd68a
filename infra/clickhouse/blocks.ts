// Records of a topic → blocks of its table. A block is inserted whole or not at all, and repeating one changes nothing.
import { type AvroReader, type SchemaRegistry, schemaIdOf } from '../../schemas/codec.ts';
import { DATABASE, type Sql, tableOf } from '../../serving/analytics/sql.ts';
import { type LogRecord, partitionId } from '../../streams/log.ts';
import { Bytes } from './row-binary.ts';
import { type Table, PLACE_COLUMNS, createTable, tableFor, writePlace } from './tables.ts';

/** events: of many types, each as JSON beside its name; rows: a column per field */
export type BlockKind = 'events' | 'rows';

/** Blocks of what has no schema id, none of which is negative. */
const UNREADABLE = -1;
const EVENTS = -2;

interface Read {
  readonly record: LogRecord;
  readonly name: string;
  readonly value: unknown;
}

/** Neighbours that go in as one block. */
interface Run {
  /** a schema's id, UNREADABLE or EVENTS */
  readonly block: number;
  readonly reads: Read[];
}

export interface BlocksOptions {
  readonly sql: Sql;
  readonly avro: AvroReader;
  readonly registry: SchemaRegistry;
  readonly prefix: string;
}

export class Blocks {
  readonly #options: BlocksOptions;
  readonly #tables = new Map<string, { readonly schemaId: number; readonly table: Table }>();
  /** rows inserted since the start, by table */
  readonly rowsOf = new Map<string, number>();

  constructor(options: BlocksOptions) {
    this.#options = options;
  }

  /** Inserts records of one topic in their order: a table's largest offset says where to go on, so that nothing may overtake another. */
  async insert(topic: string, kind: BlockKind, records: readonly LogRecord[]): Promise<void> {
    await this.#options.avro.prepare(records.map((record) => record.value));
    const name = tableOf(topic, this.#options.prefix);
    for (const { block, reads } of this.#runsOf(records, kind)) {
      if (block === UNREADABLE) await this.#insertUnread(reads);
      else if (block === EVENTS) await this.#insertEvents(name, reads);
      else await this.#insertRows(name, reads, block);
    }
  }

  #runsOf(records: readonly LogRecord[], kind: BlockKind): Run[] {
    const runs: Run[] = [];
    for (const record of records) {
      const event = this.decoded(record);
      const read: Read = { record, name: event?.name ?? '', value: event?.value };
      const block = event === null ? UNREADABLE : kind === 'events' ? EVENTS : event.schemaId;
      const last = runs[runs.length - 1];
      if (last?.block === block) last.reads.push(read);
      else runs.push({ block, reads: [read] });
    }
    return runs;
  }

  /** Null for what is not framed, does not fit, or has a schema that nobody knows. */
  decoded({ value }: LogRecord): { readonly name: string; readonly value: unknown; readonly schemaId: number } | null {
    const bytes = value ?? Buffer.alloc(0);
    try {
      return { ...this.#options.avro.decode(bytes), schemaId: schemaIdOf(bytes) };
    } catch {
      return null;
    }
  }

  async #insertEvents(name: string, reads: readonly Read[]): Promise<void> {
    const bytes = new Bytes();
    for (const { record, name: event, value } of reads) {
      bytes.text(event);
      bytes.text(JSON.stringify(value));
      writePlace(bytes, record);
    }
    await this.send(name, ['_name', 'json'], bytes, recordsOf(reads));
  }

  async #insertRows(name: string, reads: readonly Read[], schemaId: number): Promise<void> {
    const { columns } = await this.#tableOf(name, schemaId);
    const bytes = new Bytes();
    for (const { record, value } of reads) {
      const fields = value as Readonly<Record<string, unknown>>;
      for (const column of columns) column.write(bytes, fields[column.name]);
      writePlace(bytes, record);
    }
    const names = columns.map((column) => column.name);
    await this.send(name, names, bytes, recordsOf(reads));
  }

  async #tableOf(name: string, schemaId: number): Promise<Table> {
    const known = this.#tables.get(name);
    if (known?.schemaId === schemaId) return known.table;
    const table = tableFor(name, await this.#options.registry.schemaOf(schemaId));
    await this.#options.sql.exec(createTable(table));
    // a newer schema of the topic may have new columns
    for (const { name: column, type } of table.columns)
      await this.#options.sql.exec(
        `ALTER TABLE ${DATABASE}.\`${name}\` ADD COLUMN IF NOT EXISTS \`${column}\` ${type}`,
      );
    this.#tables.set(name, { schemaId, table });
    return table;
  }

  /** What cannot be read is kept whole. */
  async #insertUnread(reads: readonly Read[]): Promise<void> {
    const table: Table = {
      name: 'undecodable',
      orderBy: '_topic, _partition, _offset',
      columns: [
        { name: '_topic', type: 'String', write: () => undefined },
        { name: 'value', type: 'String', write: () => undefined },
      ],
    };
    await this.#options.sql.exec(createTable(table));
    const bytes = new Bytes();
    for (const { record } of reads) {
      bytes.text(record.topic);
      bytes.bytes(record.value ?? Buffer.alloc(0));
      writePlace(bytes, record);
    }
    await this.send('undecodable', ['_topic', 'value'], bytes, recordsOf(reads));
  }

  /**
   * One block, with the columns of its place behind the given ones.
   * @param records what it was made of, by which it is known again
   */
  async send(table: string, columns: readonly string[], bytes: Bytes, records: readonly LogRecord[]): Promise<void> {
    const all = [...columns, ...PLACE_COLUMNS];
    await this.#options.sql.insert(table, all, 'RowBinary', bytes.take(), blockToken(records));
    this.rowsOf.set(table, (this.rowsOf.get(table) ?? 0) + records.length);
  }
}

function recordsOf(reads: readonly Read[]): LogRecord[] {
  return reads.map(({ record }) => record);
}

/** Names a block by what it holds. */
function blockToken(records: readonly LogRecord[]): string {
  return [...Map.groupBy(records, partitionId)]
    .map(([id, part]) => `${id}:${part[0]?.offset}-${part[part.length - 1]?.offset}`)
    .join(' ');
}
