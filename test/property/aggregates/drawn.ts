// Random event lists: late, repeated, missing, tiny and huge values; the log's order is not the order of event time.
import fc from 'fast-check';
import { type Oracle, type SourceEvent } from './oracles.ts';

const START_MS = 1_363_000_000_000;
/** Several half-lives of the oracles' decayed aggregates; few enough instants that some are shared. */
const SPAN_MS = 5000;

const ordinary = [
  fc.integer({ min: -5, max: 5 }),
  fc.constantFrom(-0, 0, 1, 0.1, -0.1, 1 / 3),
  fc.double({ min: -1e6, max: 1e6, noNaN: true }),
  fc.integer({ min: -(2 ** 50), max: 2 ** 50 }),
];
const VALUES: Readonly<Record<Oracle['values'], fc.Arbitrary<number | string>>> = {
  'any number': fc.oneof(
    ...ordinary,
    fc.constantFrom(5e-324, -5e-324, 2.5e-310, 1e-300, 1e300, -1e300, 1e16, 1e17, -1e17),
  ),
  'number whose square is one': fc.oneof(...ordinary, fc.constantFrom(1e-140, -3e-140, 1e140, 1e9, 1e9 + 1, 1e15)),
  // a fixed pool: whether two of them share a hash prefix does not depend on the run
  'number or text': fc.oneof(
    fc.integer({ min: -6, max: 6 }),
    fc.constantFrom(-0, 0.5, 1e300, 5e-324),
    fc.constantFrom('', '0', '1', 'a', 'aa', 'ü', '€', '\ud83d\ude80', '\ud800', 'a\u0000', '0'.repeat(70)),
  ),
};

export function drawnEvents(values: Oracle['values']): fc.Arbitrary<SourceEvent[]> {
  const event = fc.record({
    timeMs: fc.integer({ min: 0, max: 40 }).map((part) => START_MS + (part * SPAN_MS) / 40),
    value: fc.option(VALUES[values], { freq: 6 }),
    second: fc.option(VALUES['any number'].map(Number), { freq: 6 }),
  });
  return fc.array(event, { maxLength: 40, size: 'max' });
}

export const drawnNowMs = fc.integer({ min: 0, max: 3 * SPAN_MS }).map((after) => START_MS + SPAN_MS + after);

/** Small whole numbers, endless: where to cut, what to merge, whom to take out. */
export const choices = fc.infiniteStream(fc.nat({ max: 1_000_000 }));

export type Choose = (below: number) => number;

export function chooser(stream: Iterator<number>): Choose {
  return (below) => {
    const next: unknown = stream.next().value;
    if (typeof next !== 'number') throw new Error('the stream of choices has ended');
    return next % below;
  };
}

/**
 * The events in panes, in an order in which they may be merged, oldest first. 'any': wherever chance puts them; 'time': by ranges of
 * event time, the log's order kept within.
 */
export function panesOf(events: readonly SourceEvent[], split: Oracle['split'], choose: Choose): SourceEvent[][] {
  const count = 1 + choose(6);
  const panes = Array.from({ length: count }, (): SourceEvent[] => []);
  const widthMs = 1 + choose(SPAN_MS);
  for (const event of events) {
    const at = split === 'any' ? choose(count) : Math.floor((event.timeMs - START_MS) / widthMs);
    // the last pane takes all that is later
    panes[Math.min(at, count - 1)]?.push(event);
  }
  return panes;
}

/** A random subset, its order kept, and the rest. */
export function parted<T>(items: readonly T[], choose: Choose): readonly [T[], T[]] {
  const parts: [T[], T[]] = [[], []];
  for (const item of items) parts[choose(2) === 0 ? 0 : 1].push(item);
  return parts;
}

export function shuffled<T>(items: readonly T[], choose: Choose): T[] {
  const left = [...items];
  return items.flatMap(() => left.splice(choose(left.length), 1));
}
