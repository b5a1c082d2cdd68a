// Drawings in layers: whatever the topology, data goes on from layer to layer, and nothing stands in the place of another.
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { test } from 'node:test';
import { type Drawing, drawingOf } from '../../../serving/console/layers.ts';
import { type DescribedSubTopology } from '../../../streams/describe-application.ts';

const topic = fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f', 'g', 'h');
const topics = fc.uniqueArray(topic, { maxLength: 3 });
const subTopologies = fc
  .array(fc.record({ sources: topics, globalSources: topics, sinks: topics }), { maxLength: 6 })
  .map((parts) =>
    parts.map(({ sources, globalSources, sinks }, index): DescribedSubTopology => ({
      ...{ name: `s${index}`, steps: [], store: null, folds: [], isSingle: false, sources, sinks },
      globalSources: globalSources.filter((one) => !sources.includes(one)),
    })),
  );

const layerOf = ({ nodes }: Drawing, id: string): number => nodes.find((node) => node.id === id)?.layer ?? Number.NaN;

test('every topic and sub-topology stands once, every read and write is an arrow', () => {
  fc.assert(
    fc.property(subTopologies, (parts) => {
      const { nodes, edges } = drawingOf(parts);
      const names = new Set(
        parts.flatMap(({ name, sources, globalSources, sinks }) => [
          `tasks ${name}`,
          ...[...sources, ...globalSources, ...sinks].map((one) => `topic ${one}`),
        ]),
      );
      assert.deepEqual(nodes.map(({ id }) => id).sort(), [...names].sort());
      const flows = parts.flatMap(({ name, sources, globalSources, sinks }) => [
        ...sources.map((one) => `topic ${one} > tasks ${name}`),
        ...globalSources.map((one) => `topic ${one} > tasks ${name} whole`),
        ...sinks.map((one) => `tasks ${name} > topic ${one}`),
      ]);
      assert.deepEqual(
        edges.map(({ from, to, isWhole }) => `${from} > ${to}${isWhole ? ' whole' : ''}`).sort(),
        flows.sort(),
      );
    }),
  );
});

test('arrows lead to later layers, through each layer between; those that close a circle, and only those, go back', () => {
  fc.assert(
    fc.property(subTopologies, (parts) => {
      const drawing = drawingOf(parts);
      for (const { from, to, isBack, via } of drawing.edges) {
        const [start, end] = [layerOf(drawing, from), layerOf(drawing, to)];
        if (isBack) {
          assert.deepEqual(via, []);
          // who follows the arrows from where it leads comes to where it begins
          assert.ok(reaches(drawing, to, from), `${from} > ${to} goes back without a circle`);
          continue;
        }
        assert.ok(start < end, `${from} (${start}) > ${to} (${end})`);
        assert.deepEqual(
          via.map(({ layer }) => layer),
          Array.from({ length: end - start - 1 }, (_, index) => start + 1 + index),
        );
      }
    }),
  );
});

function reaches({ edges }: Drawing, from: string, to: string, seen = new Set<string>()): boolean {
  if (from === to) return true;
  if (seen.has(from)) return false;
  seen.add(from);
  return edges.some((edge) => edge.from === from && reaches({ edges } as Drawing, edge.to, to, seen));
}

test('the places of a layer are taken once each, without a gap', () => {
  fc.assert(
    fc.property(subTopologies, (parts) => {
      const { nodes, edges, layers } = drawingOf(parts);
      const places = [...nodes, ...edges.flatMap(({ via }) => via)];
      const byLayer = Map.groupBy(places, ({ layer }) => layer);
      assert.equal(byLayer.size, layers);
      for (const [layer, taken] of byLayer)
        assert.deepEqual(
          taken.map(({ place }) => place).sort((a, b) => a - b),
          taken.map((_, index) => index),
          `layer ${layer}`,
        );
    }),
  );
});
