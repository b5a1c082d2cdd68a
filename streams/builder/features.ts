// Types of the features of windows: which functions there are, which fields they can be of, and what each gives. What is told here is
// checked again when it is declared (schemas/aggregate-declaration.ts), since Node takes types away.
import { type Heavy } from '../aggregates/aggregate.ts';

/** Names of the fields of T that are V, or null, or absent; of a T that is not known any name. */
type FieldOf<T, V> = unknown extends T
  ? string
  : T extends unknown
    ? {
        [N in keyof T & string]-?: unknown extends T[N] ? N : NonNullable<T[N]> extends V ? N : never;
      }[keyof T & string]
    : never;

/** True and false are 1 and 0. */
type NumberField<T> = FieldOf<T, number | boolean>;
type ValueField<T> = FieldOf<T, number | boolean | string>;

interface Bounds {
  readonly above?: number;
  readonly at_least?: number;
  readonly below?: number;
  readonly at_most?: number;
}

interface OfNumbers<T> {
  readonly field: NumberField<T>;
}

interface OfValues<T> {
  readonly field: ValueField<T>;
}

/** An aggregate function with its parameters (docs/aggregates.md) and, unless it is about events, the field that it is of. */
export type FeatureOf<T> =
  | { readonly function: 'count' | 'time_since_last' }
  | ({ readonly function: 'sum' | 'mean' | 'min' | 'max' | 'first' | 'last' } & OfNumbers<T>)
  | ({ readonly function: 'variance' | 'stddev'; readonly of?: 'sample' | 'population' } & OfNumbers<T>)
  | ({ readonly function: 'quantile'; readonly q: number; readonly k?: number } & OfNumbers<T>)
  | ({ readonly function: 'histogram'; readonly bounds: readonly number[] } & OfNumbers<T>)
  | ({ readonly function: 'ratio'; readonly denominator: NumberField<T> } & OfNumbers<T>)
  | ({ readonly function: 'decayed_sum' | 'decayed_mean'; readonly half_life: string } & OfNumbers<T>)
  | ({ readonly function: 'share'; readonly equals?: number | boolean } & Bounds & OfNumbers<T>)
  | { readonly function: 'share'; readonly equals: string; readonly field: FieldOf<T, string> }
  | ({ readonly function: 'distinct' | 'distinct_approx' } & OfValues<T>)
  | ({ readonly function: 'last_k'; readonly k: number } & OfValues<T>)
  | ({ readonly function: 'top_k'; readonly k: number; readonly counters?: number } & OfValues<T>);

/** Functions that can take a value out again: those that the groups of a table can have. */
export const RETRACTABLE = [
  ...(['count', 'sum', 'mean', 'variance', 'stddev', 'share', 'ratio'] as const),
  ...(['distinct', 'histogram', 'decayed_sum', 'decayed_mean'] as const),
] as const;

/** Of the groups of a table: as `Features`, of functions that can take a value out again. */
export type GroupFeatures<T> = Readonly<
  Record<string, FeatureOf<T> & { readonly function: (typeof RETRACTABLE)[number] }>
>;

/** By name. Those that are put together while the program runs: `as Features<T>`. */
export type Features<T> = Readonly<Record<string, FeatureOf<T>>>;

interface Results {
  readonly count: number;
  readonly distinct: number;
  readonly distinct_approx: number;
  readonly histogram: readonly number[];
  readonly last_k: readonly (number | string)[];
  readonly top_k: readonly Heavy[];
}

type ResultOf<N> = N extends keyof Results ? Results[N] : number | null;

/** null: undefined, such as the mean of nothing. */
export type FeatureValues<F extends Features<unknown>> = { readonly [N in keyof F]: ResultOf<F[N]['function']> };

/** Functions whose partial results are numbers, which declared windows keep in panes. */
type PaneFunction = Exclude<
  FeatureOf<unknown>['function'],
  'last_k' | 'distinct' | 'distinct_approx' | 'quantile' | 'top_k' | 'histogram'
>;

/** Of declared windows: an aggregate function with its parameters, `window` and, unless it is about events, `field`. */
export interface WindowFeature {
  readonly function: PaneFunction;
  readonly window: string;
  readonly [parameter: string]: unknown;
}
