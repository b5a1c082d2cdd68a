// Values of numpy, scipy, pandas and mmh3, and errors of datasketches' sketches (make.py beside this file).
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { parseAggregate } from '../../../schemas/aggregate-declaration.ts';
import { type SketchResult } from '../../../streams/aggregates/aggregate.ts';
import { aggregateOf } from '../../../streams/aggregates/catalogue.ts';
import { type Hash64, hash64 } from '../../../streams/aggregates/hash.ts';
import { distinctApprox } from '../../../streams/aggregates/hyperloglog.ts';
import { addToKll, mergeKll, newKll, quantileOf } from '../../../streams/aggregates/kll.ts';
import { topK } from '../../../streams/aggregates/top-k.ts';
import { rankError, uniform } from '../../property/aggregates/random.ts';

function golden(name: string): unknown {
  return JSON.parse(readFileSync(new URL(name, import.meta.url), 'utf8'));
}

type Event = readonly [timeMs: number, value: number];

/** The declared aggregate of the events, in their order. */
function answer(declaration: unknown, events: readonly Event[], nowMs = 0): SketchResult {
  const aggregate = aggregateOf(parseAggregate(declaration));
  if (aggregate.kind === 'sketch') {
    const state = aggregate.create();
    for (const [timeMs, value] of events) aggregate.add(state, value, timeMs);
    return aggregate.result(state, nowMs);
  }
  const slots = new Float64Array(aggregate.slots);
  aggregate.init(slots, 0);
  for (const [timeMs, value] of events) aggregate.add(slots, 0, value, timeMs);
  return aggregate.result(slots, 0, nowMs);
}

function assertClose(actual: unknown, expected: number | null, relative: number, what: string): void {
  if (expected === null) return assert.equal(actual, null, what);
  assert.ok(typeof actual === 'number', what);
  const error = Math.abs(actual - expected) / Math.max(Math.abs(expected), Number.MIN_VALUE);
  assert.ok(actual === expected || error <= relative, `${what}: ${actual} instead of ${expected}`);
}

interface ListCase {
  readonly name: string;
  readonly values: number[];
  readonly sum: number;
  readonly mean: number;
  readonly variance: [number, number | null];
  readonly stddev: [number, number | null];
  readonly min: number;
  readonly max: number;
  readonly quantiles: [number, number][];
  readonly bounds: number[];
  readonly histogram: number[];
  readonly distinct: number;
}

for (const one of golden('lists.json') as ListCase[])
  test(`numpy: ${one.name}`, () => {
    const events = one.values.map((value, at) => [at, value] as const);
    const of = (declaration: unknown): SketchResult => answer(declaration, events);
    assert.equal(of({ function: 'count' }), one.values.length);
    assertClose(of({ function: 'sum' }), one.sum, 1e-15, 'sum');
    assertClose(of({ function: 'mean' }), one.mean, 1e-15, 'mean');
    // a spread of 1e-3 at 1e9: κ is 1e12, and few of the 16 digits are left (moments.ts)
    const relative = one.name === 'far from 0' ? 1e-4 : 1e-12;
    for (const name of ['variance', 'stddev'] as const) {
      assertClose(of({ function: name, of: 'population' }), one[name][0], relative, name);
      assertClose(of({ function: name, of: 'sample' }), one[name][1], relative, name);
    }
    assert.equal(of({ function: 'min' }), one.min);
    assert.equal(of({ function: 'max' }), one.max);
    for (const [q, value] of one.quantiles) assert.equal(of({ function: 'quantile', q }), value, `quantile ${q}`);
    assert.deepEqual(of({ function: 'histogram', bounds: one.bounds }), one.histogram);
    assert.equal(of({ function: 'distinct' }), one.distinct);
    assert.equal(of({ function: 'distinct_approx' }), one.distinct);
  });

interface LogCase {
  readonly name: string;
  readonly half_life_ms: number;
  readonly now_ms: number;
  readonly events: Event[];
  readonly decayed_means: number[] | null;
  readonly decayed_mean: number;
  readonly decayed_sum: number;
  readonly last: number;
  readonly last_5: number[];
  readonly time_since_last: number;
  readonly share_at_least_15: number;
  readonly top_5_of_tens: [number, number][];
}

for (const one of golden('logs.json') as LogCase[])
  test(`pandas: ${one.name}`, () => {
    const halfLife = `${one.half_life_ms}ms`;
    const of = (declaration: unknown): SketchResult => answer(declaration, one.events, one.now_ms);
    assertClose(of({ function: 'decayed_mean', half_life: halfLife }), one.decayed_mean, 1e-12, 'decayed mean');
    assertClose(of({ function: 'decayed_sum', half_life: halfLife }), one.decayed_sum, 1e-12, 'decayed sum');
    assert.equal(of({ function: 'last' }), one.last);
    assert.deepEqual(of({ function: 'last_k', k: 5 }), one.last_5);
    assert.equal(of({ function: 'time_since_last' }), one.time_since_last);
    assertClose(of({ function: 'share', at_least: 15 }), one.share_at_least_15, 1e-15, 'share');
    const inTime = one.events.toSorted(([a], [b]) => a - b);
    one.decayed_means?.forEach((expected, at) => {
      const found = answer({ function: 'decayed_mean', half_life: halfLife }, inTime.slice(0, at + 1));
      assertClose(found, expected, 1e-11, `decayed mean after ${at + 1}`);
    });
    // pandas rounds half to even
    const tens = one.events.map(([timeMs, value]) => [timeMs, roundToTens(value)] as const);
    assert.deepEqual(
      answer({ function: 'top_k', k: 5 }, tens),
      one.top_5_of_tens.map(([value, count]) => ({ value, count, error: 0 })),
    );
  });

function roundToTens(value: number): number {
  const down = Math.floor(value / 10);
  const rest = value / 10 - down;
  const up = rest > 0.5 || (rest === 0.5 && down % 2 !== 0);
  return 10 * (up ? down + 1 : down) + 0;
}

test('mmh3: the first 64 of the 128 bits', () => {
  const hash: Hash64 = { high: 0, low: 0 };
  for (const [hex, seed, high, low] of golden('hashes.json') as [string, number, number, number][]) {
    const bytes = Buffer.from(hex, 'hex');
    hash64(bytes, bytes.length, seed, hash);
    assert.deepEqual([hash.high, hash.low], [high, low], `${hex} by ${seed}`);
  }
});

interface KllErrors {
  readonly n: number;
  readonly seeds: number;
  readonly panes: number;
  readonly ranks: number[];
  readonly rms: number;
}
const sketches = golden('sketches.json') as {
  readonly datasketches_bound_k200: number;
  readonly kll: KllErrors[];
  readonly hll: { n: number; seeds: number; rms: number }[];
  readonly frequent: { n: number; top: [number, number][] };
};

const rms = (errors: readonly number[]): number =>
  Math.sqrt(errors.reduce((sum, error) => sum + error ** 2, 0) / errors.length);

test('datasketches: the same stated bound for the same k', () => {
  assertClose(2.296 / 200 ** 0.9723, sketches.datasketches_bound_k200, 1e-12, 'bound');
});

for (const { n, seeds, panes, ranks, rms: theirs } of sketches.kll)
  test(`datasketches: KLL over the same ${n} values from ${panes} panes is no further off`, () => {
    const errors: number[] = [];
    for (let seed = 1; seed <= seeds; seed += 1) {
      const random = uniform(104_729 * seed);
      const values = Float64Array.from({ length: n }, random);
      const parts = Array.from({ length: panes }, () => newKll(200));
      values.forEach((value, at) => addToKll(parts[Math.floor((at * panes) / n)] ?? newKll(200), value));
      const [merged = newKll(200), ...others] = parts;
      for (const other of others) mergeKll(merged, other);
      values.sort();
      for (const q of ranks) errors.push(rankError(values, quantileOf(merged, q) ?? Number.NaN, q));
    }
    // both are random: of 40 seeds with 7 related ranks each, the ratio of two like sketches stays within 1.3
    assert.ok(rms(errors) <= 1.3 * theirs, `${rms(errors)} against ${theirs}`);
  });

for (const { n, seeds, rms: theirs } of sketches.hll)
  test(`datasketches: HyperLogLog of ${n} values is no further off than theirs of the same size`, () => {
    const errors = Array.from({ length: seeds }, (_, seed) => {
      const parts = Array.from({ length: 4 }, () => distinctApprox.create());
      const union = distinctApprox.create();
      for (let at = 0; at < n; at += 1) distinctApprox.add(parts[at % 4] ?? union, `${seed}/${at}`, 0);
      for (const part of parts) distinctApprox.merge(union, part);
      return distinctApprox.result(union, 0) / n - 1;
    });
    assert.ok(rms(errors) <= 1.3 * theirs, `${rms(errors)} against ${theirs}`);
  });

test('datasketches: the ten most frequent of a heavy tail, as theirs finds them', () => {
  const random = uniform(20130401);
  const { n, top } = sketches.frequent;
  const sketch = topK(10, 100);
  const state = sketch.create();
  for (let at = 0; at < n; at += 1) sketch.add(state, Math.floor(1 / (1 - random()) ** 1.1), at);
  const found = sketch.result(state, 0);
  const truth = new Map<number | string, number>(top);
  assert.deepEqual(new Set(found.map(({ value }) => value)), new Set(truth.keys()));
  for (const { value, count, error } of found) {
    const times = truth.get(value) ?? 0;
    assert.ok(count >= times && count - error <= times, `${value}: ${count} − ${error}, truly ${times}`);
  }
});
