// The steps of a stage by name, in the order of their declaration, for descriptions.
import { type SourceNode, below } from './graph.ts';

export function stepsOf(sources: readonly SourceNode[]): string[] {
  const nodes = new Set(sources.flatMap((source) => [...below(source)]));
  return [...nodes].flatMap((node) => ('label' in node ? [node.label] : 'name' in node ? [node.name] : []));
}
