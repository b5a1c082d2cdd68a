// A declared topology in words, stage by stage, as it will run.
//
//   spending
//     stage-0   payments
//                 keyBy
//                   → spending.1 (internal)
//     stage-1   spending.1 (internal)
//                 per-day [state]
//                   → spending
import { type DeclaredTopology } from './declaration.ts';
import { type Node, type SourceNode, childrenOf } from './graph.ts';
import { stagesOf } from './stages.ts';

const NAME_WIDTH_MIN = 10;

export function describeTopology(declared: DeclaredTopology): string {
  const stages = stagesOf(declared, new Map());
  const width = Math.max(NAME_WIDTH_MIN, ...[...stages, ...declared.direct].map(({ name }) => name.length + 2));
  const indent = width + 4;
  const told = new Set<Node>();
  const merged = stages.flatMap((stage) =>
    stage.sources.flatMap((source, index) => [
      `  ${(index === 0 ? stage.name : '').padEnd(width)}${topicName(source)}`,
      ...source.children.flatMap((child) => lines(child, indent, told)),
    ]),
  );
  const direct = declared.direct.flatMap(({ name, topic, outputTopic }) => [
    `  ${name.padEnd(width)}${topic}`,
    `${' '.repeat(indent)}windows [state]`,
    `${' '.repeat(indent + 2)}→ ${outputTopic}`,
  ]);
  return [declared.id, ...merged, ...direct].join('\n');
}

/** @param told nodes that were described: what follows one with several parents is told once */
function lines(node: Node, indent: number, told: Set<Node>): string[] {
  const space = ' '.repeat(indent);
  if (node.kind === 'sink') return [`${space}→ ${topicName(node)}`];
  const below = (nodes: readonly Node[]): string[] => nodes.flatMap((child) => lines(child, indent + 2, told));
  switch (node.kind) {
    case 'map': {
      const isTold = told.has(node);
      told.add(node);
      return [`${space}${node.label}`, ...(isTold ? [] : below(node.children))];
    }
    case 'keyed':
      return [`${space}${node.name} [state]`, ...below(node.children)];
    case 'port':
      // what follows a join is told once
      return [
        `${space}${node.join.label} [state]${node.port === 'only' ? '' : `, ${node.port}`}`,
        ...(node.port === 'left' || node.port === 'only' ? below(childrenOf(node.join)) : []),
        ...(node.port === 'right' ? below(node.join.sinks) : []),
      ];
    case 'join':
      return below(childrenOf(node));
  }
}

function topicName({ topic, isInternal }: Pick<SourceNode, 'topic' | 'isInternal'>): string {
  return isInternal ? `${topic} (internal)` : topic;
}
