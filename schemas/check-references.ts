// What definitions say of each other must fit together.
import { type Definition, type EndpointDefinition, type FeatureViewDefinition } from './definitions.ts';
import { didYouMean, invalid } from './reading.ts';

/** @throws Failure `invalid_definition` */
export function checkUnique(definitions: readonly Definition[]): void {
  const seen = new Set<string>();
  for (const { kind, name } of definitions) {
    if (seen.has(`${kind} ${name}`))
      throw invalid(`${kind} ${name}`, 'is declared twice.', 'Rename or remove one of them.');
    seen.add(`${kind} ${name}`);
  }
}

/** @throws Failure `invalid_definition` */
export function checkReferences(definitions: readonly Definition[]): void {
  checkUnique(definitions);
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
