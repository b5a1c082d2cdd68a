// What definitions say of events must fit the schemas of their topics, where there are any. A topic without one is taken on trust:
// a field that its events lack is then found event by event, and told in the dead letters.
import { type AvroSchema } from './codec.ts';
import { type Definition, type EndpointDefinition, type FeatureViewDefinition } from './definitions.ts';
import { didYouMean, invalid } from './reading.ts';
import { type TopicNames } from './topics.ts';

/** Schemas by topic: the newest that is registered under `<topic>-value`. */
export type TopicSchemas = ReadonlyMap<string, AvroSchema>;

type EndpointTopics = Pick<TopicNames, 'requests' | 'outcomes'>;

/** The topics whose events a definition speaks of. */
export function describedTopics(definition: Definition, names: EndpointTopics): readonly string[] {
  if (definition.kind === 'feature_view') return [definition.source.topic];
  return definition.kind === 'endpoint' ? [names.requests(definition.name), names.outcomes(definition.name)] : [];
}

/** @throws Failure `invalid_definition` for the first field that the events of its topic do not have, or not as it is used */
export function checkFields(definition: Definition, schemas: TopicSchemas, names: EndpointTopics): void {
  if (definition.kind === 'feature_view') checkView(definition, schemas);
  else if (definition.kind === 'endpoint') checkEndpoint(definition, schemas, names);
}

type Use = 'key' | 'time' | 'measured' | 'number' | 'category' | 'label';

/** What Avro types a use can read, and how that is called. */
const READABLE: Readonly<Record<Use, { readonly types: readonly string[]; readonly called: string }>> = {
  key: { types: ['string', 'int', 'long'], called: 'neither text nor an integer' },
  time: { types: ['long', 'double'], called: 'no time in epoch milliseconds' },
  measured: { types: ['int', 'long', 'float', 'double', 'boolean'], called: 'not a number' },
  number: { types: ['int', 'long', 'float', 'double'], called: 'not a number' },
  category: { types: ['string', 'enum', 'int', 'long'], called: 'no category' },
  label: { types: ['int', 'long', 'float', 'double', 'boolean'], called: 'neither a number nor a boolean' },
};

class TopicFields {
  readonly #path: string;
  readonly #topic: string;
  readonly #schema: AvroSchema;

  constructor(path: string, topic: string, schema: AvroSchema) {
    this.#path = path;
    this.#topic = topic;
    this.#schema = schema;
  }

  require(at: string, field: string, use: Use): void {
    const found = this.#schema.fields.find(({ name }) => name === field);
    const known = this.#schema.fields.map(({ name }) => name);
    if (found === undefined)
      throw invalid(
        `${this.#path}: ${at}`,
        `the events of ${this.#topic} have no field ${field}.`,
        didYouMean(field, known),
      );
    const { types, called } = READABLE[use];
    if (!reads(found.type, types) || (use === 'time' && /timestamp-(micros|nanos)/.test(JSON.stringify(found.type))))
      throw invalid(
        `${this.#path}: ${at}`,
        `${field} is ${JSON.stringify(found.type)} in the events of ${this.#topic}, ${called}.`,
        `Choose a field of the type ${types.join(', ')}, or null beside one.`,
      );
  }
}

function reads(type: unknown, types: readonly string[]): boolean {
  if (typeof type === 'string') return types.includes(type);
  if (Array.isArray(type)) return type.every((one) => one === 'null' || reads(one, types));
  return typeof type === 'object' && type !== null && 'type' in type && reads(type.type, types);
}

function checkView(view: FeatureViewDefinition, schemas: TopicSchemas): void {
  const { topic, key_field, event_time_field } = view.source;
  const schema = schemas.get(topic);
  if (schema === undefined) return;
  const fields = new TopicFields(`feature_view ${view.name}`, topic, schema);
  fields.require('source.key_field', key_field, 'key');
  fields.require('source.event_time_field', event_time_field, 'time');
  for (const [index, { field }] of view.features.entries())
    if (field !== '') fields.require(`features[${index}].field`, field, 'measured');
}

function checkEndpoint(endpoint: EndpointDefinition, schemas: TopicSchemas, names: EndpointTopics): void {
  const path = `endpoint ${endpoint.name}`;
  const [requestsTopic, outcomesTopic] = [names.requests(endpoint.name), names.outcomes(endpoint.name)];
  const requests = schemas.get(requestsTopic);
  if (requests !== undefined) {
    const fields = new TopicFields(path, requestsTopic, requests);
    fields.require('request.key_field', endpoint.request.key_field, 'key');
    fields.require('request.event_time_field', endpoint.request.event_time_field, 'time');
    for (const [entity, field] of Object.entries(endpoint.entities)) fields.require(`entities.${entity}`, field, 'key');
    for (const [index, input] of endpoint.inputs.entries())
      if (input.from === 'request') fields.require(`inputs[${index}].name`, input.name, input.kind);
  }
  const outcomes = schemas.get(outcomesTopic);
  if (outcomes === undefined) return;
  const fields = new TopicFields(path, outcomesTopic, outcomes);
  fields.require('outcome.key_field', endpoint.outcome.key_field, 'key');
  fields.require('outcome.event_time_field', endpoint.outcome.event_time_field, 'time');
  fields.require('outcome.label_field', endpoint.outcome.label_field, 'label');
}
