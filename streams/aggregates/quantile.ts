import { type SketchAggregate, cannotRetract, needsNumber } from './aggregate.ts';
import { type Kll, addToKll, decodeKll, encodeKll, mergeKll, newKll, quantileOf } from './kll.ts';

/**
 * A quantile by the sketch of kll.ts; null of no value. All quantiles of one field and k read the same sketch. Merging is associative and
 * commutative up to the error bound.
 * @param q from 0 (the least value) to 1 (the greatest), 0.5 is the median
 * @param k 8 to 8192; the rank error is 2.296 / k^0.9723, 1.33 % at 200, where a sketch takes 5 kB at most
 */
export function quantile(q: number, k: number): SketchAggregate<Kll, number | null> {
  return {
    kind: 'sketch',
    name: 'quantile',
    partial: `quantiles ${k}`,
    about:
      'Quantile, null of none: KLL sketch, exact below k values, then a rank error of 1.33 % at k = 200 (99 % of answers). No retraction.',
    retraction: 'none',
    needsValue: true,
    takesText: false,
    create: () => newKll(k),
    add: (state, value) => addToKll(state, needsNumber('quantile', value)),
    retract: () => cannotRetract('quantile'),
    merge: mergeKll,
    result: (state) => quantileOf(state, q),
    encode: encodeKll,
    decode: (bytes) => decodeKll(bytes, k),
  };
}
