// What an application's spec must keep to, whoever made it.
import { Failure } from '../schemas/failure.ts';
import { type ApplicationSpec } from './processor.ts';
import { LANES_MAX } from './task-progress.ts';

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

/**
 * How far each lane was taken stands beside the committed offset, where Kafka has room for so many.
 * @throws Failure `invalid_definition`
 */
export function requireFewLanes({ id, subTopologies }: ApplicationSpec): void {
  for (const topology of subTopologies) {
    if (topology.kind === 'direct') continue;
    for (const topic of topology.topics) {
      const lanes = topology.lanesOf(topic);
      if (lanes > LANES_MAX)
        throw new Failure(
          'invalid_definition',
          `${id}: ${topic} would be written from ${lanes} partitions; ${LANES_MAX} are the most.`,
          {
            field: topology.name,
            fix: 'Give what is moved to new keys fewer partitions in all, or move it in two steps.',
          },
        );
    }
  }
}
