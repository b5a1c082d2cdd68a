// How far the warehouse is, for one endpoint: asked of ClickHouse, answered as a Progress.
import { type EndpointDefinition } from '../../schemas/definitions.ts';
import { type TopicNames } from '../../schemas/topics.ts';
import { type Progress } from '../../processors/monitoring/timetable.ts';
import { DATABASE, type Sql, rowsIfAny, tableOf } from '../../serving/analytics/sql.ts';
import { type LogAdmin } from '../../streams/log.ts';

/** Lanes of a partition of the predictions: the live path writes one, the shadow the other. */
const PREDICTION_LANES = 2;

interface ToldRow {
  readonly topic: string;
  readonly partition: number;
  readonly lane: number;
  readonly told_ms: number;
  readonly live: boolean;
}

interface NewestRow {
  readonly partition: number;
  readonly newest_ms: number;
}

export interface ProgressParts {
  readonly sql: Sql;
  readonly names: TopicNames;
  readonly prefix: string;
  readonly endpoint: EndpointDefinition;
  /** a topic may have another number of partitions than the setting says: it may be the users' */
  readonly admin: LogAdmin;
}

export class WarehouseProgress {
  readonly #parts: ProgressParts;

  constructor(parts: ProgressParts) {
    this.#parts = parts;
  }

  async at(decideAtMs: number, nowMs: number): Promise<Progress> {
    const { names, endpoint, admin } = this.#parts;
    const [requests, outcomes, predictions, results] = [
      names.requests,
      names.outcomes,
      names.predictions,
      names.results,
    ].map((topic) => topic(endpoint.name)) as [string, string, string, string];
    const partitions = await admin.partitionsOf([requests, outcomes, predictions, results]);
    const told = await this.#told([requests, outcomes, predictions, results]);
    const placesOf = (topic: string): number =>
      (partitions.get(topic) ?? Infinity) * (topic === predictions ? PREDICTION_LANES : 1);
    const allOf = (topics: readonly string[]): readonly ToldRow[] | null => {
      const rows = told.filter((row) => topics.includes(row.topic));
      return rows.length >= topics.reduce((sum, topic) => sum + placesOf(topic), 0) ? rows : null;
    };
    const scored = allOf([predictions, results]);
    const sources = allOf([requests, outcomes]);
    const leastOf = (rows: readonly ToldRow[] | null): number | null =>
      rows === null ? null : Math.min(...rows.map((row) => row.told_ms));
    const sourcesOverAtMs = sources?.every((row) => row.live) === true ? leastOf(sources) : null;
    const completeToMs = leastOf(scored);
    const isLate =
      sourcesOverAtMs !== null && sourcesOverAtMs >= decideAtMs && (completeToMs ?? decideAtMs) < decideAtMs;
    return {
      completeToMs,
      sourcesOverAtMs,
      isDrained: isLate && scored !== null && (await this.#isDrained(scored, predictions, results, decideAtMs)),
      nowMs,
    };
  }

  async #told(topics: readonly string[]): Promise<ToldRow[]> {
    const rows = await this.#parts.sql.query<Omit<ToldRow, 'live'> & { live: boolean | number }>(
      `SELECT topic, partition, lane, toUnixTimestamp64Milli(max(event_time)) AS told_ms, argMax(live, _offset) AS live FROM ${DATABASE}.watermarks WHERE topic IN {topics:Array(String)} GROUP BY topic, partition, lane`,
      { topics },
    );
    return rows.map((row) => ({ ...row, live: row.live === true || row.live === 1 }));
  }

  // A lane whose source is over tells the time of its last instant, not the end of the source: everything up to the decision has
  // passed when each partition has come to its newest input before it.
  async #isDrained(
    scored: readonly ToldRow[],
    predictions: string,
    results: string,
    decideAtMs: number,
  ): Promise<boolean> {
    const { names, endpoint } = this.#parts;
    const requested = await this.#newest(names.requests(endpoint.name), endpoint.request.event_time_field, decideAtMs);
    const known = await this.#newest(names.outcomes(endpoint.name), endpoint.outcome.event_time_field, decideAtMs);
    const hasPassed = (topic: string, newest: readonly NewestRow[]): boolean =>
      scored
        .filter((row) => row.topic === topic)
        .every(
          (row) =>
            row.told_ms >=
            Math.max(
              ...newest.filter(({ partition }) => partition === row.partition).map(({ newest_ms }) => newest_ms),
              -Infinity,
            ),
        );
    return hasPassed(predictions, requested) && hasPassed(results, known);
  }

  #newest(topic: string, field: string, toMs: number): Promise<NewestRow[]> {
    const table = `${DATABASE}.\`${tableOf(topic, this.#parts.prefix)}\``;
    return rowsIfAny(
      this.#parts.sql,
      `SELECT _partition AS partition, toUnixTimestamp64Milli(max(\`${field}\`)) AS newest_ms FROM ${table} WHERE \`${field}\` <= fromUnixTimestamp64Milli({to:Int64}, 'UTC') GROUP BY _partition`,
      { to: toMs },
    );
  }
}
