// What each aggregate should answer, computed naively from the list of all events, and how far off it may be by its own documentation.
import { type AggregateFunction } from '../../../schemas/aggregate-declaration.ts';
import { type SketchResult } from '../../../streams/aggregates/aggregate.ts';
import { exactMean, exactTotal, exactVariance } from './rational.ts';

/** In the order of the log. */
export interface SourceEvent {
  readonly timeMs: number;
  readonly value: number | string | null;
  readonly second: number | null;
}

export interface Asked {
  /** still there */
  readonly events: readonly SourceEvent[];
  /** added and taken out again */
  readonly gone: readonly SourceEvent[];
  readonly nowMs: number;
}

export interface Oracle {
  /** as users write it */
  readonly declaration: Readonly<Record<string, unknown>> & { readonly function: AggregateFunction };
  /** which values the property tests draw */
  readonly values: 'any number' | 'number whose square is one' | 'number or text';
  /** any: order and split make no difference; time: panes are ranges of event time, in order */
  readonly split: 'any' | 'time';
  answer(asked: Asked): SketchResult;
  /** the largest error allowed; absent: none */
  tolerance?(asked: Asked): number;
}

const HALF_LIFE_MS = 1000;
const EPSILON = 2 ** -53;

const numbers = (events: readonly SourceEvent[]): number[] =>
  events.flatMap(({ value }) => (typeof value === 'number' ? [value] : []));
const present = (events: readonly SourceEvent[]): (number | string)[] =>
  events.flatMap(({ value }) => (value === null ? [] : [value]));
const ofAny =
  (answer: (values: number[]) => number) =>
  ({ events }: Asked): number | null =>
    numbers(events).length === 0 ? null : answer(numbers(events));
const absolute = (values: readonly number[]): number => values.reduce((sum, value) => sum + Math.abs(value), 0);

/** compensated.ts; the factor 4 for the order of merging */
function sumError(events: readonly number[], gone: readonly number[]): number {
  const terms = events.length + 2 * gone.length;
  const rounding = 4 * EPSILON * Math.abs(exactTotal(events));
  return rounding + 4 * terms ** 2 * EPSILON ** 2 * (absolute(events) + 2 * absolute(gone)) + Number.MIN_VALUE;
}

const sumTolerance = ({ events, gone }: Asked): number => sumError(numbers(events), numbers(gone));
const meanTolerance = (asked: Asked): number => sumTolerance(asked) / Math.max(1, numbers(asked.events).length);

/** moments.ts: n ε κ relative; κ by the largest value seen, since means of panes may be far from the mean of all. */
function varianceTolerance(less: number): (asked: Asked) => number {
  return ({ events, gone }) => {
    const values = numbers(events);
    const n = values.length + numbers(gone).length;
    const largest = Math.max(0, ...[...values, ...numbers(gone)].map(Math.abs));
    if (values.length <= less) return 0;
    const squares = exactVariance(values, less) * (values.length - less);
    const spread = gone.length === 0 ? Math.sqrt(squares * n) : largest * n;
    const error = 16 * n * EPSILON * (squares + spread * largest) + 16 * n * (n * EPSILON * largest) ** 2;
    return error / (values.length - less) + Number.MIN_VALUE;
  };
}

/** sqrt has no slope to bound at 0: the error of a root is at most the root of the error. */
function deviationTolerance(less: number): (asked: Asked) => number {
  const variance = varianceTolerance(less);
  return (asked) => {
    const values = numbers(asked.events);
    if (values.length <= less) return 0;
    const [error, root] = [variance(asked), Math.sqrt(exactVariance(values, less))];
    return Math.min(Math.sqrt(error), error / root) + 4 * EPSILON * root;
  };
}

const weight = (timeMs: number, nowMs: number): number => 2 ** (-(nowMs - timeMs) / HALF_LIFE_MS);

/** Of Σ value·weight, as of now; `of` gives the values. */
function decayed(asked: Asked, of: (event: SourceEvent) => number | null): { total: number; error: number } {
  const terms = (events: readonly SourceEvent[]): number[] =>
    events.flatMap((event) => {
      const value = of(event);
      return value === null ? [] : [value * weight(event.timeMs, asked.nowMs)];
    });
  const [stay, gone] = [terms(asked.events), terms(asked.gone)];
  const count = stay.length + 2 * gone.length;
  const error = 64 * EPSILON * absolute(stay) + 4 * count ** 2 * EPSILON ** 2 * (absolute(stay) + 2 * absolute(gone));
  return { total: exactTotal(stay), error: error + 1e-307 };
}

const numberOf = ({ value }: SourceEvent): number | null => (typeof value === 'number' ? value : null);
const oneOf = ({ value }: SourceEvent): number | null => (typeof value === 'number' ? 1 : null);

function decayedMeanOf(asked: Asked): { mean: number | null; error: number } {
  if (numbers(asked.events).length === 0) return { mean: null, error: 0 };
  const [sum, weights] = [decayed(asked, numberOf), decayed(asked, oneOf)];
  const mean = sum.total / weights.total;
  return { mean, error: (2 * (sum.error + Math.abs(mean) * weights.error)) / weights.total };
}

const pairs = (events: readonly SourceEvent[]): readonly (readonly [number, number])[] =>
  events.flatMap(({ value, second }) =>
    typeof value === 'number' && second !== null ? [[value, second] as const] : [],
  );

function ratioOf({ events, gone }: Asked): { ratio: number | null; error: number } {
  const [above, below] = [0, 1].map((side) => pairs(events).map((pair) => pair[side] ?? 0));
  const [goneAbove, goneBelow] = [0, 1].map((side) => pairs(gone).map((pair) => pair[side] ?? 0));
  const [numerator, denominator] = [exactTotal(above ?? []), exactTotal(below ?? [])];
  const ratio = denominator === 0 ? null : numerator / denominator;
  const [one, other] = [sumError(above ?? [], goneAbove ?? []), sumError(below ?? [], goneBelow ?? [])];
  // a denominator that is all error may be anything, 0 too; that of whole numbers has none
  const whole = [...(below ?? []), ...(goneBelow ?? [])].every(Number.isSafeInteger);
  if (other >= Math.abs(denominator) / 2 && !(whole && denominator === 0)) return { ratio, error: Infinity };
  return { ratio, error: ratio === null ? 0 : (4 * (one + Math.abs(ratio) * other)) / Math.abs(denominator) + 1e-320 };
}

/** Stable, so that of one instant the later in the log comes later. */
const inTime = (events: readonly SourceEvent[]): SourceEvent[] =>
  events.filter(({ value }) => value !== null).sort((a, b) => a.timeMs - b.timeMs);

const sizes = (values: readonly (number | string)[]): number =>
  new Set(values.map((value) => (value === 0 ? 0 : value))).size;

/** One per entry, in the form that the property tests draw; the compiler sees that none is missing. */
export const ORACLES: { readonly [F in AggregateFunction]: Oracle } = {
  count: {
    declaration: { function: 'count' },
    values: 'any number',
    split: 'any',
    answer: ({ events }) => events.length,
  },
  sum: {
    declaration: { function: 'sum' },
    values: 'any number',
    split: 'any',
    answer: ofAny(exactTotal),
    tolerance: sumTolerance,
  },
  mean: {
    declaration: { function: 'mean' },
    values: 'any number',
    split: 'any',
    answer: ofAny(exactMean),
    tolerance: meanTolerance,
  },
  variance: {
    declaration: { function: 'variance' },
    values: 'number whose square is one',
    split: 'any',
    answer: ({ events }) => (numbers(events).length < 2 ? null : exactVariance(numbers(events), 1)),
    tolerance: varianceTolerance(1),
  },
  stddev: {
    declaration: { function: 'stddev', of: 'population' },
    values: 'number whose square is one',
    split: 'any',
    answer: ofAny((values) => Math.sqrt(exactVariance(values, 0))),
    tolerance: deviationTolerance(0),
  },
  min: {
    declaration: { function: 'min' },
    values: 'any number',
    split: 'any',
    answer: ofAny((values) => Math.min(...values)),
  },
  max: {
    declaration: { function: 'max' },
    values: 'any number',
    split: 'any',
    answer: ofAny((values) => Math.max(...values)),
  },
  first: {
    declaration: { function: 'first' },
    values: 'any number',
    split: 'time',
    answer: ({ events }) => {
      const earliest = inTime(events)[0]?.timeMs;
      return numbers(events.filter(({ timeMs }) => timeMs === earliest)).at(-1) ?? null;
    },
  },
  last: {
    declaration: { function: 'last' },
    values: 'any number',
    split: 'time',
    answer: ({ events }) => numbers(inTime(events)).at(-1) ?? null,
  },
  last_k: {
    declaration: { function: 'last_k', k: 3 },
    values: 'number or text',
    split: 'time',
    answer: ({ events }) => present(inTime(events)).slice(-3),
  },
  distinct: {
    declaration: { function: 'distinct' },
    values: 'number or text',
    split: 'any',
    answer: ({ events }) => sizes(present(events)),
  },
  distinct_approx: {
    declaration: { function: 'distinct_approx' },
    values: 'number or text',
    split: 'any',
    answer: ({ events }) => sizes(present(events)),
  },
  quantile: {
    declaration: { function: 'quantile', q: 0.3 },
    values: 'any number',
    split: 'any',
    // exact below k = 200 values
    answer: ofAny((values) => {
      const sorted = Float64Array.from(values).sort();
      return [...sorted].find((_, at) => 10 * (at + 1) >= 3 * sorted.length) ?? Number.NaN;
    }),
  },
  top_k: {
    declaration: { function: 'top_k', k: 4 },
    values: 'number or text',
    split: 'any',
    answer: ({ events }) => {
      const counts = new Map<number | string, number>();
      for (const value of present(events)) counts.set(value, (counts.get(value) ?? 0) + 1);
      const before = (a: number | string, b: number | string): number =>
        typeof a === typeof b ? (a < b ? -1 : 1) : typeof a === 'number' ? -1 : 1;
      return [...counts]
        .sort(([a, most], [b, least]) => least - most || before(a, b))
        .slice(0, 4)
        .map(([value, count]) => ({ value, count, error: 0 }));
    },
  },
  histogram: {
    declaration: { function: 'histogram', bounds: [-2, 0, 1.5, 1e6] },
    values: 'any number',
    split: 'any',
    answer: ({ events }) =>
      [-Infinity, -2, 0, 1.5, 1e6].map((low, bin) => {
        const high = [-2, 0, 1.5, 1e6][bin] ?? Infinity;
        return numbers(events).filter((value) => value >= low && value < high).length;
      }),
  },
  share: {
    declaration: { function: 'share', at_least: 0, below: 3 },
    values: 'any number',
    split: 'any',
    answer: ofAny((values) => values.filter((value) => value >= 0 && value < 3).length / values.length),
  },
  ratio: {
    declaration: { function: 'ratio', denominator: 'other' },
    values: 'any number',
    split: 'any',
    answer: (asked) => ratioOf(asked).ratio,
    tolerance: (asked) => ratioOf(asked).error,
  },
  decayed_sum: {
    declaration: { function: 'decayed_sum', half_life: '1s' },
    values: 'any number',
    split: 'any',
    answer: (asked) => (numbers(asked.events).length === 0 ? null : decayed(asked, numberOf).total),
    tolerance: (asked) => decayed(asked, numberOf).error,
  },
  decayed_mean: {
    declaration: { function: 'decayed_mean', half_life: '1s' },
    values: 'any number',
    split: 'any',
    answer: (asked) => decayedMeanOf(asked).mean,
    tolerance: (asked) => decayedMeanOf(asked).error,
  },
  time_since_last: {
    declaration: { function: 'time_since_last' },
    values: 'any number',
    split: 'any',
    answer: ({ events, nowMs }) =>
      events.length === 0 ? null : nowMs - Math.max(...events.map(({ timeMs }) => timeMs)),
  },
};
