// Aggregates as a compiler of windows uses them: partial results among others in one array, sketches as bytes between the steps.
import assert from 'node:assert/strict';
import { type AnySketch, type NumericAggregate } from '../../../streams/aggregates/aggregate.ts';
import { type Choose } from './drawn.ts';
import { type SourceEvent } from './oracles.ts';

const FOREIGN = 12_345.5;

/** Partial results that lie `stride` apart, with what belongs to others between them. */
export class Slots {
  readonly #aggregate: NumericAggregate;
  readonly #stride: number;
  readonly #start: number;
  readonly #count: number;
  readonly data: Float64Array;

  constructor(aggregate: NumericAggregate, count: number, choose: Choose) {
    this.#aggregate = aggregate;
    this.#stride = aggregate.slots + choose(3);
    this.#start = choose(3);
    this.#count = count;
    this.data = new Float64Array(this.#start + count * this.#stride + 2).fill(FOREIGN);
    for (let pane = 0; pane < count; pane += 1) aggregate.init(this.data, this.at(pane));
  }

  at(pane: number): number {
    return this.#start + pane * this.#stride;
  }

  add(pane: number, event: SourceEvent): void {
    this.#change('add', pane, event);
  }

  retract(pane: number, event: SourceEvent): void {
    this.#change('retract', pane, event);
  }

  #change(what: 'add' | 'retract', pane: number, { value, second, timeMs }: SourceEvent): void {
    const { needsValue, needsSecond } = this.#aggregate;
    if ((needsValue && value === null) || (needsSecond && second === null)) return;
    this.#aggregate[what](this.data, this.at(pane), Number(value), timeMs, second ?? undefined);
  }

  /** Merges the panes from … from + count into `pane`, oldest first. */
  foldInto(pane: number, from: number, count: number): void {
    this.#aggregate.fold(this.data, this.at(pane), this.data, this.at(from), this.#stride, count);
  }

  /** The slots of one partial result. */
  partial(pane: number): Float64Array {
    return this.data.slice(this.at(pane), this.at(pane) + this.#aggregate.slots);
  }

  result(pane: number, nowMs: number): number | null {
    return this.#aggregate.result(this.data, this.at(pane), nowMs);
  }

  assertOthersUntouched(): void {
    const own = new Set<number>();
    for (let pane = 0; pane < this.#count; pane += 1)
      for (let slot = 0; slot < this.#aggregate.slots; slot += 1) own.add(this.at(pane) + slot);
    this.data.forEach((double, at) => own.has(at) || assert.equal(double, FOREIGN, `slot ${at} is another's`));
  }
}

export function addToSketch(sketch: AnySketch, state: unknown, { value, timeMs }: SourceEvent): void {
  if (value !== null) sketch.add(state, value, timeMs);
}

/** Sometimes through bytes, sometimes as it is. */
export function maybeStored(sketch: AnySketch, state: unknown, choose: Choose): unknown {
  return choose(3) === 0 ? sketch.decode(Buffer.from(sketch.encode(state))) : state;
}

/** Merges neighbours in a random order until one is left; the order of the panes is kept, the later one goes into the earlier. */
export function mergeAll(sketch: AnySketch, panes: readonly unknown[], choose: Choose): unknown {
  const left = panes.map((pane) => maybeStored(sketch, pane, choose));
  while (left.length > 1) {
    const at = choose(left.length - 1);
    const [into, from] = left.slice(at, at + 2);
    const before = sketch.encode(from);
    sketch.merge(into, from);
    assert.deepEqual(sketch.encode(from), before, 'the merged one stays as it is');
    left.splice(at, 2, maybeStored(sketch, into, choose));
  }
  return left[0];
}
