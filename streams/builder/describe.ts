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
  const merged = stages.flatMap((stage) =>
    stage.sources.flatMap((source, index) => [
      `  ${(index === 0 ? stage.name : '').padEnd(width)}${topicName(source)}`,
      ...source.children.flatMap((child) => lines(child, indent)),
    ]),
  );
  const direct = declared.direct.flatMap(({ name, topic, outputTopic }) => [
    `  ${name.padEnd(width)}${topic}`,
    `${' '.repeat(indent)}windows [state]`,
    `${' '.repeat(indent + 2)}→ ${outputTopic}`,
  ]);
  return [declared.id, ...merged, ...direct].join('\n');
}

function lines(node: Node, indent: number): string[] {
  const space = ' '.repeat(indent);
  if (node.kind === 'sink') return [`${space}→ ${topicName(node)}`];
  const children = (): string[] => childrenOf(node).flatMap((child) => lines(child, indent + 2));
  switch (node.kind) {
    case 'map':
      return [`${space}${node.label}`, ...children()];
    case 'keyed':
      return [`${space}${node.name} [state]`, ...children()];
    case 'port':
      // what follows a join is told once
      return [
        `${space}${node.join.label} [state], ${node.port}`,
        ...(node.port === 'left' ? childrenOf(node.join).flatMap((child) => lines(child, indent + 2)) : []),
        ...(node.port === 'right' ? node.join.sinks.flatMap((child) => lines(child, indent + 2)) : []),
      ];
    case 'join':
      return children();
  }
}

function topicName({ topic, isInternal }: Pick<SourceNode, 'topic' | 'isInternal'>): string {
  return isInternal ? `${topic} (internal)` : topic;
}
