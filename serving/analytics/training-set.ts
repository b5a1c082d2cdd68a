// The training set as one statement: requests with their features as they were, and the labels known by the cut-off.
//
// Point-in-time right: a request at t joins each view's newest row at or before t (ASOF); where rows of one entity share an event
// time, the one further on in the log is the later word. In event-time mode, order in the log is order in time, so the row is the
// one that the scorer would have read. Of several outcomes of a request the one that was known last counts, as in the join.
import { type EndpointDefinition } from '../../schemas/definitions.ts';
import { type TopicNames } from '../../schemas/topics.ts';
import { viewsOf } from '../scoring/feature-vector.ts';
import { DATABASE, tableOf } from './sql.ts';

export interface TrainingRange {
  /** event times of requests: from inclusive, to exclusive */
  readonly fromMs: number;
  readonly toMs: number;
  /** outcomes known later are not used */
  readonly cutoffMs: number;
}

function instant(ms: number): string {
  return `fromUnixTimestamp64Milli(toInt64(${ms}), 'UTC')`;
}

/** Columns: request_id, event_time (epoch ms), the endpoint's inputs in their order, label; ordered by event time, then request id. */
export function trainingSetSql(
  endpoint: EndpointDefinition,
  entityOf: ReadonlyMap<string, string>,
  names: TopicNames,
  prefix: string,
  range: TrainingRange,
): string {
  const requests = `${DATABASE}.\`${tableOf(names.requests(endpoint.name), prefix)}\``;
  const outcomes = `${DATABASE}.\`${tableOf(names.outcomes(endpoint.name), prefix)}\``;
  const { request, outcome } = endpoint;
  const inputs = endpoint.inputs.map((input) =>
    input.from === 'request'
      ? `base.\`${input.name}\` AS \`${input.name}\``
      : `\`${input.from}\`.\`${input.name}\` AS \`${input.name}\``,
  );
  const joins = viewsOf(endpoint).map((view) => {
    const field = endpoint.entities[entityOf.get(view) ?? ''] ?? '';
    const features = endpoint.inputs.filter((input) => input.from === view).map((input) => `\`${input.name}\``);
    // not argMax: it passes over nulls, and a null may be the later word
    const rows = `(SELECT entity_key, event_time, ${features.join(', ')} FROM ${DATABASE}.\`${tableOf(names.features(view), prefix)}\` WHERE event_time < ${instant(range.toMs)} ORDER BY entity_key, event_time, _offset DESC LIMIT 1 BY entity_key, event_time)`;
    return `ASOF LEFT JOIN ${rows} AS \`${view}\` ON \`${view}\`.entity_key = toString(base.\`${field}\`) AND \`${view}\`.event_time <= base.at`;
  });
  return [
    `SELECT base.id AS request_id, toUnixTimestamp64Milli(base.at) AS event_time, ${inputs.join(', ')}, base.label AS label FROM (`,
    `SELECT r.\`${request.key_field}\` AS id, r.\`${request.event_time_field}\` AS at, o.label AS label, r.* FROM ${requests} AS r`,
    `INNER JOIN (SELECT \`${outcome.key_field}\` AS id, argMax(\`${outcome.label_field}\`, (\`${outcome.event_time_field}\`, _offset)) AS label FROM ${outcomes} WHERE \`${outcome.event_time_field}\` <= ${instant(range.cutoffMs)} GROUP BY id) AS o ON o.id = r.\`${request.key_field}\``,
    `WHERE r.\`${request.event_time_field}\` >= ${instant(range.fromMs)} AND r.\`${request.event_time_field}\` < ${instant(range.toMs)}) AS base`,
    ...joins,
    'ORDER BY event_time, request_id SETTINGS join_use_nulls = 1',
  ].join('\n');
}

/** The newest row of each asked entity at or before an instant. */
export function asOfSql(view: string, names: TopicNames, prefix: string): string {
  return `SELECT * EXCEPT (_timestamp, _key), toUnixTimestamp64Milli(event_time) AS event_time_ms FROM ${DATABASE}.\`${tableOf(names.features(view), prefix)}\` WHERE entity_key = {key:String} AND event_time <= fromUnixTimestamp64Milli({at:Int64}, 'UTC') ORDER BY event_time DESC, _offset DESC LIMIT 1`;
}
