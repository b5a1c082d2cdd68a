// How users declare an aggregate function, after reading and validation. What each of them computes: streams/aggregates/.
import { Fields, invalid } from './reading.ts';

type PlainFunction =
  'count' | 'sum' | 'mean' | 'min' | 'max' | 'first' | 'last' | 'distinct' | 'distinct_approx' | 'time_since_last';

export type AggregateDeclaration =
  | { readonly function: PlainFunction }
  | { readonly function: 'variance' | 'stddev'; readonly of: 'sample' | 'population' }
  | { readonly function: 'last_k'; readonly k: number }
  /** q from 0 to 1; k: size of the sketch */
  | { readonly function: 'quantile'; readonly q: number; readonly k: number }
  | { readonly function: 'top_k'; readonly k: number; readonly counters: number }
  /** ascending */
  | { readonly function: 'histogram'; readonly bounds: readonly number[] }
  | ({ readonly function: 'share' } & ShareCondition)
  /** field whose sum divides */
  | { readonly function: 'ratio'; readonly denominator: string }
  | { readonly function: 'decayed_sum' | 'decayed_mean'; readonly half_life_ms: number };

export type AggregateFunction = AggregateDeclaration['function'];

/** Which values count; all that are given must hold. */
export interface ShareCondition {
  /** equal to this number or text; alone */
  readonly equals?: number | string;
  readonly above?: number;
  readonly at_least?: number;
  readonly below?: number;
  readonly at_most?: number;
}

/** Far from the ends of the range of doubles, so that sums of bounds do not overflow. */
const NUMBERS = { min: -1e300, max: 1e300 };
/** Lists in a feature row stay within what a row may reasonably carry. */
const LIST_MAX = 1000;
/** Rank error of 1.33 %. */
const QUANTILE_K = 200;

type Reader<F extends AggregateFunction> = (fields: Fields, name: F) => AggregateDeclaration;

const plain = (_fields: Fields, name: PlainFunction): AggregateDeclaration => ({ function: name });
const readMoment = (fields: Fields, name: 'variance' | 'stddev'): AggregateDeclaration => ({
  function: name,
  of: fields.choice('of', ['sample', 'population'], 'sample'),
});

const READERS: { readonly [F in AggregateFunction]: Reader<F> } = {
  count: plain,
  sum: plain,
  mean: plain,
  variance: readMoment,
  stddev: readMoment,
  min: plain,
  max: plain,
  first: plain,
  last: plain,
  last_k: (fields, name) => ({ function: name, k: fields.wholeNumber('k', { min: 1, max: LIST_MAX }) }),
  distinct: plain,
  distinct_approx: plain,
  quantile: (fields, name) => ({
    function: name,
    q: fields.number('q', { min: 0, max: 1 }),
    k: fields.wholeNumber('k', { min: 8, max: 8192 }, QUANTILE_K),
  }),
  top_k: (fields, name) => {
    const k = fields.wholeNumber('k', { min: 1, max: LIST_MAX });
    // ten counters for each value asked for: the k-th is found if it makes up more than a tenth of its fair share
    return {
      function: name,
      k,
      counters: fields.wholeNumber('counters', { min: k, max: 100_000 }, Math.max(100, 10 * k)),
    };
  },
  histogram: (fields, name) => ({ function: name, bounds: readBounds(fields) }),
  share: (fields, name) => ({ function: name, ...readCondition(fields) }),
  ratio: (fields, name) => ({ function: name, denominator: fields.text('denominator', 'impressions') }),
  decayed_sum: readDecayed,
  decayed_mean: readDecayed,
  time_since_last: plain,
};

export const AGGREGATE_FUNCTIONS = Object.keys(READERS) as readonly AggregateFunction[];

/**
 * Reads `function` and its parameters, and leaves other fields to the caller, who ends with `fields.end()`.
 * @throws Failure `invalid_definition`, which names the field
 */
export function readAggregate(fields: Fields): AggregateDeclaration {
  const name = fields.choice('function', AGGREGATE_FUNCTIONS);
  return (READERS[name] as Reader<AggregateFunction>)(fields, name);
}

/**
 * Reads a declaration that stands alone, such as `{ function: 'quantile', q: 0.99 }`.
 * @throws Failure `invalid_definition`, which names the field
 */
export function parseAggregate(value: unknown, path = ''): AggregateDeclaration {
  const fields = new Fields(path, value);
  const declaration = readAggregate(fields);
  fields.end();
  return declaration;
}

function readDecayed(fields: Fields, name: 'decayed_sum' | 'decayed_mean'): AggregateDeclaration {
  const halfLifeMs = fields.durationMs('half_life');
  if (halfLifeMs <= 0)
    throw invalid(fields.at('half_life'), 'is not longer than nothing.', 'Give a duration such as 6h.');
  return { function: name, half_life_ms: halfLifeMs };
}

function readBounds(fields: Fields): number[] {
  const bounds = fields.list('bounds').map(({ path, value }) => {
    if (typeof value !== 'number' || !Number.isFinite(value))
      throw invalid(path, `${JSON.stringify(value)} is no number.`, 'Correct the number.');
    return value;
  });
  if (bounds.length === 0)
    throw invalid(fields.at('bounds'), 'is empty.', 'List the bounds of the bins, for example `bounds: [0, 10, 100]`.');
  if (bounds.length > LIST_MAX)
    throw invalid(fields.at('bounds'), `has ${bounds.length} numbers.`, `Give at most ${LIST_MAX}.`);
  bounds.forEach((bound, at) => {
    if (at > 0 && bound <= (bounds[at - 1] ?? 0))
      throw invalid(
        `${fields.at('bounds')}[${at}]`,
        `${bound} is not above the bound before.`,
        'Put the bounds in ascending order, each once.',
      );
  });
  return bounds;
}

function readCondition(fields: Fields): ShareCondition {
  const condition: { -readonly [Part in keyof ShareCondition]: ShareCondition[Part] } = {};
  if (fields.has('equals')) condition.equals = readEquals(fields);
  for (const part of ['above', 'at_least', 'below', 'at_most'] as const)
    if (fields.has(part)) condition[part] = fields.number(part, NUMBERS);
  const { equals, above, at_least, below, at_most } = condition;
  if (Object.keys(condition).length === 0)
    throw invalid(
      fields.at('equals'),
      'is missing, and so is any other condition.',
      'Add equals, above, at_least, below or at_most.',
    );
  if (equals !== undefined && Object.keys(condition).length > 1)
    throw invalid(fields.at('equals'), 'stands beside another condition.', 'Give equals alone, or bounds alone.');
  for (const [one, other] of [
    ['above', 'at_least'],
    ['below', 'at_most'],
  ] as const)
    if (condition[one] !== undefined && condition[other] !== undefined)
      throw invalid(fields.at(other), `stands beside ${one}.`, 'Give one of them.');
  const [low, high] = [above ?? at_least, below ?? at_most];
  if (low !== undefined && high !== undefined && (low > high || (low === high && (above ?? below) !== undefined)))
    throw invalid(
      fields.at(below === undefined ? 'at_most' : 'below'),
      'lets no value through.',
      'Raise it, or lower the other bound.',
    );
  return condition;
}

function readEquals(fields: Fields): number | string {
  const value = fields.raw('equals');
  // events carry true and false as 1 and 0
  if (typeof value === 'boolean') return value ? 1 : 0;
  if (typeof value === 'string' || (typeof value === 'number' && Number.isFinite(value))) return value;
  throw invalid(
    fields.at('equals'),
    `${JSON.stringify(value)} is no number, text, true or false.`,
    'For example `equals: declined`.',
  );
}
