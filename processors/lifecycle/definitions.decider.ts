// ApplyDefinitions{definitions}: all of them or none; what is unchanged gives no event.
import { type Event } from '../../schemas/codec.ts';
import { type Definition } from '../../schemas/definitions.ts';
import { checkReferences } from '../../schemas/check-references.ts';
import { Failure } from '../../schemas/failure.ts';
import { canonicalJson, definitionHash } from '../../schemas/parse-definitions.ts';
import { type Rule } from './rule.ts';

const FOREVER_MS = 8.64e15;

export const applyDefinitions: Rule = (state, payload) => {
  const given = payload.raw('definitions');
  if (!Array.isArray(given))
    throw new Failure('missing_field', 'There are no definitions.', {
      field: 'definitions',
      fix: 'Send a list of definitions.',
    });
  const definitions = given as readonly Definition[];
  // what is not named now stays, and must still fit
  const together = new Map([...state.definitions].map(([key, { definition }]) => [key, definition]));
  for (const definition of definitions) together.set(`${definition.kind}/${definition.name}`, definition);
  checkReferences([...together.values()]);
  const events: Event[] = [];
  for (const definition of definitions) {
    const hash = definitionHash(definition);
    const { kind, name } = definition;
    const known = state.definitions.get(`${kind}/${name}`);
    if (known?.hash === hash) continue;
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
    result: {
      applied: events.filter(({ name }) => name === 'DefinitionApplied').length,
      unchanged: definitions.length - events.filter(({ name }) => name === 'DefinitionApplied').length,
    },
  };
};
