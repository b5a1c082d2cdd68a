// The steps of a stage by name, in the order of their declaration, for descriptions.
import { type SourceNode, below } from './graph.ts';

export function stepsOf(sources: readonly SourceNode[]): string[] {
  const nodes = new Set(sources.flatMap((source) => [...below(source)]));
  return [...nodes].flatMap((node) => {
    if (node.kind === 'keyed') return [node.name];
    return 'label' in node ? [node.label] : [];
  });
}
