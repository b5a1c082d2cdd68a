// What the test driver has to know of an application, be it a spec or a declared topology: its topics, its lanes, its stores.
import { compile } from '../builder/compile.ts';
import { type DeclaredTopology } from '../builder/declaration.ts';
import { DEFAULT_POLICIES, type FailurePolicies } from '../failure-policies.ts';
import { StateKeys, nodeStateSerde } from '../builder/node-state.ts';
import { stagesOf } from '../builder/stages.ts';
import { type TopicSpec } from '../log.ts';
import { type ApplicationSpec, type OutputLane } from '../processor.ts';
import { readSingle } from '../state/row.ts';

/** How a value is found that a step keeps. */
export interface KnownStore {
  readonly changelogTopic: string;
  keyOf(key: string | Buffer): Buffer;
  decode(bytes: Buffer): unknown;
}

export interface DrivenSpec {
  readonly spec: ApplicationSpec;
  /** to be made before the start */
  readonly topics: readonly TopicSpec[];
  /** by the name that its user has given it: the store's, or the step's in a declared topology */
  readonly stores: ReadonlyMap<string, KnownStore>;
  readonly policies: FailurePolicies;
}

export function changelogTopicOf(application: string, store: string): string {
  return `.changelog.${application}.${store}`;
}

export function drivenSpec(
  given: ApplicationSpec | DeclaredTopology,
  partitionsOf: (topic: string) => number,
): DrivenSpec {
  return 'subTopologies' in given ? plain(given, partitionsOf) : declared(given, partitionsOf);
}

function plain(spec: ApplicationSpec, partitionsOf: (topic: string) => number): DrivenSpec {
  const names = spec.subTopologies.flatMap((topology) =>
    topology.kind === 'direct' ? topology.topics : [...topology.topics, ...topology.globalTopics],
  );
  const topics = [...new Set(names)].map((name) => ({ name, partitions: partitionsOf(name), config: {} }));
  return { spec, topics, stores: storesOf(spec), policies: DEFAULT_POLICIES };
}

function declared(topology: DeclaredTopology, partitionsOf: (topic: string) => number): DrivenSpec {
  const names = [
    ...topology.sources.filter(({ isInternal }) => !isInternal).map(({ topic }) => topic),
    ...topology.direct.flatMap(({ topic, outputTopic }) => [topic, outputTopic]),
  ];
  const partitions = new Map(names.map((name) => [name, partitionsOf(name)]));
  const { spec, topics } = compile(topology, {
    partitions,
    internalTopic: (name) => `.internal.${name}`,
    changelogTopic: changelogTopicOf,
  });
  const stores = new Map(storesOf(spec));
  for (const { name: stage, slots } of stagesOf(topology, partitions)) {
    const serde = nodeStateSerde(slots);
    const keys = new StateKeys(slots);
    for (const [index, { name }] of slots.entries())
      stores.set(name, {
        changelogTopic: changelogTopicOf(topology.id, stage),
        keyOf: (key) => Buffer.from(keys.key(index, key.toString())),
        decode: (bytes) => serde.decode(bytes).value,
      });
  }
  const given = [...partitions].map(([name, count]) => ({ name, partitions: count, config: {} }));
  return { spec, topics: [...given, ...topics], stores, policies: topology.failures };
}

function storesOf({ id, subTopologies }: ApplicationSpec): Map<string, KnownStore> {
  const stores = new Map<string, KnownStore>();
  const add = (name: string, decode: KnownStore['decode']): void => {
    stores.set(name, { changelogTopic: changelogTopicOf(id, name), keyOf: (key) => Buffer.from(key), decode });
  };
  for (const topology of subTopologies) {
    if (topology.kind === 'direct') {
      const { store } = topology;
      if (store !== null) add(store.name, (bytes) => readSingle(store.serde, bytes));
    } else {
      const { store } = topology;
      if (store !== null) add(store.name, (bytes) => store.serde.decode(bytes));
    }
  }
  return stores;
}

/** The lanes of all topics that it reads and does not write itself: whoever produces to them says how far they are complete. */
export function sourceLanes(spec: ApplicationSpec, partitionsOf: (topic: string) => number): readonly OutputLane[] {
  const own = new Set(
    spec.subTopologies.flatMap((topology) =>
      topology.kind === 'direct' ? [] : topology.outputLanes([0]).map(({ topic }) => topic),
    ),
  );
  return spec.subTopologies.flatMap((topology) => {
    if (topology.kind === 'direct') return [];
    const { unawaitedTopics = [] } = topology;
    const topics = [...topology.topics, ...topology.globalTopics].filter(
      (topic) => !own.has(topic) && !unawaitedTopics.includes(topic),
    );
    return topics.flatMap((topic) =>
      Array.from({ length: partitionsOf(topic) * topology.lanesOf(topic) }, (_, index) => ({
        topic,
        partition: Math.floor(index / topology.lanesOf(topic)),
        lane: index % topology.lanesOf(topic),
      })),
    );
  });
}
