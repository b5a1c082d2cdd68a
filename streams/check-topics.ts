// Whether the topics that an application would make for itself are there already, and otherwise than it needs them.
import { Failure } from '../schemas/failure.ts';
import { type TopicSpec } from './log.ts';

/**
 * A topic that is there is left as it is: with another number of partitions rows would lie where nobody looks for them.
 * @param existing partitions of those that are there
 * @throws Failure `invalid_definition`
 */
export function requirePartitions(needed: readonly TopicSpec[], existing: ReadonlyMap<string, number>): void {
  for (const { name, partitions } of needed) {
    const found = existing.get(name);
    if (found !== undefined && found !== partitions)
      throw new Failure('invalid_definition', `${name} has ${found} partitions, and is needed with ${partitions}.`, {
        field: name,
        fix: 'It was made for other sources, or another number of their partitions: give the topology a new id, or name what you have added.',
      });
  }
}
