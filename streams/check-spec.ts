// What an application's spec must keep to, whoever made it.
import { Failure } from '../schemas/failure.ts';
import { type ApplicationSpec } from './processor.ts';

/**
 * A partition is read by one task of an application: there is one position to read on from, one committed offset, one place to
 * pause it.
 * @throws Failure `invalid_definition`
 */
export function requireOneReader({ id, subTopologies }: ApplicationSpec): void {
  const readerOf = new Map<string, string>();
  for (const topology of subTopologies) {
    const topics = topology.kind === 'direct' ? topology.topics : [...topology.topics, ...topology.globalTopics];
    for (const topic of topics) {
      const other = readerOf.get(topic);
      if (other !== undefined && other !== topology.name)
        throw new Failure('invalid_definition', `${id}: ${other} and ${topology.name} both read ${topic}.`, {
          field: topology.name,
          fix: 'Read it once and branch there, or make two applications of it.',
        });
      readerOf.set(topic, topology.name);
    }
  }
}
