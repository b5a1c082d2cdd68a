// The ends of the range of doubles, and what rounding must not do.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type NumericAggregate } from '../../../streams/aggregates/aggregate.ts';
import { decayedMean, decayedSum } from '../../../streams/aggregates/decayed.ts';
import { max, min } from '../../../streams/aggregates/extremes.ts';
import { first, last } from '../../../streams/aggregates/first-last.ts';
import { lastK } from '../../../streams/aggregates/last-k.ts';
import { standardDeviation, variance } from '../../../streams/aggregates/moments.ts';
import { quantile } from '../../../streams/aggregates/quantile.ts';
import { ratio } from '../../../streams/aggregates/ratio.ts';
import { share } from '../../../streams/aggregates/share.ts';
import { mean, sum } from '../../../streams/aggregates/sum.ts';
import { timeSinceLast } from '../../../streams/aggregates/time-since-last.ts';

function kept(aggregate: NumericAggregate): Float64Array {
  const slots = new Float64Array(aggregate.slots);
  aggregate.init(slots, 0);
  return slots;
}

function of(aggregate: NumericAggregate, values: readonly number[], gone: readonly number[] = []): number | null {
  const slots = kept(aggregate);
  values.forEach((value) => aggregate.add(slots, 0, value, 0, value));
  gone.forEach((value) => aggregate.retract(slots, 0, value, 0, value));
  return aggregate.result(slots, 0, 0);
}

test('a sum does not lose what is small beside what is large', () => {
  assert.equal(of(sum, [1e100, 1, -1e100]), 1);
  assert.equal(
    of(
      sum,
      Array.from({ length: 10 }, () => 0.1),
    ),
    1,
  );
  assert.equal(of(sum, [1, 1e17], [1e17]), 1);
  assert.equal(of(mean, [3, 1e300, 5], [1e300]), 4);
});

test('when all is taken out, nothing is left, rounding neither', () => {
  for (const aggregate of [sum, mean, variance('population'), ratio, decayedSum(1000), decayedMean(1000)]) {
    const slots = kept(aggregate);
    for (const value of [0.1, 1e16, 0.3]) aggregate.add(slots, 0, value, value, value);
    for (const value of [1e16, 0.3, 0.1]) aggregate.retract(slots, 0, value, value, value);
    assert.deepEqual(slots, kept(aggregate), aggregate.name);
  }
});

test('a sum beyond the range of a double is infinite; infinities of both signs are nothing', () => {
  const large = Number.MAX_VALUE;
  assert.equal(of(sum, [large, large]), Infinity);
  assert.equal(of(mean, [-large, -large]), -Infinity);
  assert.equal(of(sum, [large, large, -1]), Infinity);
  const [over, under] = [kept(sum), kept(sum)];
  for (const [slots, value] of [
    [over, large],
    [under, -large],
  ] as const)
    for (let times = 0; times < 2; times += 1) sum.add(slots, 0, value, 0);
  sum.fold(over, 0, under, 0, 3, 1);
  assert.equal(sum.result(over, 0, 0), null);
  assert.equal(of(ratio, [large, large]), null);
});

test('a variance of equal values is 0, whatever they are and however they are split', () => {
  for (const value of [0.1, 1e9 + 0.1, 1e150, -1e300, 5e-324]) {
    assert.equal(
      of(
        variance('sample'),
        Array.from({ length: 1000 }, () => value),
      ),
      0,
    );
    const panes = new Float64Array(9);
    for (let pane = 0; pane < 9; pane += 3)
      for (let times = 0; times <= pane; times += 1) variance('sample').add(panes, pane, value, 0);
    const slots = kept(variance('sample'));
    variance('sample').fold(slots, 0, panes, 0, 3, 3);
    assert.equal(variance('sample').result(slots, 0, 0), 0);
  }
});

test('a variance far from 0 keeps its digits', () => {
  assert.equal(of(variance('population'), [1e15, 1e15 + 2]), 1);
  assert.equal(of(standardDeviation('population'), [2 ** 52, 2 ** 52 + 1, 2 ** 52 + 2, 2 ** 52 + 3]), Math.sqrt(1.25));
  assert.equal(of(variance('sample'), [7]), null);
  assert.equal(of(variance('population'), [7]), 0);
});

test('of values that are equal again the deviation is 0, not the root of a rounding error', () => {
  assert.equal(of(standardDeviation('sample'), [-8, -8, -1], [-1]), 0);
  assert.equal(of(standardDeviation('population'), [0.1, 0.1, 0.1, 7e9], [7e9]), 0);
  // what is left and is more than that stays
  assert.ok(Math.abs((of(variance('population'), [1, 3, 1e5], [1e5]) ?? 0) - 1) < 1e-5);
});

test('a spread whose square no double holds is infinite, until the pane is empty', () => {
  const slots = kept(variance('sample'));
  for (const value of [1e200, -1e200, 1.7e308, -1.7e308]) variance('sample').add(slots, 0, value, 0);
  assert.equal(variance('sample').result(slots, 0, 0), Infinity);
  for (const value of [1e200, -1e200, 1.7e308, -1.7e308]) variance('sample').retract(slots, 0, value, 0);
  for (const value of [1, 3]) variance('sample').add(slots, 0, value, 0);
  assert.equal(variance('sample').result(slots, 0, 0), 2);
});

test('the variance of numbers near the end of the range is infinite, never negative and never no number', () => {
  const far = [1e308, -1e308, 1.7e308, -Number.MAX_VALUE];
  for (const aggregate of [variance('sample'), variance('population'), standardDeviation('sample')]) {
    for (let count = 2; count <= far.length; count += 1) {
      assert.equal(of(aggregate, far.slice(0, count)), Infinity, `${aggregate.name} of ${count}`);
      assert.equal(of(aggregate, [...far.slice(0, count), 1, 2, 3], [1]), Infinity, `${aggregate.name} after ${count}`);
    }
    assert.equal(of(aggregate, [1e308, 1e308, 1e308]), 0);
    // panes of one value each, and of two
    for (const width of [1, 2]) {
      const panes = new Float64Array(3 * far.length);
      for (const [index, value] of far.entries()) aggregate.add(panes, 3 * Math.floor(index / width), value, 0);
      const slots = kept(aggregate);
      aggregate.fold(slots, 0, panes, 0, 3, far.length / width);
      assert.equal(aggregate.result(slots, 0, 0), Infinity);
      aggregate.fold(slots, 0, panes, 0, 3, 1);
      assert.equal(aggregate.result(slots, 0, 0), Infinity);
    }
  }
  // as rows of before may have it
  assert.equal(variance('sample').result(Float64Array.of(2, -Infinity, -Infinity), 0, 0), Infinity);
});

test('asked as of before its newest event, a time since last is 0, and what is later weighs less than 2', () => {
  const since = kept(timeSinceLast);
  timeSinceLast.add(since, 0, 1, 1000);
  assert.deepEqual(
    [990, 1000, 1001].map((nowMs) => timeSinceLast.result(since, 0, nowMs)),
    [0, 0, 1],
  );
  const decayed = kept(decayedSum(10));
  decayedSum(10).add(decayed, 0, 1, 99_999);
  for (const nowMs of [0, 90_000, 99_999]) {
    const weight = decayedSum(10).result(decayed, 0, nowMs) ?? Number.NaN;
    assert.ok(weight >= 1 && weight < 2, `${nowMs}: ${weight}`);
  }
});

test('−0 is below 0, in whichever order they come', () => {
  for (const values of [
    [0, -0],
    [-0, 0],
  ]) {
    assert.ok(Object.is(of(min, values), -0));
    assert.ok(Object.is(of(max, values), 0));
    for (const [aggregate, expected] of [
      [min, -0],
      [max, 0],
    ] as const) {
      const slots = kept(aggregate);
      aggregate.fold(slots, 0, Float64Array.from(values), 0, 1, 2);
      assert.ok(Object.is(aggregate.result(slots, 0, 0), expected));
    }
  }
});

test('of two events at one instant the later in the log wins, from the later pane too', () => {
  for (const aggregate of [first, last]) {
    const slots = kept(aggregate);
    aggregate.fold(slots, 0, Float64Array.of(1000, 7, 1000, 8), 0, 2, 2);
    assert.equal(aggregate.result(slots, 0, 0), 8);
    aggregate.fold(slots, 0, Float64Array.of(1000, 9), 0, 2, 1);
    assert.equal(aggregate.result(slots, 0, 0), 9);
  }
  const sketch = lastK(2);
  const [into, from] = [sketch.create(), sketch.create()];
  sketch.add(into, 'a', 5);
  sketch.add(into, 'b', 5);
  sketch.add(from, 'c', 5);
  sketch.merge(into, from);
  assert.deepEqual(sketch.result(into, 0), ['b', 'c']);
});

test('a quantile is the value that is meant, where q × n is a rounding error above a whole number', () => {
  assert.ok(0.07 * 100 > 7);
  const sketch = quantile(0.07, 200);
  const state = sketch.create();
  for (let value = 1; value <= 100; value += 1) sketch.add(state, value, 0);
  assert.equal(sketch.result(state, 0), 7);
});

test('each condition of a share lets through what it says', () => {
  const values = [1, 2, 3];
  for (const [condition, meeting] of [
    [{ above: 2 }, 1],
    [{ at_least: 2 }, 2],
    [{ below: 2 }, 1],
    [{ at_most: 2 }, 2],
    [{ equals: 2 }, 1],
    [{ above: 1, at_most: 3 }, 2],
  ] as const)
    assert.equal(of(share(condition), values), meeting / 3, JSON.stringify(condition));
});

test('text meets its share as text', () => {
  const late = share({ equals: 'late' });
  const slots = kept(late);
  for (const text of ['late', 'on time', '', 'late']) late.add(slots, 0, late.ofText?.(text) ?? Number.NaN, 0);
  assert.equal(late.result(slots, 0, 0), 0.5);
  assert.equal(share({ equals: 1 }).ofText, null);
});

test('a ratio is of both sums, and of no event at all it is null', () => {
  const slots = kept(ratio);
  for (const [value, second] of [
    [1, 4],
    [2, 4],
  ] as const)
    ratio.add(slots, 0, value, 0, second);
  assert.equal(ratio.result(slots, 0, 0), 0.375);
  assert.equal(of(ratio, [0]), null);
  assert.equal(of(ratio, [5, -5]), null);
});

test('late events weigh what they would have weighed in time, to the bit', () => {
  const DAY_MS = 86_400_000;
  const decayed = decayedSum(6 * 3_600_000);
  const events = Array.from({ length: 50 }, (_, at) => [1.5e12 + ((at * 7919) % 50) * 0.31 * DAY_MS, at - 20] as const);
  const [inTime, late] = [kept(decayed), kept(decayed)];
  for (const [timeMs, value] of events.toSorted(([a], [b]) => a - b)) decayed.add(inTime, 0, value, Math.round(timeMs));
  for (const [timeMs, value] of events.toSorted(([a], [b]) => b - a)) decayed.add(late, 0, value, Math.round(timeMs));
  const nowMs = 1.5e12 + 16 * DAY_MS;
  assert.equal(decayed.result(late, 0, nowMs), decayed.result(inTime, 0, nowMs));
});

test('the newest event can be taken out of a decayed mean though it outweighs all others', () => {
  const decayed = decayedMean(1000);
  const slots = kept(decayed);
  decayed.add(slots, 0, 3, 0);
  decayed.add(slots, 0, 4, 1000);
  decayed.add(slots, 0, 1e9, 300_000);
  decayed.retract(slots, 0, 1e9, 300_000);
  // weights 1 and 2
  assert.equal(decayed.result(slots, 0, 300_000), 11 / 3);
});

test('what is older than a thousand half-lives is nothing', () => {
  const slots = kept(decayedSum(1));
  decayedSum(1).add(slots, 0, 5, 0);
  assert.equal(decayedSum(1).result(slots, 0, 1e6), 0);
  decayedSum(1).add(slots, 0, 7, 1e6);
  decayedSum(1).add(slots, 0, 9, 10);
  assert.equal(decayedSum(1).result(slots, 0, 1e6), 7);
});
