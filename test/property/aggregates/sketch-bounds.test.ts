// What the sketches promise beyond the number of values that they keep exactly: for top-k and the structure of KLL always, for the errors
// of KLL and HyperLogLog by statistics over fixed seeds.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { addHash, distinctApprox } from '../../../streams/aggregates/hyperloglog.ts';
import {
  type Kll,
  addToKll,
  decodeKll,
  encodeKll,
  mergeKll,
  newKll,
  quantileOf,
} from '../../../streams/aggregates/kll.ts';
import { topK } from '../../../streams/aggregates/top-k.ts';
import { choices, chooser } from './drawn.ts';
import { rankError, uniform } from './random.ts';
import { mergeAll } from './run-aggregate.ts';

const COUNTERS = 5;

test('top-k: no count is too small, none too large by more than its error, and that is at most n / counters', () => {
  const sketch = topK(COUNTERS, COUNTERS);
  // some values often, many seldom
  const skewed = fc.oneof(fc.constantFrom('a', 'b', 1), fc.integer({ min: 0, max: 12 }));
  const lists = fc.array(fc.array(skewed, { maxLength: 60, size: 'max' }), { minLength: 1, maxLength: 6 });
  fc.assert(
    fc.property(lists, choices, (panes, stream) => {
      const states = panes.map((values) => {
        const state = sketch.create();
        for (const value of values) sketch.add(state, value, 0);
        return state;
      });
      const merged = mergeAll(sketch, states, chooser(stream)) as (typeof states)[number];
      const all = panes.flat();
      const found = sketch.result(merged, 0);
      const truth = (value: number | string): number => all.filter((other) => other === value).length;
      for (const { value, count, error } of found) {
        assert.ok(count >= truth(value) && count - error <= truth(value), `${value}: ${count} − ${error}`);
        assert.ok(error <= all.length / COUNTERS, `error ${error} of ${all.length}`);
      }
      for (const value of new Set(all))
        if (truth(value) > all.length / COUNTERS)
          assert.ok(
            found.some((one) => one.value === value),
            `${value} is there`,
          );
      assert.deepEqual(
        found.map(({ count }) => count),
        found.map(({ count }) => count).sort((a, b) => b - a),
      );
    }),
    { numRuns: 500 },
  );
});

test('KLL: weights add up to the number of values, memory is bounded, answers are values, bytes carry on alike', () => {
  const list = fc.array(fc.double({ noNaN: true, noDefaultInfinity: true }), {
    minLength: 1,
    maxLength: 300,
    size: 'max',
  });
  fc.assert(
    fc.property(
      fc.array(list, { minLength: 1, maxLength: 5 }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      (panes, q) => {
        const sketches = panes.map((values) => {
          const [kept, stored] = [newKll(8), newKll(8)];
          let other: Kll = stored;
          values.forEach((value, at) => {
            addToKll(kept, value);
            if (at % 7 === 0) other = decodeKll(encodeKll(other), 8);
            addToKll(other, value);
          });
          assert.deepEqual(encodeKll(other), encodeKll(kept));
          return kept;
        });
        const [merged = newKll(8), ...others] = sketches;
        for (const other of others) mergeKll(merged, other);
        const all = Float64Array.from(panes.flat()).sort();
        assert.equal(merged.values, all.length);
        assert.equal(
          merged.sizes.reduce((sum, size, level) => sum + size * 2 ** level, 0),
          all.length,
        );
        assert.equal(
          merged.kept,
          merged.sizes.reduce((sum, size) => sum + size, 0),
        );
        assert.ok(merged.kept < merged.room);
        assert.ok(all.includes(quantileOf(merged, q) ?? Number.NaN));
        assert.deepEqual([quantileOf(merged, 0), quantileOf(merged, 1)], [all[0], all.at(-1)]);
      },
    ),
  );
});

const ORDERS: Readonly<Record<string, (at: number, n: number, random: () => number) => number>> = {
  uniform: (_at, _n, random) => random(),
  ascending: (at, _n, random) => at + random(),
  descending: (at, n, random) => n - at + random(),
  'zigzag from the outside in': (at, n, random) => (at % 2 === 0 ? at : n - at) + random() / 2,
  'ten values': (_at, _n, random) => Math.floor(10 * random()),
  'heavy tail': (_at, _n, random) => 1 / (1 - random()) ** 2,
};
const RANKS = [0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99];

/** Errors of all ranks over the seeds. */
function kllErrors(order: string, n: number, k: number, panes: number, seeds: number): number[] {
  const draw = ORDERS[order] ?? (() => 0);
  const errors: number[] = [];
  for (let seed = 1; seed <= seeds; seed += 1) {
    const random = uniform(7919 * seed);
    const values = Float64Array.from({ length: n }, (_, at) => draw(at, n, random));
    const sketches = Array.from({ length: panes }, () => newKll(k));
    values.forEach((value, at) => addToKll(sketches[Math.floor((at * panes) / n)] ?? newKll(k), value));
    const [merged = newKll(k), ...others] = sketches;
    for (const other of others) mergeKll(merged, other);
    values.sort();
    for (const q of RANKS) errors.push(rankError(values, quantileOf(merged, q) ?? Number.NaN, q));
  }
  return errors;
}

for (const order of Object.keys(ORDERS))
  test(`KLL: ranks of ${order} are off by 2.296 / k^0.9723 in 1 of 100 answers at most, from one sketch and from 60`, () => {
    for (const [k, panes] of [
      [200, 1],
      [200, 60],
      [50, 1],
    ] as const) {
      const errors = kllErrors(order, 20_000, k, panes, 30);
      const bound = 2.296 / k ** 0.9723;
      const beyond = errors.filter((error) => !(error <= bound)).length;
      // 210 answers: more than 6 beyond a bound of 1 % come by chance with p < 0.005
      assert.ok(beyond <= 6, `${beyond} of ${errors.length} beyond ${bound} (k ${k}, ${panes} panes)`);
      assert.ok(Math.max(...errors) <= 2 * bound, `largest ${Math.max(...errors)}`);
    }
  });

/** Relative errors of n distinct values, by seed. */
function hllErrors(n: number, seeds: number, text: boolean): number[] {
  return Array.from({ length: seeds }, (_, seed) => {
    const state = distinctApprox.create();
    for (let at = 0; at < n; at += 1) {
      const value = seed * 10_000_000 + at;
      distinctApprox.add(state, text ? `user-${value}` : value, 0);
    }
    return distinctApprox.result(state, 0) / n - 1;
  });
}

for (const [n, seeds, text] of [
  [1000, 100, false],
  [5000, 100, true],
  [12_000, 100, false],
  [50_000, 40, true],
  [400_000, 16, false],
] as const)
  test(`HyperLogLog: ${n} distinct ${text ? 'texts' : 'numbers'} with a standard error of 1.63 %, and no bias`, () => {
    const errors = hllErrors(n, seeds, text);
    const mean = errors.reduce((sum, error) => sum + error, 0) / seeds;
    const deviation = Math.sqrt(errors.reduce((sum, error) => sum + error ** 2, 0) / seeds);
    const standard = 1.04 / Math.sqrt(4096);
    // three standard errors of the estimates themselves
    assert.ok(deviation <= standard * (1 + 3 / Math.sqrt(2 * seeds)), `standard error ${deviation}`);
    assert.ok(Math.abs(mean) <= (3 * standard) / Math.sqrt(seeds), `bias ${mean}`);
  });

test('HyperLogLog: up to 768 values every answer is exact', () => {
  for (let seed = 0; seed < 20; seed += 1) {
    const state = distinctApprox.create();
    for (let at = 1; at <= 768; at += 1) {
      distinctApprox.add(state, `${seed}/${at}`, 0);
      distinctApprox.add(state, `${seed}/${1 + (at >> 1)}`, 0);
      // one of the seeds may lose one to a collision
      assert.ok(Math.abs(distinctApprox.result(state, 0) - at) <= 1);
    }
  }
});

test('HyperLogLog: the bytes depend on the set of values alone, whatever was merged with what, sparse or dense', () => {
  const range = fc.tuple(fc.nat({ max: 3000 }), fc.nat({ max: 900 }));
  fc.assert(
    fc.property(fc.array(range, { minLength: 1, maxLength: 6 }), choices, (ranges, stream) => {
      const whole = distinctApprox.create();
      const panes = ranges.map(([start, length]) => {
        const pane = distinctApprox.create();
        for (let value = start; value < start + length; value += 1)
          for (const state of [whole, pane]) distinctApprox.add(state, value, 0);
        return pane;
      });
      const merged = mergeAll(distinctApprox, panes, chooser(stream));
      assert.deepEqual(distinctApprox.encode(merged as typeof whole), distinctApprox.encode(whole));
    }),
    { numRuns: 60 },
  );
});

test('HyperLogLog: a register holds the place of the first 1 after its number, however it came there', () => {
  // many zeros, which real hashes bring only after millions of values
  const word = fc.tuple(fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }), fc.nat({ max: 31 }));
  const hashes = fc.array(fc.tuple(word, word), { minLength: 1, maxLength: 40 });
  fc.assert(
    fc.property(hashes, fc.nat({ max: 11 }), (drawn, numberBits) => {
      const expected = new Uint8Array(4096);
      const state = distinctApprox.create();
      for (const [[high, zeros], [low, more]] of drawn) {
        const hash = { high: (high & ((-1 << (20 + numberBits)) | (-1 >>> zeros))) | 0, low: (low >>> more) | 0 };
        addHash(state, hash);
        const bits = [hash.high, hash.low].map((half) => (half >>> 0).toString(2).padStart(32, '0')).join('');
        const register = parseInt(bits.slice(0, 12), 2);
        const rank = 1 + (bits.indexOf('1', 12) < 0 ? 52 : bits.indexOf('1', 12) - 12);
        expected[register] = Math.max(expected[register] ?? 0, rank);
      }
      const dense = distinctApprox.create();
      // the same values first or last, sparse into dense
      const filler = distinctApprox.create();
      for (let value = 0; value < 800; value += 1) distinctApprox.add(filler, value, 0);
      distinctApprox.merge(dense, filler);
      distinctApprox.merge(dense, state);
      distinctApprox.merge(state, filler);
      for (const found of [dense, state, distinctApprox.decode(distinctApprox.encode(dense))])
        found.registers.forEach((rank, register) => {
          assert.equal(
            rank,
            Math.max(expected[register] ?? 0, filler.registers[register] ?? 0),
            `register ${register}`,
          );
        });
      assert.equal(dense.sparse, null);
    }),
  );
});
