// A sample of one subject (an input, the score, the label) in one window, made ready for comparing: once per window.

/** Numbers, ascending; null and NaN values are only counted. */
export interface NumberSample {
  readonly kind: 'number';
  readonly sorted: Float64Array;
  readonly nulls: number;
}

/** Rows per category; null is a category of its own, apart from every name. */
export interface CategorySample {
  readonly kind: 'category';
  readonly counts: ReadonlyMap<string, number>;
  readonly nulls: number;
}

export type Sample = NumberSample | CategorySample;

export function numberSample(values: Iterable<number | null>): NumberSample {
  const present: number[] = [];
  let nulls = 0;
  for (const value of values) {
    if (value === null || Number.isNaN(value)) nulls += 1;
    // −0 and 0 are the same value
    else present.push(value === 0 ? 0 : value);
  }
  return { kind: 'number', sorted: Float64Array.from(present).sort(), nulls };
}

export function categorySample(values: Iterable<string | null>): CategorySample {
  const counts = new Map<string, number>();
  let nulls = 0;
  for (const value of values) {
    if (value === null) nulls += 1;
    else counts.set(value, (counts.get(value) ?? 0) + 1);
  }
  return { kind: 'category', counts, nulls };
}

export function rowsOf(sample: Sample): number {
  if (sample.kind === 'number') return sample.sorted.length + sample.nulls;
  let rows = sample.nulls;
  for (const count of sample.counts.values()) rows += count;
  return rows;
}

/** Law: merging the samples of two parts gives the sample of the whole. */
export function mergeSamples(a: Sample, b: Sample): Sample {
  if (a.kind === 'number' && b.kind === 'number') {
    return { kind: 'number', sorted: Float64Array.from([...a.sorted, ...b.sorted]).sort(), nulls: a.nulls + b.nulls };
  }
  if (a.kind === 'number' || b.kind === 'number') throw new TypeError('Numbers and categories do not merge.');
  const counts = new Map(a.counts);
  for (const [name, count] of b.counts) counts.set(name, (counts.get(name) ?? 0) + count);
  return { kind: 'category', counts, nulls: a.nulls + b.nulls };
}
