// Exponentially decayed sum and mean: an event of age a weighs 2^(−a / half-life), by event time.
//
// Kept: Σ value·weight and Σ weight (each high and low, see compensated.ts), both as of an instant on the grid of whole half-lives, the
// first at or after the newest event; that instant's number; number of values. An event's weight as of its own grid instant depends on
// its time only, and from one grid instant to another it is halved a whole number of times, which is exact. So an event adds the same
// term whenever it comes: late events weigh what they would have weighed in time, the order makes no difference beyond the rounding of
// a compensated sum, and retraction takes out the very term that was added.
// Events more than 1,000 half-lives older than the newest fade into 0.
// Asked as of an instant before its newest event (a late event's pane may hold later ones) the sum is as of that instant, but at most a
// half-life before the grid instant: what comes later weighs less than 2, instead of without bound.
import { type NumericAggregate } from './aggregate.ts';
import { addTo, sumAt } from './compensated.ts';

const WEIGHT = 2;
const GRID = 4;
const VALUES = 5;

/** 2^−n, exact; the last one is the smallest double. */
const HALVINGS = new Float64Array(1075);
for (let power = 1, at = 0; at < HALVINGS.length; at += 1, power /= 2) HALVINGS[at] = power;

function halved(times: number): number {
  return times < HALVINGS.length ? (HALVINGS[times] as number) : 0;
}

/** Moves the sums on to a later instant of the grid. */
function moveTo(into: Float64Array, at: number, grid: number): void {
  const factor = halved(grid - (into[at + GRID] as number));
  for (let slot = at; slot < at + GRID; slot += 1) into[slot] = (into[slot] as number) * factor;
  into[at + GRID] = grid;
}

function change(into: Float64Array, at: number, value: number, timeMs: number, halfLifeMs: number, sign: number): void {
  const grid = Math.ceil(timeMs / halfLifeMs);
  // the difference of whole ms is exact, a quotient of large numbers would not be
  const weight = 2 ** ((timeMs - grid * halfLifeMs) / halfLifeMs);
  if (grid > (into[at + GRID] as number)) moveTo(into, at, grid);
  const factor = halved((into[at + GRID] as number) - grid);
  addTo(into, at, sign * (value * weight) * factor);
  addTo(into, at + WEIGHT, sign * weight * factor);
  into[at + VALUES] = (into[at + VALUES] as number) + sign;
}

function clear(into: Float64Array, at: number): void {
  into.fill(0, at, at + VALUES + 1);
  into[at + GRID] = -Infinity;
}

function kept(halfLifeMs: number) {
  return {
    kind: 'numeric',
    partial: `decayed ${halfLifeMs}`,
    slots: 6,
    retraction: 'approximate',
    isOfTime: true,
    needsValue: true,
    needsSecond: false,
    ofText: null,
    init: clear,
    add: (into, at, value, timeMs) => change(into, at, value, timeMs, halfLifeMs, 1),
    retract(into, at, value, timeMs) {
      change(into, at, value, timeMs, halfLifeMs, -1);
      if (into[at + VALUES] === 0) clear(into, at);
    },
    fold(into, at, panes, start, stride, count) {
      const end = start + count * stride;
      for (let pane = start; pane < end; pane += stride) {
        const values = panes[pane + VALUES] as number;
        if (values === 0) continue;
        const grid = panes[pane + GRID] as number;
        if (grid > (into[at + GRID] as number)) moveTo(into, at, grid);
        const factor = halved((into[at + GRID] as number) - grid);
        for (let slot = 0; slot < GRID; slot += 2) {
          addTo(into, at + slot, (panes[pane + slot] as number) * factor);
          into[at + slot + 1] = (into[at + slot + 1] as number) + (panes[pane + slot + 1] as number) * factor;
        }
        into[at + VALUES] = (into[at + VALUES] as number) + values;
      }
    },
  } satisfies Omit<NumericAggregate, 'name' | 'about' | 'result'>;
}

/**
 * Σ value · 2^(−(now − t) / half-life); null of no value.
 * @param halfLifeMs whole ms, > 0
 */
export function decayedSum(halfLifeMs: number): NumericAggregate {
  return {
    ...kept(halfLifeMs),
    name: 'decayed_sum',
    about:
      'Sum in which a value counts half after each half-life, null of none. Exact up to rounding, for late events too; retraction approximate.',
    result(from, at, nowMs) {
      if ((from[at + VALUES] as number) === 0) return null;
      const ageMs = Math.max(nowMs - (from[at + GRID] as number) * halfLifeMs, -halfLifeMs);
      const found = sumAt(from, at) * 2 ** (-ageMs / halfLifeMs);
      return Number.isNaN(found) ? null : found;
    },
  };
}

/**
 * Σ value·weight / Σ weight, the weights as in the decayed sum; null of no value. Now makes no difference: all weights fade alike.
 * @param halfLifeMs whole ms, > 0
 */
export function decayedMean(halfLifeMs: number): NumericAggregate {
  return {
    ...kept(halfLifeMs),
    name: 'decayed_mean',
    about:
      'Mean in which a value counts half after each half-life, null of none. Exact up to rounding, for late events too; retraction approximate.',
    result(from, at) {
      if ((from[at + VALUES] as number) === 0) return null;
      const found = sumAt(from, at) / sumAt(from, at + WEIGHT);
      return Number.isFinite(found) ? found : null;
    },
  };
}
