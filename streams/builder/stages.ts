// Which parts of a declared topology make one stage: sources that meet below, in a join or a merge, do. And how many tasks each stage has.
import { Failure } from '../../schemas/failure.ts';
import { type Node, type SinkNode, type Slot, type SourceNode, below, slotsOf } from './graph.ts';
import { type DeclaredTopology, type Sources } from './declaration.ts';

export interface Stage {
  /** the user's, or by its place among those that were given none; the state lies under it */
  readonly name: string;
  readonly sources: readonly SourceNode[];
  readonly slots: readonly Slot[];
  readonly sinks: readonly SinkNode[];
  readonly ranks: ReadonlyMap<SourceNode, number>;
  readonly partitions: number;
}

interface Group {
  readonly sources: readonly SourceNode[];
  readonly nodes: ReadonlySet<SourceNode | Node>;
}

/**
 * @param partitions of the topics that are known; 1 for others
 * @throws Failure `invalid_definition` where topics that meet have different numbers of partitions
 */
export function stagesOf({ sources }: Sources, partitions: ReadonlyMap<string, number>): Stage[] {
  const groups = groupsOf(sources);
  const counts = countsOf(groups, partitions);
  const names = namesOf(groups);
  return groups.map((group, index) => ({
    name: names[index] ?? '',
    sources: group.sources,
    slots: slotsOf(group.nodes),
    sinks: sinksOf(group),
    ranks: ranksOf(group),
    partitions: counts[index] ?? 1,
  }));
}

function groupsOf(sources: readonly SourceNode[]): Group[] {
  const groups: Group[] = [];
  for (const source of sources) {
    const nodes = below(source);
    const together = groups.filter((group) => [...group.nodes].some((node) => nodes.has(node)));
    for (const group of together) groups.splice(groups.indexOf(group), 1);
    groups.push({
      sources: [...together.flatMap((group) => group.sources), source],
      nodes: new Set([...together.flatMap((group) => [...group.nodes]), ...nodes]),
    });
  }
  return groups;
}

/**
 * The first in the alphabet of those that were given, so that their order does not matter. Stages with a name do not count for the
 * places of the others: they may come and go.
 */
function namesOf(groups: readonly Group[]): string[] {
  let place = 0;
  return groups.map(({ sources }) => {
    const [given] = sources.flatMap(({ name }) => (name === null ? [] : [name])).sort();
    return given ?? `stage-${place++}`;
  });
}

function sinksOf({ nodes }: Group): SinkNode[] {
  return [...nodes].filter((node) => node.kind === 'sink');
}

/** A stage has as many tasks as its topics have partitions; one with internal topics alone as many as the stages that write them. */
function countsOf(groups: readonly Group[], partitions: ReadonlyMap<string, number>): number[] {
  const counts = groups.map(({ sources }) => givenCount(sources, partitions));
  // a stage may be written by one that stands behind it: each round finds one more at least
  for (let round = 0; round < groups.length; round += 1)
    for (const [index, { sources }] of groups.entries()) {
      if (counts[index] !== null) continue;
      const writers = groups.flatMap((group, at) => {
        const count = counts[at] ?? null;
        return count !== null && sinksOf(group).some((sink) => isReadBy(sink, sources)) ? [count] : [];
      });
      if (writers.length > 0) counts[index] = Math.max(...writers);
    }
  return counts.map((count) => count ?? 1);
}

function givenCount(sources: readonly SourceNode[], partitions: ReadonlyMap<string, number>): number | null {
  const given = sources.filter(({ isInternal }) => !isInternal);
  const [first] = given;
  if (first === undefined) return null;
  const countOf = ({ topic }: SourceNode): number => partitions.get(topic) ?? 1;
  const other = given.find((source) => countOf(source) !== countOf(first));
  if (other === undefined) return countOf(first);
  throw new Failure(
    'invalid_definition',
    `${first.topic} has ${countOf(first)} partitions and ${other.topic} ${countOf(other)}: topics that are joined or merged need as many.`,
    { field: other.topic, fix: 'Move one of them through keyBy, or produce them with as many partitions.' },
  );
}

export function isReadBy(sink: SinkNode, sources: readonly SourceNode[]): boolean {
  return sink.isInternal && sources.some((source) => source.isInternal && source.topic === sink.topic);
}

/** A part of the topology by the topics that it reads and writes; those of its own stand in another namespace. */
interface Flow {
  readonly reads: readonly string[];
  readonly writes: readonly string[];
}

const INTERNAL = 'internal ';
const topicIn = ({ topic, isInternal }: SourceNode | SinkNode): string => (isInternal ? INTERNAL + topic : topic);

/** Event time would wait for itself, and records would go round for ever. @throws Failure `invalid_definition` */
export function requireNoCycles({ sources, direct }: Pick<DeclaredTopology, 'sources' | 'direct'>): void {
  const flows: readonly Flow[] = [
    ...groupsOf(sources).map((group) => ({
      reads: group.sources.map(topicIn),
      writes: sinksOf(group)
        .filter(({ isAwaited }) => isAwaited)
        .map(topicIn),
    })),
    ...direct.map(({ topic, outputTopic }) => ({ reads: [topic], writes: [outputTopic] })),
  ];
  const closing = flows.map((flow) => ({ flow, topics: closingTopics(flow, flows) }));
  const given = closing.flatMap(({ topics }) => topics).find((topic) => !topic.startsWith(INTERNAL));
  if (given !== undefined)
    throw new Failure('invalid_definition', `${given} is read by the topology, and written by what follows from it.`, {
      field: given,
      fix: 'Write to another topic.',
    });
  const circle = closing.find(({ topics }) => topics.length > 0);
  if (circle === undefined) return;
  const topics = circle.flow.reads.filter((topic) => !topic.startsWith(INTERNAL));
  throw new Failure('invalid_definition', `${topics.join(', ')}: a join or merge needs them before and behind keyBy.`, {
    field: topics[0] ?? 'topic',
    fix: 'Make two topologies of it: the first writes what is moved by key to a topic, the second reads that.',
  });
}

/** What the flow reads that it writes itself, or that those write which read what it writes, and so on. */
function closingTopics(flow: Flow, flows: readonly Flow[]): string[] {
  const written = new Set(flow.writes);
  // a set is walked with what is added meanwhile
  for (const topic of written)
    for (const { reads, writes } of flows) if (reads.includes(topic)) for (const next of writes) written.add(next);
  return flow.reads.filter((topic) => written.has(topic));
}

/** What a join wants first of an instant comes from sources of a lower rank. */
function ranksOf({ sources, nodes }: Group): Map<SourceNode, number> {
  const ranks = new Map(sources.map((source) => [source, 0]));
  const reached = new Map(sources.map((source) => [source, below(source)]));
  const ports = [...nodes].filter((node) => node.kind === 'port');
  const to = (isWanted: (port: (typeof ports)[number]) => boolean): SourceNode[] =>
    sources.filter((source) => ports.some((port) => isWanted(port) && reached.get(source)?.has(port) === true));
  for (let round = 0; round < sources.length; round += 1)
    for (const { join } of ports) {
      const first = to((port) => port.join === join && port.port === join.first);
      if (first.length === 0) continue;
      const rank = Math.max(...first.map((source) => ranks.get(source) ?? 0)) + 1;
      for (const source of to((port) => port.join === join && port.port !== join.first))
        if (!first.includes(source)) ranks.set(source, Math.max(rank, ranks.get(source) ?? 0));
    }
  return ranks;
}
