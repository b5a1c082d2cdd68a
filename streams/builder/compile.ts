// From a declared topology to what the engine runs: every stage is a sub-topology, steps and joins of one stage share a store.
import { type DirectSubTopology } from '../direct.ts';
import { type ApplicationSpec, type Parts, type SubTopology } from '../processor.ts';
import { INTERNAL_TOPIC } from '../purge.ts';
import { type TopicSpec } from '../log.ts';
import { type DeclaredTopology, type DirectStage } from './declaration.ts';
import { type SinkNode, type SourceNode } from './graph.ts';
import { GraphProcessor } from './graph-processor.ts';
import { type StageGraph } from './graph-run.ts';
import { pinnedSlots } from './needed-rows.ts';
import { type NodeState, StateKeys, nodeStateSerde, timerOfRow } from './node-state.ts';
import { readableRows, readableStores } from './readable.ts';
import { CHANGELOG_TOPIC } from '../state/forgotten-deletions.ts';
import { type Stage, isReadBy, stagesOf } from './stages.ts';
import { stepsOf } from './steps.ts';

export interface CompileOptions {
  /** partitions of the topics that are there; internal topics have as many as the stage that reads them */
  readonly partitions: ReadonlyMap<string, number>;
  internalTopic(name: string): string;
  changelogTopic(application: string, store: string): string;
}

export interface CompiledTopology {
  readonly spec: ApplicationSpec;
  /** internal topics and changelogs, to be made before the start */
  readonly topics: readonly TopicSpec[];
}

/** @throws Failure `invalid_definition` */
export function compile(declared: DeclaredTopology, options: CompileOptions): CompiledTopology {
  const stages = stagesOf(declared, options.partitions);
  const topicOf = (node: SinkNode | SourceNode): string =>
    node.isInternal ? options.internalTopic(node.topic) : node.topic;
  const merged = stages.map((stage): unknown => stageTopology(stage, stages, topicOf));
  const direct = declared.direct.map((stage) => directTopology(stage, options));
  return {
    spec: { id: declared.id, subTopologies: [...(merged as SubTopology<never>[]), ...direct] },
    topics: [
      ...stages.flatMap((stage) => stageTopics(stage, declared.id, topicOf, options)),
      ...declared.direct.map((stage) => ({
        name: options.changelogTopic(declared.id, stage.name),
        partitions: options.partitions.get(stage.topic) ?? 1,
        config: CHANGELOG_TOPIC,
      })),
    ],
  };
}

function directTopology(stage: DirectStage, { partitions }: CompileOptions): DirectSubTopology {
  const input = partitions.get(stage.topic) ?? 1;
  const made = stage.make({ input, output: partitions.get(stage.outputTopic) ?? input });
  return { ...made, readable: readableRows(made, input), outputTopics: [stage.outputTopic] };
}

function stageTopology(stage: Stage, stages: readonly Stage[], topicOf: StageGraph['topicOf']): SubTopology<NodeState> {
  const { name, sources, slots, ranks } = stage;
  const keys = new StateKeys(slots);
  const graph: StageGraph = { sources, slots, keys, ranks, topicOf };
  const pinned = pinnedSlots(slots);
  const awaited = stage.sinks.filter((sink) => sink.isInternal && sink.isAwaited);
  return {
    name,
    topics: sources.map(topicOf),
    internalTopics: sources.filter(({ isInternal }) => isInternal).map(topicOf),
    lanesOf: (topic) => lanesOf(topic, stage, stages, topicOf),
    unawaitedTopics: sources.filter(({ isAwaited }) => !isAwaited).map(topicOf),
    single: false,
    globalTopics: [],
    store: slots.length === 0 ? null : { name, serde: nodeStateSerde(slots) },
    readable: readableStores(stage),
    steps: stepsOf(sources),
    parts: partsOf(stage, topicOf),
    outputTopics: [...new Set(stage.sinks.map(topicOf))],
    onDemand: { timerOf: timerOfRow, isPinned: (key) => pinned.has(keys.slotOf(key)) },
    outputLanes: ([own = 0]) =>
      awaited.flatMap((sink) =>
        Array.from({ length: readerOf(sink, stages)?.partitions ?? 1 }, (_, partition) => ({
          topic: topicOf(sink),
          partition,
          lane: own,
        })),
      ),
    create: async (context) => ({
      processor: new GraphProcessor(graph, context, context.policies),
      globalPositions: new Map(),
    }),
  };
}

/** An internal topic may be called by its place: it is known by who reads it. */
function partsOf({ slots, sinks }: Stage, topicOf: StageGraph['topicOf']): Parts {
  return {
    states: slots.map(({ name }) => name),
    outputTopics: [...new Set(sinks.filter(({ isInternal }) => !isInternal).map(topicOf))],
  };
}

function readerOf(sink: SinkNode, stages: readonly Stage[]): Stage | undefined {
  return stages.find(({ sources }) => isReadBy(sink, sources));
}

/** Lanes of an internal topic: one per task that writes it, and only one where nobody waits for them. */
function lanesOf(topic: string, stage: Stage, stages: readonly Stage[], topicOf: StageGraph['topicOf']): number {
  const source = stage.sources.find((one) => topicOf(one) === topic);
  if (source?.isInternal !== true || !source.isAwaited) return 1;
  return stages.find(({ sinks }) => sinks.some((sink) => isReadBy(sink, [source])))?.partitions ?? 1;
}

function stageTopics(
  stage: Stage,
  id: string,
  topicOf: StageGraph['topicOf'],
  { changelogTopic }: CompileOptions,
): TopicSpec[] {
  const { partitions } = stage;
  const internal = stage.sources
    .filter((source) => source.isInternal)
    .map((source) => ({ name: topicOf(source), partitions, config: INTERNAL_TOPIC }));
  if (stage.slots.length === 0) return internal;
  return [...internal, { name: changelogTopic(id, stage.name), partitions, config: CHANGELOG_TOPIC }];
}
