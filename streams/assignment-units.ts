// Which topics must go to the same member together: sub-topologies that share a topic make one unit, for a partition of a topic
// has one owner in a group.
import { type AssignmentUnit } from './log.ts';
import { type ApplicationSpec } from './processor.ts';

type SubTopologies = ApplicationSpec['subTopologies'];

export interface Unit extends AssignmentUnit {
  readonly subTopologies: SubTopologies;
}

export function unitsOf(subTopologies: SubTopologies, changelogTopic: (store: string) => string): Unit[] {
  const groups: SubTopologies[number][][] = [];
  for (const one of subTopologies) {
    const meets = groups.filter((group) =>
      group.some(({ topics }) => topics.some((topic) => one.topics.includes(topic))),
    );
    for (const group of meets) groups.splice(groups.indexOf(group), 1);
    groups.push([...meets.flat(), one]);
  }
  // Kafka compares what members say of their topology: always in the same order
  return groups.map((group) => ({
    name: group
      .map(({ name }) => name)
      .sort()
      .join('+'),
    topics: [...new Set(group.flatMap(({ topics }) => topics))].sort(),
    changelogs: group.flatMap(({ store }) => (store === null ? [] : [changelogTopic(store.name)])).sort(),
    isCopartitioned: group.every((one) => one.kind !== 'direct' && !one.single),
    subTopologies: group,
  }));
}
