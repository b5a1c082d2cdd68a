// The report of a run: everything in it is asked of ClickHouse or of the processes.
import { Failure } from '../../schemas/failure.ts';
import { DATABASE, type Sql, tableOf } from '../../serving/analytics/sql.ts';
import { type TopicNames } from '../../schemas/topics.ts';

export interface AucRow {
  readonly month: string;
  readonly model_version: number;
  readonly purpose: string;
  readonly rows: number;
  readonly auc: number;
}

export interface Durations {
  readonly install: number;
  readonly start: number;
  readonly to_first_prediction: number | null;
  readonly replay: number;
  readonly total: number;
}

export interface Report {
  readonly auc: readonly AucRow[];
  /** by month: the first champion on all requests, and the loop with retraining on the same ones */
  readonly loop: readonly { readonly month: string; readonly first_champion: number; readonly loop: number }[];
  readonly rates: { readonly events_per_s: number; readonly predictions_per_s: number };
  /** wall-clock milliseconds that the newest requests spent in the scorer, from the fetch to the score: waiting for their rows by event time included */
  readonly latency_ms: { readonly p50: number | null; readonly p99: number | null };
  readonly memory_mb: Readonly<Record<string, number>>;
  readonly durations_s: Durations;
  readonly counts: Readonly<Record<string, number>>;
  readonly digests: Readonly<Record<string, string>>;
  readonly dead_letters: Readonly<Record<string, number>>;
}

export interface ReportParts {
  readonly sql: Sql;
  readonly names: TopicNames;
  readonly prefix: string;
  readonly endpoint: string;
  readonly views: readonly string[];
  readonly memoryMb: Readonly<Record<string, number>>;
  readonly durations: Durations;
  /** by this start */
  readonly produced: number;
  /** predictions that an earlier start had made */
  readonly predictionsBefore: number;
  readonly latencyMs: Report['latency_ms'];
}

export async function makeReport(parts: ReportParts): Promise<Report> {
  const { sql, names, prefix, endpoint, durations, produced } = parts;
  const table = (topic: string): string => `${DATABASE}.\`${tableOf(topic, prefix)}\``;
  const topics = [
    ...parts.views.map((view) => names.features(view)),
    names.predictions(endpoint),
    names.results(endpoint),
    names.statistics,
  ];
  const counts: Record<string, number> = {};
  const digests: Record<string, string> = {};
  for (const topic of topics) {
    const [row] = await digestOf(sql, tableOf(topic, prefix));
    counts[topic] = row?.n ?? 0;
    digests[topic] = row?.digest ?? '';
  }
  const letters = await queryIfThere<{ code: string; n: number }>(
    sql,
    `SELECT code, count() AS n FROM ${table(names.deadLetters)} WHERE code != '' GROUP BY code`,
  );
  const results = table(names.results(endpoint));
  return {
    auc: await queryIfThere<AucRow>(
      sql,
      `SELECT formatDateTime(prediction_time, '%Y-%m') AS month, version AS model_version, purpose, count() AS rows, round(arrayROCAUC(groupArray(score), groupArray(label)), 4) AS auc FROM ${results} GROUP BY month, version, purpose ORDER BY month, version, purpose`,
    ),
    loop: await loopTable(sql, results),
    rates: {
      events_per_s: Math.round(produced / Math.max(durations.replay, 0.001)),
      predictions_per_s: Math.round(
        ((counts[names.predictions(endpoint)] ?? 0) - parts.predictionsBefore) / Math.max(durations.replay, 0.001),
      ),
    },
    latency_ms: parts.latencyMs,
    memory_mb: parts.memoryMb,
    durations_s: durations,
    counts,
    digests,
    dead_letters: Object.fromEntries(letters.map(({ code, n }) => [code, n])),
  };
}

/** A table is made when its first row comes: a part of the year that ends before the first prediction has none. */
async function queryIfThere<T>(sql: Sql, statement: string): Promise<T[]> {
  try {
    return await sql.query<T>(statement);
  } catch (error) {
    if (error instanceof Failure && error.code === 'unknown_name') return [];
    throw error;
  }
}

// AUC of the version that came first on every request (live, or as the reference in shadow), beside what was answered live.
function loopTable(sql: Sql, results: string): Promise<{ month: string; first_champion: number; loop: number }[]> {
  return queryIfThere(
    sql,
    `SELECT formatDateTime(prediction_time, '%Y-%m') AS month,
            round(arrayROCAUC(groupArrayIf(score, version = (SELECT min(version) FROM ${results})), groupArrayIf(label, version = (SELECT min(version) FROM ${results}))), 4) AS first_champion,
            round(arrayROCAUC(groupArrayIf(score, purpose = 'live'), groupArrayIf(label, purpose = 'live')), 4) AS loop
     FROM ${results} GROUP BY month ORDER BY month`,
  );
}

/** Hash of all values of a topic, whatever the order of partitions: what the log's place and clock say is left out. */
function digestOf(sql: Sql, table: string): Promise<{ n: number; digest: string }[]> {
  return sql
    .query<{ name: string }>(
      `SELECT name FROM system.columns WHERE database = {database:String} AND table = {table:String} AND name NOT LIKE '\\\\_%' ORDER BY position`,
      { database: DATABASE, table },
    )
    .then((columns) =>
      columns.length === 0
        ? []
        : sql.query<{ n: number; digest: string }>(
            `SELECT count() AS n, hex(groupBitXor(sipHash64(toString(tuple(${columns.map(({ name }) => `\`${name}\``).join(', ')}))))) AS digest FROM ${DATABASE}.\`${table}\``,
          ),
    );
}

export function reportText({ loop, rates, latency_ms, memory_mb, durations_s, dead_letters }: Report): string {
  const total = Object.values(memory_mb).reduce((sum, mb) => sum + mb, 0);
  const letters = Object.entries(dead_letters).map(([code, n]) => `${n} ${code}`);
  return [
    loop.length === 0
      ? 'No prediction has an outcome yet: the first model answers from April on.'
      : 'AUC by month     first champion alone    the loop with retraining',
    ...loop.map(
      ({ month, first_champion, loop: withLoop }) =>
        `  ${month}        ${first_champion.toFixed(4)}                  ${withLoop.toFixed(4)}`,
    ),
    ...(rates.events_per_s === 0
      ? []
      : [
          `${rates.events_per_s} events/s and ${rates.predictions_per_s} predictions/s over the replay (${durations_s.replay.toFixed(0)} s)`,
        ]),
    ...(latency_ms.p50 === null
      ? []
      : [`in the scorer, at full load: p50 ${latency_ms.p50} ms, p99 ${latency_ms.p99} ms`]),
    `memory: ${total} MB in all (${Object.entries(memory_mb)
      .map(([name, mb]) => `${name} ${mb}`)
      .join(', ')})`,
    ...(letters.length === 0 ? [] : [`dead letters: ${letters.join(', ')}`]),
  ].join('\n');
}

/** Rows of a topic that are in the warehouse; none where it has no table yet. */
export async function rowsOf(sql: Sql, topic: string, prefix: string): Promise<number> {
  const rows = await queryIfThere<{ n: number }>(
    sql,
    `SELECT count() AS n FROM ${DATABASE}.\`${tableOf(topic, prefix)}\``,
  );
  return rows[0]?.n ?? 0;
}
