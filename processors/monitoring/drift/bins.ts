// Both windows counted in the same bins: the union of what either side has.
import { type CategorySample, type NumberSample, type Sample } from './sample.ts';

const QUANTILE_BINS = 10;

/** Counts at the same index belong to the same bin; no bin is empty on both sides. */
export interface BinCounts {
  readonly names: readonly string[];
  readonly reference: readonly number[];
  readonly current: readonly number[];
}

interface Bin {
  readonly name: string;
  readonly reference: number;
  readonly current: number;
}

/**
 * Numbers: bins between the deciles of the reference, closed on the right, equal deciles taken once; what lies outside the
 * range of the reference has a bin on either side; nulls have their own. Categories: one bin per name, nulls their own.
 */
export function binBoth(reference: Sample, current: Sample): BinCounts {
  const bins =
    reference.kind === 'number' && current.kind === 'number'
      ? numberBins(reference, current)
      : reference.kind === 'category' && current.kind === 'category'
        ? categoryBins(reference, current)
        : [];
  const all = [...bins, { name: 'null', reference: reference.nulls, current: current.nulls }];
  const used = all.filter((bin) => bin.reference > 0 || bin.current > 0);
  return {
    names: used.map(({ name }) => name),
    reference: used.map((bin) => bin.reference),
    current: used.map((bin) => bin.current),
  };
}

/**
 * Edges e₀ < e₁ < … of the bins (−∞, e₀), [e₀, e₁], (e₁, e₂], …, (e_k, ∞): the least value, the deciles, the greatest.
 * A decile is a value that occurs (the inverted distribution function): no interpolation, so ties fall on one side.
 */
export function quantileEdges(sorted: Float64Array): readonly number[] {
  const edges: number[] = [];
  for (let bin = 0; bin <= QUANTILE_BINS; bin += 1) {
    const place = Math.max(0, Math.ceil((bin * sorted.length) / QUANTILE_BINS) - 1);
    const edge = sorted[place];
    if (edge !== undefined && edge !== edges.at(-1)) edges.push(edge);
  }
  return edges;
}

function numberBins(reference: NumberSample, current: NumberSample): Bin[] {
  const edges = quantileEdges(reference.sorted);
  const first = edges[0];
  const last = edges.at(-1);
  if (first === undefined || last === undefined) {
    return [{ name: 'any number', reference: 0, current: current.sorted.length }];
  }
  const names = [
    `below ${String(first)}`,
    ...edges.slice(1).map((edge, at) => `${at === 0 ? '[' : '('}${String(edges[at])}, ${String(edge)}]`),
    `above ${String(last)}`,
  ];
  // with one edge only (a constant reference) that value is the only bin in range
  if (edges.length === 1) names.splice(1, 0, `exactly ${String(first)}`);
  const upper = edges.length === 1 ? edges : edges.slice(1);
  const count = (sorted: Float64Array): number[] => {
    const below = countBelow(sorted, first, false);
    const cumulative = upper.map((edge) => countBelow(sorted, edge, true));
    return [
      below,
      ...cumulative.map((total, at) => total - (at === 0 ? below : (cumulative[at - 1] ?? 0))),
      sorted.length - (cumulative.at(-1) ?? 0),
    ];
  };
  const referenceCounts = count(reference.sorted);
  const currentCounts = count(current.sorted);
  return names.map((name, at) => ({ name, reference: referenceCounts[at] ?? 0, current: currentCounts[at] ?? 0 }));
}

/** How many values are < limit (or ≤ limit). */
export function countBelow(sorted: Float64Array, limit: number, inclusive: boolean): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const value = sorted[middle] ?? Number.NaN;
    if (value < limit || (inclusive && value === limit)) low = middle + 1;
    else high = middle;
  }
  return low;
}

function categoryBins(reference: CategorySample, current: CategorySample): Bin[] {
  const names = [...new Set([...reference.counts.keys(), ...current.counts.keys()])].sort();
  return names.map((name) => ({
    name: `"${name}"`,
    reference: reference.counts.get(name) ?? 0,
    current: current.counts.get(name) ?? 0,
  }));
}
