// What an aggregate function is: partial results that are kept per pane, merged, and read. Pure: no clock, no chance.

interface Described {
  /** as users declare it */
  readonly name: string;
  /**
   * Names what is kept: two aggregates over the same field with equal `partial` keep the same partial result, so one copy serves
   * both (sum and mean; a sketch of quantiles and every quantile read from it).
   */
  readonly partial: string;
  /** one line: what it answers, how exact it is, whether values can be taken out again */
  readonly about: string;
  /**
   * exact: retract(add(p, v)) gives p back bit for bit; approximate: up to rounding, as the entry says; none: a value cannot be
   * taken out (min, max, first, last …)
   */
  readonly retraction: 'exact' | 'approximate' | 'none';
  /** what a value adds depends on its time; told of those whose values can be taken out again */
  readonly isOfTime?: boolean;
  /** false: it is about events, not about one of their fields (count) */
  readonly needsValue: boolean;
}

/** An aggregate whose partial result is a fixed number of doubles. Partial results lie in a larger Float64Array at an offset: no object per key or pane. */
export interface NumericAggregate extends Described {
  readonly kind: 'numeric';
  /** doubles of a partial result */
  readonly slots: number;
  /** whether `add` needs a second value: the denominator of a ratio */
  readonly needsSecond: boolean;
  /** null: the field is numeric; otherwise it is text, and enters as the number that this gives */
  readonly ofText: ((text: string) => number) | null;
  init(into: Float64Array, at: number): void;
  /**
   * @param value finite; nulls are never added (count adds every event, whatever the value)
   * @param second finite, where needsSecond; an event that lacks either value is not added
   */
  add(into: Float64Array, at: number, value: number, timeMs: number, second?: number): void;
  /** Takes out what was added: same value, same time. Throws where retraction is 'none'. */
  retract(into: Float64Array, at: number, value: number, timeMs: number, second?: number): void;
  /** Merges `count` partial results at start, start + stride, …, oldest first, into `into`. */
  fold(into: Float64Array, at: number, panes: Float64Array, start: number, stride: number, count: number): void;
  /**
   * @param nowMs for decayed values and time since last
   * @returns null where undefined (mean of nothing)
   */
  result(from: Float64Array, at: number, nowMs: number): number | null;
}

/**
 * An aggregate whose partial result is an object (sketches, lists); kept as bytes.
 * Law: decode(encode(s)) behaves as s. `merge` is associative, and commutative where the entry says so; `from` holds the later
 * events, and is left as it is.
 */
export interface SketchAggregate<S, R> extends Described {
  readonly kind: 'sketch';
  /** whether text may be added, beside finite numbers */
  readonly takesText: boolean;
  create(): S;
  add(state: S, value: number | string, timeMs: number): void;
  /** Takes out what was added: same value, same time. Throws where retraction is 'none'. */
  retract(state: S, value: number | string, timeMs: number): void;
  merge(into: S, from: S): void;
  result(state: S, nowMs: number): R;
  encode(state: S): Buffer;
  decode(bytes: Buffer): S;
}

/** States go only to the aggregate that made them. */
export type AnySketch = SketchAggregate<unknown, SketchResult>;

export type SketchResult = number | null | readonly (number | string)[] | readonly Heavy[];

/** One of the most frequent values. */
export interface Heavy {
  readonly value: number | string;
  /** never too small */
  readonly count: number;
  /** too large by this much at most: the true count is from count − error to count */
  readonly error: number;
}

export type Aggregate = NumericAggregate | AnySketch;

/** A fault in the program: the compiler of windows must not ask for it. */
export function cannotRetract(name: string): never {
  throw new Error(`${name} cannot take a value out again`);
}

export function needsNumber(name: string, value: number | string): number {
  if (typeof value === 'string') throw new Error(`${name} is of numbers, not of text`);
  return value;
}
