// Applications of tests that are about what lies around the engine: exactly once, live, without marks, and nothing may be set aside.
import { type ApplicationOptions } from '../../streams/application.ts';
import { type CompiledTopology, compile } from '../../streams/builder/compile.ts';
import { type DeclaredTopology } from '../../streams/builder/declaration.ts';
import { json } from '../../streams/builder/format.ts';
import { topology } from '../../streams/builder/topology.ts';
import { DEFAULT_POLICIES } from '../../streams/failure-policies.ts';
import { type TopicSpec } from '../../streams/log.ts';

/** Counts each word. */
export const counting = topology('counting', ({ stream }) => {
  stream('words', json<string>())
    .process('counts', {
      state: json<number>(),
      each: (_word, { state = 0, setState, emit }) => {
        setState(state + 1);
        emit(state + 1);
      },
    })
    .to('counts', json<number>());
});

/** Names a changelog by its store. */
export type ChangelogNames = (store: string) => string;

/**
 * @param partitions of sources and outputs
 * @returns with all topics that it needs, those too
 */
export function compiledOn(
  declared: DeclaredTopology,
  partitions: ReadonlyMap<string, number>,
  changelogTopic: ChangelogNames,
): CompiledTopology {
  const { spec, topics } = compile(declared, {
    partitions,
    internalTopic: (name) => name,
    changelogTopic: (_id, store) => changelogTopic(store),
  });
  const given = [...partitions].map(([name, count]): TopicSpec => ({ name, partitions: count, config: {} }));
  return { spec, topics: [...topics, ...given] };
}

/** Everything but what the test is about. */
export function plainOptions(
  changelogTopic: ChangelogNames,
): Omit<ApplicationOptions, 'spec' | 'log' | 'clock' | 'stores' | 'instance'> {
  return {
    ...{ live: true, guarantee: 'exactly-once', commitIntervalMs: 10, cacheBytesMax: 1_000_000, schemas: null },
    ...{ policies: DEFAULT_POLICIES, idleTimeoutMs: null, watermarksTopic: null, changelogTopic },
    prepare: async () => undefined,
    decodeWatermarks: () => [],
    deadLetterRecord: ({ failure }) => {
      throw failure;
    },
    watermarkRecord: () => ({ topic: 'marks', timestampMs: 0, key: null, value: null }),
  };
}
