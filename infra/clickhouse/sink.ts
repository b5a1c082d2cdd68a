// Every topic into its table, exactly once: a table's own largest offset says where to go on, a block is inserted whole or not at
// all, and repeating a block changes nothing. Watermarks go in after all rows that they speak of.
import { type AvroSchema } from '../../schemas/codec.ts';
import { type Watermarks } from '../../schemas/events.generated.ts';
import { DATABASE, tableOf } from '../../serving/analytics/sql.ts';
import { type Clock } from '../../streams/clock.ts';
import {
  type Fetched,
  type LogReader,
  type LogRecord,
  type PartitionBounds,
  type TopicPartition,
  partitionId,
} from '../../streams/log.ts';
import { type BlockKind, Blocks, type BlocksOptions } from './blocks.ts';
import { Bytes } from './row-binary.ts';
import { createTable, eventsTable, tableFor, writePlace } from './tables.ts';

export type TopicKind = BlockKind | 'watermarks';

export interface SinkOptions extends BlocksOptions {
  readonly reader: LogReader;
  readonly clock: Clock;
}

const BLOCK_ROWS_MAX = 50_000;
/** Small inserts cost 7 ms each (FACTS.md): a topic's rows, of all partitions, wait this long for company. */
const BLOCK_AGE_MS = 200;
const POLL_MS = 50;

interface Topic {
  readonly kind: TopicKind;
  readonly lanes: readonly Lane[];
}

interface Lane {
  readonly at: TopicPartition;
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
  readonly #topics = new Map<string, Topic>();
  /** those of all topics */
  readonly #lanes = new Map<string, Lane>();
  readonly #blocks: Blocks;

  constructor(options: SinkOptions) {
    this.#options = options;
    this.#blocks = new Blocks(options);
  }

  async open(): Promise<void> {
    await this.#options.sql.exec(`CREATE DATABASE IF NOT EXISTS ${DATABASE}`);
    await this.#options.sql.exec(createTable(tableFor('watermarks', WATERMARK_SCHEMA)));
  }

  /**
   * Takes a topic in; its partitions go on where the table ends.
   * @param schema of its records, where that is known before the first: then the table is there at once, empty
   */
  async add(topic: string, bounds: readonly PartitionBounds[], kind: TopicKind, schema?: AvroSchema): Promise<void> {
    if (this.#topics.has(topic)) return;
    const name = kind === 'watermarks' ? 'watermarks' : tableOf(topic, this.#options.prefix);
    if (kind === 'events') await this.#options.sql.exec(createTable(eventsTable(name)));
    if (schema !== undefined) await this.#options.sql.exec(createTable(tableFor(name, schema)));
    const ends = await this.#tableEnds(name, topic);
    const lanes = bounds.map(({ partition, end }): Lane => {
      const offset = ends.get(partition) ?? 0;
      const at = { topic, partition };
      return { at, records: [], insertedOffset: offset, fetchedOffset: offset, sinceMs: 0, endOffset: end };
    });
    this.#topics.set(topic, { kind, lanes });
    for (const lane of lanes) {
      this.#lanes.set(partitionId(lane.at), lane);
      this.#options.reader.assign(lane.at, lane.fetchedOffset);
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
    for (const [topic, { kind, lanes }] of this.#topics) {
      if (kind === 'watermarks') continue;
      const waiting = lanes.filter(({ records }) => records.length > 0);
      for (const lane of lanes) if (lane.records.length === 0) lane.insertedOffset = lane.fetchedOffset;
      if (this.#isDue(waiting)) await this.#insert(topic, kind, waiting);
    }
    for (const { kind, lanes } of this.#topics.values())
      if (kind === 'watermarks') for (const lane of lanes) await this.#insertWatermarks(lane);
  }

  #isDue(waiting: readonly Lane[]): boolean {
    if (waiting.length === 0) return false;
    const ageMs = this.#options.clock.monotonicMs() - Math.min(...waiting.map(({ sinceMs }) => sinceMs));
    return ageMs >= BLOCK_AGE_MS || waiting.reduce((sum, { records }) => sum + records.length, 0) >= BLOCK_ROWS_MAX;
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

  /** What these partitions of a topic have, one partition after the other: a block that goes in whole may hold several. */
  async #insert(topic: string, kind: BlockKind, lanes: readonly Lane[]): Promise<void> {
    const records = lanes.flatMap((lane) => lane.records);
    for (const lane of lanes) lane.records = [];
    await this.#blocks.insert(topic, kind, records);
    for (const lane of lanes) {
      lane.insertedOffset = lane.fetchedOffset;
      this.#options.reader.resume(lane.at);
    }
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
      await this.#blocks.send(
        'watermarks',
        columns.map((column) => column.name),
        bytes,
        inserted,
      );
    lane.records = lane.records.slice(taken);
    lane.insertedOffset = (inserted[inserted.length - 1]?.offset ?? 0) + 1;
    this.#options.reader.resume(lane.at);
  }

  /** None in a foreign record. */
  #marksOf(record: LogRecord): Watermarks['marks'] {
    const read = this.#blocks.decoded(record);
    return read?.name === 'Watermarks' ? (read.value as Watermarks).marks : [];
  }

  /** Rows inserted since the start, by table, and records not yet in. */
  status(): { readonly rows: ReadonlyMap<string, number>; readonly lag: number } {
    let lag = 0;
    for (const lane of this.#lanes.values()) lag += Math.max(0, lane.endOffset - lane.insertedOffset);
    return { rows: this.#blocks.rowsOf, lag };
  }
}
