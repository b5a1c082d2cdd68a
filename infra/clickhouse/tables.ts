// The warehouse's tables: one per topic, derived from the schema of its events; each row says where in the log it stands.
import { type AvroSchema } from '../../schemas/codec.ts';
import { type LogRecord } from '../../streams/log.ts';
import { DATABASE } from '../../serving/analytics/sql.ts';
import { type Bytes, type Column, columnsOf } from './row-binary.ts';

export interface Table {
  readonly name: string;
  readonly columns: readonly Column[];
  readonly orderBy: string;
}

/** The place in the log, in every table. */
const PLACE: readonly { readonly name: string; readonly type: string }[] = [
  { name: '_partition', type: 'Int32' },
  { name: '_offset', type: 'Int64' },
  { name: '_timestamp', type: "DateTime64(3, 'UTC')" },
  { name: '_key', type: 'String' },
];

export const PLACE_COLUMNS: readonly string[] = PLACE.map(({ name }) => name);

export function writePlace(into: Bytes, record: LogRecord): void {
  into.i32(record.partition);
  into.i64(record.offset);
  into.i64(record.timestampMs);
  into.bytes(record.key ?? Buffer.alloc(0));
}

export function tableFor(name: string, schema: AvroSchema): Table {
  const columns = columnsOf(schema);
  const has = (column: string): boolean => columns.some((known) => known.name === column);
  // what the queries look for: rows of an entity in time, everything else by its request or its place
  const orderBy = has('entity_key')
    ? 'entity_key, event_time'
    : has('request_id')
      ? 'request_id'
      : '_partition, _offset';
  return { name, columns, orderBy };
}

const text = (name: string): Column => ({ name, type: 'String', write: (into, value) => into.text(value as string) });

/** A topic of many event types: each event as JSON beside its name. */
export function eventsTable(name: string): Table {
  return { name, columns: [text('_name'), text('json')], orderBy: '_partition, _offset' };
}

export function createTable(table: Table): string {
  const columns = [...table.columns, ...PLACE].map(({ name, type }) => `\`${name}\` ${type}`).join(', ');
  return `CREATE TABLE IF NOT EXISTS ${DATABASE}.\`${table.name}\` (${columns}) ENGINE = MergeTree ORDER BY (${table.orderBy}) SETTINGS non_replicated_deduplication_window = 1000`;
}

interface LifecycleView {
  readonly view: string;
  readonly event: string;
  readonly columns: readonly [string, string][];
}

/** Epoch ms in the event, DateTime64 in the view. */
const INSTANT = 'instant';
const NULLABLE_INSTANT = 'instant or null';

const VIEWS: readonly LifecycleView[] = [
  {
    view: 'model_versions',
    event: 'ModelVersionCreated',
    columns: [
      ['model', 'String'],
      ['version', 'Int32'],
      ['run_id', 'String'],
      ['weights_sha256', 'String'],
      ['training_set_id', 'String'],
      ['training_id', 'String'],
    ],
  },
  {
    view: 'alerts',
    event: 'AlertRaised',
    columns: [
      ['alert_id', 'String'],
      ['monitor', 'String'],
      ['endpoint', 'String'],
      ['event_time', INSTANT],
      ['name', 'String'],
      ['subject', 'String'],
      ['value', 'Float64'],
      ['threshold', 'Float64'],
      ['reason', 'String'],
    ],
  },
  {
    view: 'verdicts',
    event: 'VerdictReached',
    columns: [
      ['rollout_id', 'String'],
      ['endpoint', 'String'],
      ['event_time', INSTANT],
      ['verdict', 'String'],
      ['metric', 'String'],
      ['rows', 'Int64'],
      ['difference', 'Nullable(Float64)'],
      ['low', 'Nullable(Float64)'],
      ['high', 'Nullable(Float64)'],
      ['reason', 'String'],
    ],
  },
  {
    view: 'promotions',
    event: 'Promoted',
    columns: [
      ['endpoint', 'String'],
      ['model', 'String'],
      ['version', 'Int32'],
      ['previous_version', 'Int32'],
      ['effective_from', NULLABLE_INSTANT],
      ['reason', 'String'],
    ],
  },
  {
    view: 'runs',
    event: 'RunStarted',
    columns: [
      ['run_id', 'String'],
      ['experiment_id', 'String'],
      ['run_name', 'String'],
      ['started_at', INSTANT],
    ],
  },
];

function extracted(name: string, type: string): string {
  if (type === INSTANT) return `fromUnixTimestamp64Milli(JSONExtract(json, '${name}', 'Int64'), 'UTC')`;
  if (type === NULLABLE_INSTANT)
    return `fromUnixTimestamp64Milli(JSONExtract(json, '${name}', 'Nullable(Int64)'), 'UTC')`;
  return `JSONExtract(json, '${name}', '${type}')`;
}

/** Views over the lifecycle's events, for people. */
export function createViews(lifecycleTable: string, metricsTable: string): string[] {
  const views = VIEWS.map(({ view, event, columns }) => {
    const list = columns.map(([name, type]) => `${extracted(name, type)} AS ${name}`).join(', ');
    return `CREATE OR REPLACE VIEW ${DATABASE}.${view} AS SELECT ${list}, _offset FROM ${DATABASE}.\`${lifecycleTable}\` WHERE _name = '${event}'`;
  });
  const metric = `SELECT JSONExtractString(json, 'run_id') AS run_id, JSONExtractString(json, 'key') AS key, JSONExtractFloat(json, 'value') AS value, JSONExtractInt(json, 'step') AS step, ${extracted('timestamp', INSTANT)} AS timestamp FROM ${DATABASE}.\`${metricsTable}\` WHERE _name = 'RunMetric'`;
  return [...views, `CREATE OR REPLACE VIEW ${DATABASE}.run_metrics AS ${metric}`];
}
