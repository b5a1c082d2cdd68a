// What monitoring reads of a window: rows in a fixed order, so that statistics are the same in every run.
import { type EndpointDefinition } from '../../schemas/definitions.ts';
import { type TopicNames } from '../../schemas/topics.ts';
import { DATABASE, type Sql, rowsIfAny, tableOf } from './sql.ts';

export interface WindowResult {
  readonly request_id: string;
  readonly model: string;
  readonly version: number;
  readonly arm: string;
  readonly purpose: string;
  readonly score: number;
  readonly label: number;
}

export interface WindowPrediction {
  readonly score: number;
  readonly version: number;
  readonly features: readonly (number | null)[];
}

const RANGE =
  "prediction_time >= fromUnixTimestamp64Milli({from:Int64}, 'UTC') AND prediction_time < fromUnixTimestamp64Milli({to:Int64}, 'UTC')";

export class WindowReader {
  readonly #sql: Sql;
  readonly #results: string;
  readonly #predictions: string;

  constructor(sql: Sql, names: TopicNames, prefix: string, endpoint: EndpointDefinition) {
    this.#sql = sql;
    this.#results = `${DATABASE}.\`${tableOf(names.results(endpoint.name), prefix)}\``;
    this.#predictions = `${DATABASE}.\`${tableOf(names.predictions(endpoint.name), prefix)}\``;
  }

  /** Results of requests in [fromMs, toMs) that were known at `knownMs`; a corrected label counts as it was known then. Ordered by request, version, purpose. */
  results(fromMs: number, toMs: number, knownMs: number): Promise<WindowResult[]> {
    return rowsIfAny(
      this.#sql,
      `SELECT request_id, model, version, argMax(arm, _offset) AS arm, purpose, argMax(score, _offset) AS score, argMax(label, _offset) AS label FROM ${this.#results} WHERE ${RANGE} AND event_time <= fromUnixTimestamp64Milli({known:Int64}, 'UTC') GROUP BY request_id, model, version, purpose ORDER BY request_id, version, purpose`,
      { from: fromMs, to: toMs, known: knownMs },
    );
  }

  /** Live predictions of requests in [fromMs, toMs), ordered by request. */
  predictions(fromMs: number, toMs: number): Promise<WindowPrediction[]> {
    return rowsIfAny(
      this.#sql,
      `SELECT score, version, features FROM ${this.#predictions} WHERE purpose = 'live' AND event_time >= fromUnixTimestamp64Milli({from:Int64}, 'UTC') AND event_time < fromUnixTimestamp64Milli({to:Int64}, 'UTC') ORDER BY request_id`,
      { from: fromMs, to: toMs },
    );
  }
}
