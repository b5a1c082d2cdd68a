// What definitions say of each other must fit together, and with the schemas of the topics that they name.
import { type AvroSchema } from './codec.ts';
import { type Definition, type EndpointDefinition, type FeatureViewDefinition } from './definitions.ts';
import { didYouMean, invalid } from './reading.ts';

/** @throws Failure `invalid_definition` */
export function checkReferences(definitions: readonly Definition[]): void {
  const seen = new Set<string>();
  for (const { kind, name } of definitions) {
    if (seen.has(`${kind} ${name}`))
      throw invalid(`${kind} ${name}`, 'is declared twice.', 'Rename or remove one of them.');
    seen.add(`${kind} ${name}`);
  }
  const entities = definitions.filter((one) => one.kind === 'entity').map(({ name }) => name);
  const views = definitions.filter((one) => one.kind === 'feature_view');
  const endpoints = definitions.filter((one) => one.kind === 'endpoint').map(({ name }) => name);
  for (const definition of definitions) {
    if (definition.kind === 'entity') continue;
    const path = `${definition.kind} ${definition.name}`;
    if (definition.kind === 'feature_view') checkView(path, definition, entities);
    else if (definition.kind === 'endpoint') checkEndpoint(path, definition, views);
    else requireKnown(`${path}: endpoint`, definition.endpoint, endpoints, 'endpoint');
  }
}

function requireKnown(path: string, name: string, known: readonly string[], what: string): void {
  if (!known.includes(name))
    throw invalid(
      path,
      `there is no ${what} ${name}.`,
      known.length === 0 ? `Declare the ${what} first.` : didYouMean(name, known),
    );
}

function checkView(path: string, view: FeatureViewDefinition, entities: readonly string[]): void {
  requireKnown(`${path}: entity`, view.entity, entities, 'entity');
  const names = new Set<string>();
  for (const [index, { name }] of view.features.entries()) {
    if (names.has(name))
      throw invalid(
        `${path}: features[${index}].name`,
        `${name} is declared twice.`,
        'Give each feature a name of its own.',
      );
    names.add(name);
  }
}

function checkEndpoint(path: string, endpoint: EndpointDefinition, views: readonly FeatureViewDefinition[]): void {
  const names = new Set<string>();
  for (const [index, input] of endpoint.inputs.entries()) {
    const at = `${path}: inputs[${index}]`;
    if (names.has(input.name)) throw invalid(`${at}.name`, `${input.name} is listed twice.`, 'List each input once.');
    names.add(input.name);
    if (input.from === 'request') continue;
    requireKnown(`${at}.from`, input.from, ['request', ...views.map(({ name }) => name)], 'feature view');
    const view = views.find(({ name }) => name === input.from);
    if (view === undefined) continue;
    requireKnown(
      `${at}.name`,
      input.name,
      view.features.map(({ name }) => name),
      `feature of ${view.name}`,
    );
    if (endpoint.entities[view.entity] === undefined) {
      throw invalid(
        `${path}: entities.${view.entity}`,
        `is missing: the view ${view.name} is about ${view.entity}.`,
        `Say which request field holds its key, for example \`${view.entity}: ${view.entity}_id\`.`,
      );
    }
  }
}

/** Checks a view's fields against the schema of its source topic, where one is registered. @throws Failure `invalid_definition` */
export function checkAgainstSchema(view: FeatureViewDefinition, schema: AvroSchema): void {
  const path = `feature_view ${view.name}`;
  const known = schema.fields.map(({ name }) => name);
  const check = (at: string, field: string): void => {
    if (!known.includes(field))
      throw invalid(
        `${path}: ${at}`,
        `the events of ${view.source.topic} have no field ${field}.`,
        didYouMean(field, known),
      );
  };
  check('source.key_field', view.source.key_field);
  check('source.event_time_field', view.source.event_time_field);
  for (const [index, feature] of view.features.entries()) {
    if (feature.field === '') continue;
    check(`features[${index}].field`, feature.field);
    const type = schema.fields.find(({ name }) => name === feature.field)?.type;
    if (!isNumeric(type))
      throw invalid(
        `${path}: features[${index}].field`,
        `${feature.field} is ${JSON.stringify(type)}, not a number.`,
        'Choose a numeric field.',
      );
  }
}

function isNumeric(type: unknown): boolean {
  if (typeof type === 'string') return ['int', 'long', 'float', 'double', 'boolean'].includes(type);
  if (Array.isArray(type)) return type.every((one) => one === 'null' || isNumeric(one));
  return typeof type === 'object' && type !== null && 'type' in type && isNumeric(type.type);
}
