// Checks a prediction against its receipt, from the warehouse, the log's lifecycle and the weights on disk.
import { type EndpointDefinition } from '../schemas/definitions.ts';
import { type Prediction } from '../schemas/events.generated.ts';
import { Failure } from '../schemas/failure.ts';
import { DATABASE, type Sql, tableOf } from '../serving/analytics/sql.ts';
import { type ServableVersion, versionId } from '../serving/scoring/models.ts';
import { Routing } from '../serving/scoring/routing.ts';
import { type Check, checkRequest, checkRows, checkScore, checkWeights } from '../serving/scoring/verify.ts';
import { artifactPath } from './artifacts.ts';
import { ClickHouseSql } from './clickhouse/client.ts';
import { systemClock } from './clock.ts';
import { type Connections, connect } from './connect.ts';
import { AppliedDefinitions } from './definition-follower.ts';
import { EventFollower } from './event-follower.ts';
import { OnnxModels, fileSha256 } from './onnx/onnx-models.ts';
import { type Settings, clickhouseUrlOf } from './settings.ts';

/** @throws Failure `unknown_name` when there is no such prediction */
export async function verifyPrediction(
  settings: Settings,
  predictionId: string,
): Promise<{ prediction: Prediction; checks: readonly Check[] }> {
  const connections = connect(settings, 'verify');
  const sql = new ClickHouseSql(clickhouseUrlOf(settings), systemClock, 3000);
  const definitions = new AppliedDefinitions();
  try {
    const found = await findPrediction(connections, settings, sql, definitions, predictionId);
    if (found === null)
      throw new Failure('unknown_name', `There is no prediction ${predictionId}.`, {
        field: 'PREDICTION_ID',
        fix: 'Ids look like REQUEST:MODEL:VERSION:live; the table of predictions lists them.',
      });
    const { prediction, version } = found;
    const endpoint = definitions.endpoints.find(({ name }) => name === prediction.endpoint);
    if (endpoint === undefined) throw new Failure('unknown_name', `There is no endpoint ${prediction.endpoint}.`);
    const rows = await featureRows(connections, settings, sql, prediction);
    const weights = artifactPath(settings.dataDir, version.weightsUri);
    const checks = [
      checkRequest(endpoint, version, prediction, await requestOf(connections, settings, sql, endpoint, prediction)),
      ...checkRows(endpoint, version, prediction, rows),
      checkWeights(prediction, version, await fileSha256(weights)),
      checkScore(prediction, await scoreAgain(settings, version, weights, prediction)),
    ];
    return { prediction, checks };
  } finally {
    await connections.log.close();
  }
}

async function findPrediction(
  { log, codec, topics }: Connections,
  settings: Settings,
  sql: Sql,
  definitions: AppliedDefinitions,
  id: string,
): Promise<{ prediction: Prediction; version: ServableVersion } | null> {
  const routing = new Routing('');
  const follower = new EventFollower(log, codec, (event) => {
    definitions.apply(event);
    routing.apply(event);
  });
  await follower.start([topics.lifecycle], () => undefined);
  await follower.stop();
  for (const { name } of definitions.endpoints) {
    const table = tableOf(topics.predictions(name), settings.topicPrefix);
    const rows = await sql.query<Prediction & { event_ms: number }>(
      `SELECT * EXCEPT (event_time, rows), toUnixTimestamp64Milli(event_time) AS event_ms, rows FROM ${DATABASE}.\`${table}\` WHERE prediction_id = {id:String} LIMIT 1`,
      { id },
    );
    const [row] = rows;
    const version = row === undefined ? undefined : routing.version(row.model, row.version);
    if (row !== undefined && version !== undefined)
      return { prediction: { ...row, event_time: row.event_ms }, version };
  }
  return null;
}

/** The request's record; null where no topic holds it. */
async function requestOf(
  { topics }: Connections,
  settings: Settings,
  sql: Sql,
  { name, request }: EndpointDefinition,
  prediction: Prediction,
): Promise<Readonly<Record<string, unknown>> | null> {
  const table = tableOf(topics.requests(name), settings.topicPrefix);
  try {
    const [found] = await sql.query<Record<string, unknown>>(
      `SELECT *, toUnixTimestamp64Milli(\`${request.event_time_field}\`) AS event_time_ms FROM ${DATABASE}.\`${table}\` WHERE toString(\`${request.key_field}\`) = {id:String} ORDER BY _offset LIMIT 1`,
      { id: prediction.request_id },
    );
    return found ?? null;
  } catch (error) {
    // requests in JSON have no table
    if (error instanceof Failure && error.code === 'unknown_name') return null;
    throw error;
  }
}

/** The rows that the receipt names, by view; null where the warehouse has none such. */
async function featureRows(
  { topics }: Connections,
  settings: Settings,
  sql: Sql,
  prediction: Prediction,
): Promise<ReadonlyMap<string, Readonly<Record<string, unknown>> | null>> {
  const rows = new Map<string, Readonly<Record<string, unknown>> | null>();
  for (const { view, entity_key, event_time, definition_hash } of prediction.rows) {
    if (event_time === null) continue;
    const table = tableOf(topics.features(view), settings.topicPrefix);
    const found = await sql.query<Record<string, unknown>>(
      `SELECT * FROM ${DATABASE}.\`${table}\` WHERE entity_key = {key:String} AND toUnixTimestamp64Milli(event_time) = {at:Int64} AND definition_hash = {hash:String} ORDER BY _offset DESC LIMIT 1`,
      { key: entity_key, at: timeMs(event_time), hash: definition_hash },
    );
    rows.set(view, found[0] ?? null);
  }
  return rows;
}

/** Instants inside an array of tuples come as text. */
function timeMs(value: unknown): number {
  return typeof value === 'number' ? value : Date.parse(`${String(value).replace(' ', 'T')}Z`);
}

async function scoreAgain(
  settings: Settings,
  version: ServableVersion,
  path: string,
  prediction: Prediction,
): Promise<number> {
  const models = new OnnxModels(settings.device);
  const id = versionId(version.model, version.version);
  try {
    await models.load(id, path, version.inputs.length);
    const [score] = await models.run(
      id,
      Float32Array.from(prediction.features, (value) => value ?? Number.NaN),
      1,
    );
    return score ?? Number.NaN;
  } finally {
    await models.close();
  }
}
