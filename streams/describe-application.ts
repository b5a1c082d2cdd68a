// What an application reads, keeps and writes, from what the engine runs: as data, and in words.
//
//   features.origin_weather
//     route      origin_weather
//                  → millrace.features.origin_weather-repartition
//     window     millrace.features.origin_weather-repartition
//                  keeps windows (changelog millrace.features.origin_weather-windows-changelog)
//                  → millrace.features.origin_weather
import { type ApplicationSpec } from './processor.ts';

export interface DescribedSubTopology {
  readonly name: string;
  /** what is done to a record, in order; empty: the name says it */
  readonly steps: readonly string[];
  /** topics that tasks share: each has its partition of them */
  readonly sources: readonly string[];
  /** topics that every instance reads whole */
  readonly globalSources: readonly string[];
  readonly store: { readonly name: string; readonly changelog: string } | null;
  /** local stores that are folds of the global topics */
  readonly folds: readonly string[];
  readonly sinks: readonly string[];
  /** one task with all partitions of an instance, instead of one for each */
  readonly isSingle: boolean;
}

export interface DescribedApplication {
  readonly id: string;
  readonly subTopologies: readonly DescribedSubTopology[];
}

export function describeApplication(
  { id, subTopologies }: ApplicationSpec,
  changelogTopic: (store: string) => string,
): DescribedApplication {
  return {
    id,
    subTopologies: subTopologies.map((one) => {
      const { name, topics, outputTopics } = one;
      const store = one.store === null ? null : { name: one.store.name, changelog: changelogTopic(one.store.name) };
      if (one.kind === 'direct')
        return {
          ...{ name, steps: [], sources: topics, globalSources: [], store, folds: [] },
          ...{ sinks: outputTopics ?? [], isSingle: false },
        };
      return {
        ...{ name, steps: one.steps ?? [], sources: topics, globalSources: one.globalTopics, store },
        folds: one.folds ?? [],
        sinks: outputTopics ?? [...new Set(one.outputLanes([0]).map(({ topic }) => topic))],
        isSingle: one.single,
      };
    }),
  };
}

/** Name of the local store of a task, as the engine opens it. */
export function localStoreName(application: string, store: string, partition: number): string {
  return `${application}.${store}-${partition}`;
}

const INDENT = 14;

/** @param about what is told of a sub-topology beside its description, a line each */
export function describeInWords(
  { id, subTopologies }: DescribedApplication,
  about: (subTopology: DescribedSubTopology) => readonly string[] = () => [],
): string {
  const below = ' '.repeat(INDENT + 2);
  return [
    id,
    ...subTopologies.flatMap((one) => {
      const inputs = [...one.sources, ...one.globalSources.map((topic) => `${topic} (whole)`)];
      return [
        ...inputs.map((topic, index) => `  ${(index === 0 ? one.name : '').padEnd(INDENT - 3)} ${topic}`),
        ...(one.steps.length === 0 ? [] : [`${below}${one.steps.join(', ')}`]),
        ...(one.store === null ? [] : [`${below}keeps ${one.store.name} (changelog ${one.store.changelog})`]),
        ...one.folds.map((fold) => `${below}keeps ${fold} (a fold of what it reads whole)`),
        ...one.sinks.map((topic) => `${below}→ ${topic}`),
        ...about(one).map((line) => `${below}${line}`),
      ];
    }),
  ].join('\n');
}
