// An application as a drawing in layers: topics and sub-topologies alternate in the direction of the data. Here is decided what
// stands in which layer and in which order; pixels are the page's.
import { type DescribedSubTopology } from '../../streams/describe-application.ts';

export interface DrawnNode {
  readonly id: string;
  readonly kind: 'topic' | 'tasks';
  readonly name: string;
  /** 0: where the data comes in */
  readonly layer: number;
  /** place in the layer, from 0 */
  readonly place: number;
}

export interface DrawnEdge {
  readonly from: string;
  readonly to: string;
  /** every instance reads the topic whole */
  readonly isWhole: boolean;
  /** against the direction of the data: what is written here is read by a layer before */
  readonly isBack: boolean;
  /** places that are kept free for it in the layers that it passes, in their order; none where it goes back */
  readonly via: readonly { readonly layer: number; readonly place: number }[];
}

export interface Drawing {
  readonly nodes: readonly DrawnNode[];
  readonly edges: readonly DrawnEdge[];
  readonly layers: number;
}

const topicId = (topic: string): string => `topic ${topic}`;
const tasksId = (name: string): string => `tasks ${name}`;

export function drawingOf(subTopologies: readonly DescribedSubTopology[]): Drawing {
  const flows = subTopologies.flatMap(({ name, sources, globalSources, sinks }) => [
    ...sources.map((topic) => ({ from: topicId(topic), to: tasksId(name), isWhole: false })),
    ...globalSources.map((topic) => ({ from: topicId(topic), to: tasksId(name), isWhole: true })),
    ...sinks.map((topic) => ({ from: tasksId(name), to: topicId(topic), isWhole: false })),
  ]);
  const names = new Map(
    subTopologies.flatMap(({ name, sources, globalSources, sinks }) => [
      ...[...sources, ...globalSources].map((topic): [string, string] => [topicId(topic), topic]),
      [tasksId(name), name] as [string, string],
      ...sinks.map((topic): [string, string] => [topicId(topic), topic]),
    ]),
  );
  const back = backEdges([...names.keys()], flows);
  const edges = flows.map((flow) => ({ ...flow, isBack: back.has(flow) }));
  const layerOf = layersOf([...names.keys()], edges);
  const routes = edges.map((edge, index) => routeOf(edge, index, layerOf));
  const layers = inOrder(new Map([...layerOf, ...routes.flatMap(({ via }) => via)]), routes.flatMap(segmentsOf));
  const placeOf = new Map(layers.flatMap((ids, layer) => ids.map((id, place) => [id, { layer, place }] as const)));
  return {
    nodes: [...names].map(([id, name]) => ({
      ...{ id, name, ...(placeOf.get(id) ?? { layer: 0, place: 0 }) },
      kind: id.startsWith('topic ') ? ('topic' as const) : ('tasks' as const),
    })),
    edges: edges.map((edge, index) => ({
      ...edge,
      via: (routes[index]?.via ?? []).map(([id]) => placeOf.get(id) ?? { layer: 0, place: 0 }),
    })),
    layers: layers.length,
  };
}

/** An edge with a point in each layer that it passes; none where it goes back. */
interface Route {
  readonly from: string;
  readonly to: string;
  readonly via: readonly (readonly [string, number])[];
}

function routeOf(
  { from, to, isBack }: Flow & { readonly isBack: boolean },
  index: number,
  layerOf: ReadonlyMap<string, number>,
): Route {
  const first = (layerOf.get(from) ?? 0) + 1;
  const count = isBack ? 0 : (layerOf.get(to) ?? 0) - first;
  const via = Array.from({ length: count }, (_, step) => [`way ${index} ${step}`, first + step] as const);
  return { from, to, via };
}

function segmentsOf({ from, to, via }: Route): Flow[] {
  const stops = [from, ...via.map(([id]) => id), to];
  return stops.slice(1).map((stop, index) => ({ from: stops[index] ?? '', to: stop }));
}

interface Flow {
  readonly from: string;
  readonly to: string;
}

/** Edges that close a circle, met depth first: without them there is none. */
function backEdges(ids: readonly string[], flows: readonly Flow[]): ReadonlySet<Flow> {
  const after = Map.groupBy(flows, ({ from }) => from);
  const done = new Set<string>();
  const open = new Set<string>();
  const back = new Set<Flow>();
  const visit = (id: string): void => {
    open.add(id);
    for (const flow of after.get(id) ?? [])
      if (open.has(flow.to)) back.add(flow);
      else if (!done.has(flow.to)) visit(flow.to);
    open.delete(id);
    done.add(id);
  };
  // where data comes in first, so that the edge that goes back is the one towards it
  const entries = ids.filter((id) => flows.every(({ to }) => to !== id));
  for (const id of [...entries, ...ids]) if (!done.has(id)) visit(id);
  return back;
}

/** The longest way from where data comes in; a topic that only one layer reads stands right before it. */
function layersOf(
  ids: readonly string[],
  edges: readonly (Flow & { readonly isBack: boolean })[],
): ReadonlyMap<string, number> {
  const forward = edges.filter(({ isBack }) => !isBack);
  const into = Map.groupBy(forward, ({ to }) => to);
  const out = Map.groupBy(forward, ({ from }) => from);
  const known = new Map<string, number>();
  const layerOf = (id: string): number => {
    const layer = known.get(id) ?? Math.max(0, ...(into.get(id) ?? []).map(({ from }) => layerOf(from) + 1));
    known.set(id, layer);
    return layer;
  };
  for (const id of ids) layerOf(id);
  return new Map(
    ids.map((id) => {
      const readers = out.get(id) ?? [];
      // an entry is moved to its first reader: no long arrows past others
      if (into.has(id) || readers.length === 0) return [id, layerOf(id)];
      return [id, Math.min(...readers.map(({ to }) => layerOf(to))) - 1];
    }),
  );
}

/** Within a layer by the mean place of what leads there; ties in the order of declaration. */
function inOrder(layerOf: ReadonlyMap<string, number>, edges: readonly Flow[]): string[][] {
  const count = Math.max(-1, ...layerOf.values()) + 1;
  const layers = Array.from({ length: count }, (_, layer) =>
    [...layerOf].filter(([, own]) => own === layer).map(([id]) => id),
  );
  const placeOf = new Map<string, number>();
  return layers.map((ids) => {
    const wanted = new Map(
      ids.map((id, index) => {
        const before = edges.filter(({ to, from }) => to === id && placeOf.has(from));
        const sum = before.reduce((total, { from }) => total + (placeOf.get(from) ?? 0), 0);
        return [id, before.length === 0 ? index : sum / before.length];
      }),
    );
    const sorted = [...ids].sort((a, b) => (wanted.get(a) ?? 0) - (wanted.get(b) ?? 0));
    sorted.forEach((id, place) => placeOf.set(id, place));
    return sorted;
  });
}
