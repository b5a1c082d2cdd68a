// From files to definitions: YAML, several documents per file; a wrong definition is refused with the field and the fix.
import { createHash } from 'node:crypto';
import { parseAllDocuments } from 'yaml';
import { type AvroSchema } from './codec.ts';
import { checkReferences, checkUnique } from './check-references.ts';
import {
  type Definition,
  type EndpointDefinition,
  type EntityDefinition,
  type FeatureDefinition,
  type FeatureViewDefinition,
  type MonitorDefinition,
  type RetrainingPolicyDefinition,
  type RolloutPolicyDefinition,
} from './definitions.ts';
import { Fields, invalid } from './reading.ts';

const KINDS = ['entity', 'feature_view', 'endpoint', 'monitor', 'retraining_policy', 'rollout_policy'] as const;

interface DefinitionFile {
  readonly name: string;
  readonly text: string;
}

/** Files that stand for themselves. @throws Failure `invalid_definition` for the first thing that is wrong */
export function parseDefinitions(files: readonly DefinitionFile[]): readonly Definition[] {
  const definitions = readDefinitions(files);
  checkReferences(definitions);
  return definitions;
}

/** Files that may refer to what is applied already: whoever knows that checks it. @throws Failure `invalid_definition` */
export function readDefinitions(files: readonly DefinitionFile[]): readonly Definition[] {
  const definitions: Definition[] = [];
  for (const { name, text } of files) {
    const documents = [...parseAllDocuments(text)];
    for (const [index, document] of documents.entries()) {
      const place = documents.length === 1 ? name : `${name} (document ${index + 1})`;
      const error = document.errors[0];
      if (error !== undefined) throw invalid(place, error.message.split('\n')[0] ?? 'is no YAML.', 'Correct the YAML.');
      const value: unknown = document.toJS();
      if (value !== null && value !== undefined) definitions.push(parseDefinition(place, value));
    }
  }
  checkUnique(definitions);
  return definitions;
}

function parseDefinition(place: string, value: unknown): Definition {
  const outer = new Fields(`${place}:`, value);
  const kind = outer.choice('kind', KINDS);
  const name = outer.name('name', 'my-name');
  const fields = new Fields(`${kind} ${name}:`, value);
  fields.raw('kind');
  fields.raw('name');
  const definition = PARSERS[kind](name, fields);
  fields.end();
  return definition;
}

/** What stands in a feature row before its features. */
const ROW_FIELDS: readonly string[] = [
  'entity_key',
  'event_time',
  'valid_until',
  'definition_hash',
  'source_topic',
  'source_partition',
  'source_offset',
];

const PARSERS: Readonly<Record<(typeof KINDS)[number], (name: string, fields: Fields) => Definition>> = {
  entity: parseEntity,
  feature_view: parseFeatureView,
  endpoint: parseEndpoint,
  monitor: parseMonitor,
  retraining_policy: parseRetrainingPolicy,
  rollout_policy: parseRolloutPolicy,
};

function parseEntity(name: string, fields: Fields): EntityDefinition {
  return {
    kind: 'entity',
    name,
    key_type: fields.choice('key_type', ['string', 'integer'], 'string'),
    description: fields.textOr('description', ''),
  };
}

function parseFeatureView(name: string, fields: Fields): FeatureViewDefinition {
  const source = fields.fields('source');
  const features = fields.list('features').map(({ path, value }) => parseFeature(new Fields(path, value)));
  if (features.length === 0) throw invalid(fields.at('features'), 'is empty.', 'Declare at least one feature.');
  const definition: FeatureViewDefinition = {
    kind: 'feature_view',
    name,
    entity: fields.text('entity', 'user'),
    source: {
      topic: source.topic('topic', 'payments.authorised'),
      key_field: source.text('key_field', 'user_id'),
      event_time_field: source.text('event_time_field', 'occurred_at'),
    },
    lateness_ms: fields.durationMs('lateness', 0),
    step_ms: fields.durationMs('step', 0),
    expiry: fields.choice('expiry', ['emit', 'none'], 'emit'),
    features,
    description: fields.textOr('description', ''),
  };
  source.end();
  return definition;
}

function parseFeature(fields: Fields): FeatureDefinition {
  const kind = fields.choice('function', ['count', 'sum', 'mean', 'min', 'max', 'last']);
  if (kind === 'count' && fields.has('field'))
    throw invalid(fields.at('field'), 'is given, but count counts events.', 'Leave the field away.');
  const feature: FeatureDefinition = {
    name: featureName(fields),
    function: kind,
    field: kind === 'count' ? '' : fields.text('field', 'amount'),
    window_ms: fields.durationMs('window'),
  };
  if (feature.window_ms <= 0)
    throw invalid(fields.at('window'), 'is not longer than nothing.', 'Give a duration such as 1h.');
  fields.end();
  return feature;
}

function featureName(fields: Fields): string {
  const name = fields.fieldName('name', 'amount_mean_1h');
  if (ROW_FIELDS.includes(name))
    throw invalid(fields.at('name'), `${name} is a field that every feature row has.`, 'Choose another name.');
  return name;
}

function parseEndpoint(name: string, fields: Fields): EndpointDefinition {
  const request = fields.fields('request');
  const outcome = fields.fields('outcome');
  const entities: Record<string, string> = {};
  if (fields.has('entities')) {
    for (const [entity, field] of fields.fields('entities').entries()) {
      if (typeof field !== 'string')
        throw invalid(
          `${fields.at('entities')}.${entity}`,
          'should be the name of a request field.',
          `For example \`${entity}: ${entity}_id\`.`,
        );
      entities[entity] = field;
    }
  }
  const inputs = fields.list('inputs').map(({ path, value }) => {
    const input = new Fields(path, value);
    const parsed = {
      name: input.text('name', 'amount'),
      from: input.textOr('from', 'request'),
      kind: input.choice('kind', ['number', 'category'], 'number'),
    };
    input.end();
    return parsed;
  });
  if (inputs.length === 0) throw invalid(fields.at('inputs'), 'is empty.', "List the model's inputs in its order.");
  const definition: EndpointDefinition = {
    kind: 'endpoint',
    name,
    model: fields.name('model', name),
    request: {
      key_field: request.text('key_field', 'request_id'),
      event_time_field: request.text('event_time_field', 'requested_at'),
    },
    entities,
    inputs,
    outcome: {
      key_field: outcome.text('key_field', 'request_id'),
      event_time_field: outcome.text('event_time_field', 'known_at'),
      label_field: outcome.text('label_field', 'label'),
      horizon_ms: outcome.durationMs('horizon'),
    },
    serve_from: fields.has('serve_from') ? fields.instantMs('serve_from') : null,
    delivery: delivery(fields),
    description: fields.textOr('description', ''),
  };
  request.end();
  outcome.end();
  return definition;
}

// A promise that is accepted must be kept: the engine has no commit without a transaction.
function delivery(fields: Fields): EndpointDefinition['delivery'] {
  const asked = fields.choice('delivery', ['exactly-once', 'at-least-once'], 'exactly-once');
  if (asked === 'at-least-once')
    throw invalid(
      fields.at('delivery'),
      'at-least-once is not offered yet: every prediction is written in the transaction that takes its request.',
      'Leave it away, or write exactly-once; MILLRACE_COMMIT_INTERVAL_MS bounds how long a prediction waits.',
    );
  return asked;
}

function parseMonitor(name: string, fields: Fields): MonitorDefinition {
  const reference = fields.fields('reference');
  const alerts = fields.list('alerts').map(({ path, value }) => {
    const alert = new Fields(path, value);
    const parsed = {
      statistic: alert.text('statistic', 'auc'),
      subject: alert.has('subject') ? alert.text('subject', 'score') : '',
      direction: alert.choice('direction', ['above', 'below']),
      threshold: alert.number('threshold', { min: -1e12, max: 1e12 }),
      consecutive: alert.wholeNumber('consecutive', { min: 1, max: 1000 }, 1),
    };
    alert.end();
    return parsed;
  });
  const definition: MonitorDefinition = {
    kind: 'monitor',
    name,
    endpoint: fields.text('endpoint', 'my-endpoint'),
    window_ms: fields.durationMs('window'),
    first_window_start: fields.instantMs('first_window_start'),
    maturity_ms: fields.durationMs('maturity', 0),
    reference: { from: reference.instantMs('from'), to: reference.instantMs('to') },
    alerts,
    description: fields.textOr('description', ''),
  };
  if (definition.window_ms <= 0)
    throw invalid(fields.at('window'), 'is not longer than nothing.', 'Give a duration such as 7d.');
  if (definition.reference.to <= definition.reference.from)
    throw invalid(reference.at('to'), 'is not after from.', 'Give a range that has a length.');
  reference.end();
  return definition;
}

function parseRetrainingPolicy(name: string, fields: Fields): RetrainingPolicyDefinition {
  let initial: RetrainingPolicyDefinition['initial'] = null;
  if (fields.has('initial')) {
    const range = fields.fields('initial');
    initial = { train_from: range.instantMs('train_from'), train_to: range.instantMs('train_to') };
    if (initial.train_to <= initial.train_from)
      throw invalid(range.at('train_to'), 'is not after train_from.', 'Give a range that has a length.');
    range.end();
  }
  return {
    kind: 'retraining_policy',
    name,
    endpoint: fields.text('endpoint', 'my-endpoint'),
    trainer: fields.choice('trainer', ['lightgbm']),
    initial,
    history_ms: fields.durationMs('history'),
    cooldown_ms: fields.durationMs('cooldown', 0),
    description: fields.textOr('description', ''),
  };
}

function parseRolloutPolicy(name: string, fields: Fields): RolloutPolicyDefinition {
  const gates = fields.list('gates').map(({ path, value }) => {
    const gate = new Fields(path, value);
    const bounds = { min: -1e12, max: 1e12 };
    const parsed = {
      metric: gate.text('metric', 'auc'),
      at_least: gate.has('at_least') ? gate.number('at_least', bounds) : null,
      at_most: gate.has('at_most') ? gate.number('at_most', bounds) : null,
    };
    if (parsed.at_least === null && parsed.at_most === null)
      throw invalid(path, 'has no bound.', 'Add at_least or at_most.');
    gate.end();
    return parsed;
  });
  return {
    kind: 'rollout_policy',
    name,
    endpoint: fields.text('endpoint', 'my-endpoint'),
    gates,
    decision_lag_ms: fields.durationMs('decision_lag', 0),
    min_rows: fields.wholeNumber('min_rows', { min: 1, max: 1e9 }, 1000),
    metric: fields.choice('metric', ['auc', 'log_loss'], 'auc'),
    tolerance: fields.number('tolerance', { min: 0, max: 1 }, 0),
    canary_share: fields.number('canary_share', { min: 0, max: 1 }, 0.1),
    auto_approve: fields.boolean('auto_approve', false),
    description: fields.textOr('description', ''),
  };
}

/** Keys sorted at every level: equal definitions give equal text. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) =>
    typeof inner === 'object' && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)))
      : inner,
  );
}

/** SHA-256 of the canonical definition, hex. */
export function definitionHash(definition: Definition): string {
  return createHash('sha256').update(canonicalJson(definition)).digest('hex');
}

/** The Avro schema of a view's feature rows. */
export function featureRowSchema(view: FeatureViewDefinition): AvroSchema {
  const instant = { type: 'long', logicalType: 'timestamp-millis' };
  return {
    type: 'record',
    name: view.name.replaceAll('-', '_'),
    namespace: 'millrace.features',
    fields: [
      { name: 'entity_key', type: 'string' },
      { name: 'event_time', type: instant },
      { name: 'valid_until', type: ['null', instant] },
      { name: 'definition_hash', type: 'string' },
      { name: 'source_topic', type: 'string' },
      { name: 'source_partition', type: 'int' },
      { name: 'source_offset', type: 'long' },
      ...view.features.map((feature) => ({ name: feature.name, type: ['null', 'double'] })),
    ],
  };
}
