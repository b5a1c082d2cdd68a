// Every topic into its table, exactly once: a table's own largest offset says where to go on, a block is inserted whole or not at
// all, and repeating a block changes nothing. Watermarks go in after all rows that they speak of.
import { type AvroReader, type AvroSchema, type SchemaRegistry, schemaIdOf } from '../../schemas/codec.ts';
import { type Watermarks } from '../../schemas/events.generated.ts';
import { DATABASE, type Sql, tableOf } from '../../serving/analytics/sql.ts';
import { type Clock } from '../../streams/clock.ts';
import {
  type Fetched,
  type LogReader,
  type LogRecord,
  type PartitionBounds,
  type TopicPartition,
  partitionId,
} from '../../streams/log.ts';
import { Bytes } from './row-binary.ts';
import { type Table, PLACE_COLUMNS, createTable, eventsTable, tableFor, writePlace } from './tables.ts';

export type TopicKind = 'events' | 'rows' | 'watermarks';

export interface SinkOptions {
  readonly sql: Sql;
  readonly reader: LogReader;
  readonly avro: AvroReader;
  readonly registry: SchemaRegistry;
  readonly clock: Clock;
  readonly prefix: string;
  readonly watermarksTopic: string;
}

const BLOCK_ROWS_MAX = 50_000;
/** Small inserts cost 7 ms each (FACTS.md): a partition's rows wait this long for company. */
const BLOCK_AGE_MS = 200;
const POLL_MS = 50;

/** No schema id is negative. */
const UNREADABLE = -1;

interface Lane {
  readonly at: TopicPartition;
  readonly kind: TopicKind;
  records: LogRecord[];
  /** everything before it is in the table */
  insertedOffset: number;
  fetchedOffset: number;
  sinceMs: number;
  endOffset: number;
}

const WATERMARK_SCHEMA: AvroSchema = {
  type: 'record',
  name: 'WatermarkRow',
  fields: [
    { name: 'topic', type: 'string' },
    { name: 'partition', type: 'int' },
    { name: 'lane', type: 'int' },
    { name: 'event_time', type: { type: 'long', logicalType: 'timestamp-millis' } },
    { name: 'offset', type: 'long' },
    { name: 'live', type: 'boolean' },
  ],
};

export class Sink {
  readonly #options: SinkOptions;
  readonly #lanes = new Map<string, Lane>();
  readonly #tables = new Map<string, { readonly schemaId: number; readonly table: Table }>();
  readonly #rowsOf = new Map<string, number>();

  constructor(options: SinkOptions) {
    this.#options = options;
  }

  async open(): Promise<void> {
    await this.#options.sql.exec(`CREATE DATABASE IF NOT EXISTS ${DATABASE}`);
    await this.#options.sql.exec(createTable(tableFor('watermarks', WATERMARK_SCHEMA)));
  }

  /** Takes a topic in; its partitions go on where the table ends. */
  async add(topic: string, bounds: readonly PartitionBounds[], kind: TopicKind): Promise<void> {
    if (this.#lanes.has(`${topic}/0`)) return;
    const name = kind === 'watermarks' ? 'watermarks' : tableOf(topic, this.#options.prefix);
    if (kind === 'events') await this.#options.sql.exec(createTable(eventsTable(name)));
    const ends = await this.#tableEnds(name, topic);
    for (const { partition, end } of bounds) {
      const offset = ends.get(partition) ?? 0;
      const at = { topic, partition };
      this.#lanes.set(partitionId(at), {
        at,
        kind,
        records: [],
        insertedOffset: offset,
        fetchedOffset: offset,
        sinceMs: 0,
        endOffset: end,
      });
      this.#options.reader.assign(at, offset);
    }
  }

  /** Where each partition goes on: after what its table holds, and after what of it could not be read. */
  async #tableEnds(table: string, topic: string): Promise<Map<number, number>> {
    const ends = await this.#endsIn(table, '1');
    for (const [partition, next] of await this.#endsIn('undecodable', `_topic = {topic:String}`, { topic }))
      ends.set(partition, Math.max(ends.get(partition) ?? 0, next));
    return ends;
  }

  async #endsIn(table: string, condition: string, parameters: { topic?: string } = {}): Promise<Map<number, number>> {
    const { sql } = this.#options;
    const exists = await sql.query<{ n: number }>(
      `SELECT count() AS n FROM system.tables WHERE database = {database:String} AND name = {table:String}`,
      { database: DATABASE, table },
    );
    if ((exists[0]?.n ?? 0) === 0) return new Map();
    const rows = await sql.query<{ partition: number; next: number }>(
      `SELECT _partition AS partition, max(_offset) + 1 AS next FROM ${DATABASE}.\`${table}\` WHERE ${condition} GROUP BY _partition`,
      parameters,
    );
    return new Map(rows.map(({ partition, next }) => [partition, next]));
  }

  /** Fetches and inserts what is due. */
  async round(): Promise<void> {
    const { reader, clock } = this.#options;
    const nowMs = clock.monotonicMs();
    for (const fetched of await reader.poll(POLL_MS)) this.#take(fetched, nowMs);
    for (const lane of this.#lanes.values()) {
      if (lane.kind === 'watermarks') continue;
      if (lane.records.length === 0) lane.insertedOffset = lane.fetchedOffset;
      else if (lane.records.length >= BLOCK_ROWS_MAX || clock.monotonicMs() - lane.sinceMs >= BLOCK_AGE_MS)
        await this.#insert(lane);
    }
    for (const lane of this.#lanes.values()) if (lane.kind === 'watermarks') await this.#insertWatermarks(lane);
  }

  #take(fetched: Fetched, nowMs: number): void {
    const lane = this.#lanes.get(partitionId(fetched));
    if (lane === undefined) return;
    if (lane.records.length === 0) lane.sinceMs = nowMs;
    for (const record of fetched.records) if (record.value !== null) lane.records.push(record);
    lane.fetchedOffset = fetched.nextOffset;
    lane.endOffset = fetched.endOffset;
    if (lane.records.length > 2 * BLOCK_ROWS_MAX) this.#options.reader.pause(lane.at);
  }

  async #insert(lane: Lane): Promise<void> {
    const upTo = lane.fetchedOffset;
    const records = lane.records;
    lane.records = [];
    await this.#options.avro.prepare(records.map((record) => record.value));
    const name = tableOf(lane.at.topic, this.#options.prefix);
    if (lane.kind === 'events') await this.#insertEvents(name, lane, records);
    else await this.#insertRows(name, lane, records);
    lane.insertedOffset = upTo;
    this.#options.reader.resume(lane.at);
  }

  async #insertEvents(name: string, lane: Lane, records: readonly LogRecord[]): Promise<void> {
    const { unread = [], events = [] } = Object.groupBy(records, (record) =>
      this.#schemaOf(record) === UNREADABLE ? 'unread' : 'events',
    );
    if (unread.length > 0) await this.#insertUnread(lane, unread);
    if (events.length === 0) return;
    const bytes = new Bytes();
    for (const record of events) {
      const { name: event, value } = this.#options.avro.decode(record.value ?? Buffer.alloc(0));
      bytes.text(event);
      bytes.text(JSON.stringify(value));
      writePlace(bytes, record);
    }
    await this.#send(name, ['_name', 'json', ...PLACE_COLUMNS], bytes, lane, events);
  }

  /** Runs of one schema go in as one block; what cannot be read is kept whole in `undecodable`. */
  async #insertRows(name: string, lane: Lane, records: readonly LogRecord[]): Promise<void> {
    let run: LogRecord[] = [];
    let runSchema = UNREADABLE;
    for (const record of records) {
      const schema = this.#schemaOf(record);
      if (schema !== runSchema && run.length > 0) {
        await this.#insertRun(name, lane, run, runSchema);
        run = [];
      }
      runSchema = schema;
      run.push(record);
    }
    if (run.length > 0) await this.#insertRun(name, lane, run, runSchema);
  }

  /** The schema id, or UNREADABLE for what is not framed, does not fit, or has a schema that nobody knows. */
  #schemaOf(record: LogRecord): number {
    try {
      this.#options.avro.decode(record.value ?? Buffer.alloc(0));
      return schemaIdOf(record.value ?? Buffer.alloc(0));
    } catch {
      return UNREADABLE;
    }
  }

  async #insertRun(name: string, lane: Lane, records: readonly LogRecord[], schemaId: number): Promise<void> {
    if (schemaId === UNREADABLE) return this.#insertUnread(lane, records);
    const table = await this.#tableOf(name, schemaId);
    const bytes = new Bytes();
    for (const record of records) {
      const value = this.#options.avro.decode(record.value ?? Buffer.alloc(0)).value as Readonly<
        Record<string, unknown>
      >;
      for (const column of table.columns) column.write(bytes, value[column.name]);
      writePlace(bytes, record);
    }
    await this.#send(name, [...table.columns.map((column) => column.name), ...PLACE_COLUMNS], bytes, lane, records);
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

  async #insertUnread(lane: Lane, records: readonly LogRecord[]): Promise<void> {
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
    for (const record of records) {
      bytes.text(record.topic);
      bytes.bytes(record.value ?? Buffer.alloc(0));
      writePlace(bytes, record);
    }
    await this.#send('undecodable', ['_topic', 'value', ...PLACE_COLUMNS], bytes, lane, records);
  }

  async #send(
    table: string,
    columns: readonly string[],
    bytes: Bytes,
    lane: Lane,
    records: readonly LogRecord[],
  ): Promise<void> {
    const token = `${partitionId(lane.at)}:${records[0]?.offset}-${records[records.length - 1]?.offset}`;
    await this.#options.sql.insert(table, columns, 'RowBinary', bytes.take(), token);
    this.#rowsOf.set(table, (this.#rowsOf.get(table) ?? 0) + records.length);
  }

  /** In the log's order, as far as the rows that they speak of are in. */
  async #insertWatermarks(lane: Lane): Promise<void> {
    if (lane.records.length === 0) {
      // past the markers that end transactions: else one record seems missing for ever
      lane.insertedOffset = lane.fetchedOffset;
      return;
    }
    await this.#options.avro.prepare(lane.records.map((record) => record.value));
    const newest = new Map<string, { mark: Watermarks['marks'][number]; record: LogRecord }>();
    let taken = 0;
    for (const record of lane.records) {
      const marks = this.#marksOf(record);
      const known = marks.filter((mark) => this.#lanes.has(partitionId(mark)));
      if (known.some((mark) => (this.#lanes.get(partitionId(mark))?.insertedOffset ?? 0) < mark.offset)) break;
      for (const mark of known) newest.set(`${partitionId(mark)}/${mark.lane}`, { mark, record });
      taken += 1;
    }
    const inserted = lane.records.slice(0, taken);
    if (inserted.length === 0) return;
    const bytes = new Bytes();
    const columns = tableFor('watermarks', WATERMARK_SCHEMA).columns;
    for (const { mark, record } of newest.values()) {
      for (const column of columns) column.write(bytes, mark[column.name as keyof typeof mark]);
      writePlace(bytes, record);
    }
    if (newest.size > 0)
      await this.#send(
        'watermarks',
        [...columns.map((column) => column.name), ...PLACE_COLUMNS],
        bytes,
        lane,
        inserted,
      );
    lane.records = lane.records.slice(taken);
    lane.insertedOffset = (inserted[inserted.length - 1]?.offset ?? 0) + 1;
    this.#options.reader.resume(lane.at);
  }

  /** None in a foreign record. */
  #marksOf(record: LogRecord): Watermarks['marks'] {
    if (this.#schemaOf(record) === UNREADABLE) return [];
    const { name, value } = this.#options.avro.decode(record.value ?? Buffer.alloc(0));
    return name === 'Watermarks' ? (value as Watermarks).marks : [];
  }

  /** Rows inserted since the start, by table, and records not yet in. */
  status(): { readonly rows: ReadonlyMap<string, number>; readonly lag: number } {
    let lag = 0;
    for (const lane of this.#lanes.values()) lag += Math.max(0, lane.endOffset - lane.insertedOffset);
    return { rows: this.#rowsOf, lag };
  }
}
