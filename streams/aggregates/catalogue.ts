// The closed table of aggregate functions, in the order in which they are listed. Users' words for them: schemas/aggregate-declaration.ts.
import { type AggregateDeclaration, type AggregateFunction } from '../../schemas/aggregate-declaration.ts';
import { type Aggregate } from './aggregate.ts';
import { count } from './count.ts';
import { decayedMean, decayedSum } from './decayed.ts';
import { distinct } from './distinct.ts';
import { max, min } from './extremes.ts';
import { first, last } from './first-last.ts';
import { histogram } from './histogram.ts';
import { distinctApprox } from './hyperloglog.ts';
import { lastK } from './last-k.ts';
import { standardDeviation, variance } from './moments.ts';
import { quantile } from './quantile.ts';
import { ratio } from './ratio.ts';
import { share } from './share.ts';
import { mean, sum } from './sum.ts';
import { timeSinceLast } from './time-since-last.ts';
import { topK } from './top-k.ts';

type Make<F extends AggregateFunction> = (declaration: Extract<AggregateDeclaration, { function: F }>) => Aggregate;

const MAKERS: { readonly [F in AggregateFunction]: Make<F> } = {
  count: () => count,
  sum: () => sum,
  mean: () => mean,
  variance: ({ of }) => variance(of),
  stddev: ({ of }) => standardDeviation(of),
  min: () => min,
  max: () => max,
  first: () => first,
  last: () => last,
  last_k: ({ k }) => lastK(k),
  distinct: () => distinct,
  distinct_approx: () => distinctApprox,
  quantile: ({ q, k }) => quantile(q, k),
  top_k: ({ k, counters }) => topK(k, counters),
  histogram: ({ bounds }) => histogram(bounds),
  share,
  ratio: () => ratio,
  decayed_sum: ({ half_life_ms }) => decayedSum(half_life_ms),
  decayed_mean: ({ half_life_ms }) => decayedMean(half_life_ms),
  time_since_last: () => timeSinceLast,
};

/** Aggregates with equal `partial` over the same field may share one partial result, whether or not they are the same object. */
export function aggregateOf(declaration: AggregateDeclaration): Aggregate {
  return (MAKERS[declaration.function] as Make<AggregateFunction>)(declaration);
}
