// Gathered requests → predictions: groups by version, runs each model once, keeps the order of the requests.
import { type Prediction, type RoutingArm } from '../../schemas/events.generated.ts';
import { Failure, type FailureCode } from '../../schemas/failure.ts';
import { type GatheredRequest, encodeInputs } from './feature-vector.ts';
import { type Models, type ServableVersion, versionId } from './models.ts';
import { type Routing } from './routing.ts';

export interface ScoreTask {
  readonly request: GatheredRequest;
  readonly arm: RoutingArm;
  readonly purpose: 'live' | 'shadow';
}

/** What is the version's own fault: other versions score all the same. */
const OF_THE_VERSION: readonly FailureCode[] = ['invalid_model', 'unknown_name'];

/** One prediction per task, in order; in its place the failure of the version that should have made it. */
export async function scoreTasks(
  endpoint: string,
  tasks: readonly ScoreTask[],
  routing: Pick<Routing, 'version'>,
  models: Models,
): Promise<(Prediction | Failure)[]> {
  const outcomes = new Array<Prediction | Failure>(tasks.length);
  const byVersion = Map.groupBy(tasks.keys(), (index) => {
    const arm = tasks[index]?.arm;
    return arm === undefined ? '' : versionId(arm.model, arm.version);
  });
  for (const indexes of byVersion.values()) {
    try {
      await scoreVersion(endpoint, indexes, tasks, routing, models, outcomes);
    } catch (failure) {
      if (!(failure instanceof Failure) || !OF_THE_VERSION.includes(failure.code)) throw failure;
      for (const index of indexes) outcomes[index] = failure;
    }
  }
  return outcomes;
}

async function scoreVersion(
  endpoint: string,
  indexes: readonly number[],
  tasks: readonly ScoreTask[],
  routing: Pick<Routing, 'version'>,
  models: Models,
  into: (Prediction | Failure)[],
): Promise<void> {
  const arm = tasks[indexes[0] ?? -1]?.arm;
  if (arm === undefined) return;
  const version = routing.version(arm.model, arm.version);
  if (version === undefined) throw new Failure('unknown_name', `There is no version ${arm.version} of ${arm.model}.`);
  const width = version.inputs.length;
  const data = new Float32Array(width * indexes.length);
  const features: (number | null)[][] = [];
  for (const [row, index] of indexes.entries()) {
    const encoded = encodeInputs(tasks[index]?.request.values ?? [], version.inputs);
    features.push(encoded);
    for (let column = 0; column < width; column += 1) data[row * width + column] = encoded[column] ?? Number.NaN;
  }
  const scores = await models.run(versionId(arm.model, arm.version), data, indexes.length);
  for (const [row, index] of indexes.entries()) {
    const task = tasks[index];
    if (task !== undefined)
      into[index] = predictionOf(endpoint, task, version, scores[row] ?? Number.NaN, features[row] ?? []);
  }
}

function predictionOf(
  endpoint: string,
  { request, arm, purpose }: ScoreTask,
  version: ServableVersion,
  score: number,
  features: readonly (number | null)[],
): Prediction {
  return {
    prediction_id: `${request.requestId}:${arm.model}:${arm.version}:${purpose}`,
    request_id: request.requestId,
    endpoint,
    event_time: request.eventTimeMs,
    purpose,
    arm: arm.arm,
    model: arm.model,
    version: arm.version,
    weights_sha256: version.weightsSha256,
    score,
    features,
    rows: request.rows.map(({ view, entityKey, found }) => ({
      view,
      entity_key: entityKey,
      event_time: asNumber(found?.row['event_time']),
      definition_hash: typeof found?.row['definition_hash'] === 'string' ? found.row['definition_hash'] : '',
      source_partition: asNumber(found?.row['source_partition']),
      source_offset: asNumber(found?.row['source_offset']),
    })),
  };
}

function asNumber(value: unknown): number | null {
  return typeof value === 'number' ? value : null;
}
