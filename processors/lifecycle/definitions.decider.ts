// ApplyDefinitions{definitions}: all of them or none; what is unchanged gives no event.
import { type Event } from '../../schemas/codec.ts';
import { checkChange } from '../../schemas/check-changes.ts';
import { checkFields, describedTopics } from '../../schemas/check-fields.ts';
import { type Definition } from '../../schemas/definitions.ts';
import { checkReferences, checkUnique } from '../../schemas/check-references.ts';
import { Failure } from '../../schemas/failure.ts';
import { canonicalJson, definitionHash } from '../../schemas/parse-definitions.ts';
import { topicNames } from '../../schemas/topics.ts';
import { checkAlerts } from '../monitoring/check-alerts.ts';
import { Payload } from './payload.ts';
import { type Rule } from './rule.ts';

const FOREVER_MS = 8.64e15;
/** Only the topics of endpoints are asked for, which have no prefix. */
const NAMES = topicNames('');

/** The topics that a command's definitions describe: their schemas are wanted for the decision. */
export function topicsToLookUp(payload: string): readonly string[] {
  return [...new Set(definitionsIn(new Payload(payload)).flatMap((definition) => describedTopics(definition, NAMES)))];
}

function definitionsIn(payload: Payload): readonly Definition[] {
  const given = payload.raw('definitions');
  if (!Array.isArray(given))
    throw new Failure('missing_field', 'There are no definitions.', {
      field: 'definitions',
      fix: 'Send a list of definitions.',
    });
  return given as readonly Definition[];
}

export const applyDefinitions: Rule = (state, payload, context) => {
  const definitions = definitionsIn(payload);
  checkUnique(definitions);
  // what is not named now stays, and must still fit
  const together = new Map([...state.definitions].map(([key, { definition }]) => [key, definition]));
  for (const definition of definitions) together.set(`${definition.kind}/${definition.name}`, definition);
  checkReferences([...together.values()]);
  for (const definition of definitions) checkFields(definition, context.schemas ?? new Map(), NAMES);
  for (const definition of together.values()) {
    const endpoint = definition.kind === 'monitor' ? together.get(`endpoint/${definition.endpoint}`) : undefined;
    if (definition.kind !== 'monitor' || endpoint?.kind !== 'endpoint') continue;
    // a changed endpoint may take away what an alert speaks of
    if (definitions.includes(definition) || definitions.includes(endpoint)) checkAlerts(definition, endpoint);
  }
  const events: Event[] = [];
  for (const definition of definitions) {
    const hash = definitionHash(definition);
    const { kind, name } = definition;
    const known = state.definitions.get(`${kind}/${name}`);
    if (known?.hash === hash) continue;
    if (known !== undefined) checkChange(known.definition, definition);
    events.push({ name: 'DefinitionApplied', value: { kind, name, hash, spec: canonicalJson(definition) } });
    if (definition.kind === 'endpoint' && known === undefined) {
      const until = definition.serve_from === null ? FOREVER_MS : definition.serve_from - 1;
      const reason =
        definition.serve_from === null
          ? 'The endpoint serves from now on.'
          : 'Before serve_from nothing is scored, so nothing can be decided.';
      events.push({ name: 'ControlAdvanced', value: { endpoint: name, until, reason } });
    }
  }
  return {
    events,
    topicsOf: definitions,
    result: {
      applied: events.filter(({ name }) => name === 'DefinitionApplied').length,
      unchanged: definitions.length - events.filter(({ name }) => name === 'DefinitionApplied').length,
    },
  };
};
