// The laws that every row of the catalogue of aggregates keeps.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { AGGREGATE_FUNCTIONS, parseAggregate } from '../../../schemas/aggregate-declaration.ts';
import { Failure } from '../../../schemas/failure.ts';
import { type Aggregate, type AnySketch, type NumericAggregate } from '../../../streams/aggregates/aggregate.ts';
import { aggregateOf } from '../../../streams/aggregates/catalogue.ts';

interface Row {
  readonly declaration: Readonly<Record<string, unknown>>;
  /** result of no event at all */
  readonly empty: unknown;
  /** results of these values, one a second from second 1 on, as of second 5: 3, null, −1, 3 (second values 2, 2, 4, 2) */
  readonly answer: unknown;
  /** 'never': only sets of events matter; 'ties': events at one instant; 'rounding', 'bound': up to rounding, up to the error bound */
  readonly orderMatters: 'never' | 'ties' | 'rounding' | 'bound';
  readonly retraction: Aggregate['retraction'];
}

const ROWS: readonly Row[] = [
  { declaration: { function: 'count' }, empty: 0, answer: 4, orderMatters: 'never', retraction: 'exact' },
  { declaration: { function: 'sum' }, empty: null, answer: 5, orderMatters: 'rounding', retraction: 'approximate' },
  {
    declaration: { function: 'mean' },
    empty: null,
    answer: 5 / 3,
    orderMatters: 'rounding',
    retraction: 'approximate',
  },
  {
    declaration: { function: 'variance' },
    empty: null,
    answer: 16 / 3,
    orderMatters: 'rounding',
    retraction: 'approximate',
  },
  {
    declaration: { function: 'variance', of: 'population' },
    empty: null,
    answer: 32 / 9,
    orderMatters: 'rounding',
    retraction: 'approximate',
  },
  {
    declaration: { function: 'stddev' },
    empty: null,
    answer: Math.sqrt(16 / 3),
    orderMatters: 'rounding',
    retraction: 'approximate',
  },
  { declaration: { function: 'min' }, empty: null, answer: -1, orderMatters: 'never', retraction: 'none' },
  { declaration: { function: 'max' }, empty: null, answer: 3, orderMatters: 'never', retraction: 'none' },
  { declaration: { function: 'first' }, empty: null, answer: 3, orderMatters: 'ties', retraction: 'none' },
  { declaration: { function: 'last' }, empty: null, answer: 3, orderMatters: 'ties', retraction: 'none' },
  { declaration: { function: 'last_k', k: 2 }, empty: [], answer: [-1, 3], orderMatters: 'ties', retraction: 'none' },
  { declaration: { function: 'distinct' }, empty: 0, answer: 2, orderMatters: 'never', retraction: 'exact' },
  { declaration: { function: 'distinct_approx' }, empty: 0, answer: 2, orderMatters: 'never', retraction: 'none' },
  { declaration: { function: 'quantile', q: 0.5 }, empty: null, answer: 3, orderMatters: 'bound', retraction: 'none' },
  {
    declaration: { function: 'top_k', k: 1 },
    empty: [],
    answer: [{ value: 3, count: 2, error: 0 }],
    orderMatters: 'bound',
    retraction: 'none',
  },
  {
    declaration: { function: 'histogram', bounds: [0, 3] },
    empty: [0, 0, 0],
    answer: [1, 0, 2],
    orderMatters: 'never',
    retraction: 'exact',
  },
  {
    declaration: { function: 'share', above: 0 },
    empty: null,
    answer: 2 / 3,
    orderMatters: 'never',
    retraction: 'exact',
  },
  {
    declaration: { function: 'ratio', denominator: 'other' },
    empty: null,
    answer: 5 / 8,
    orderMatters: 'rounding',
    retraction: 'approximate',
  },
  {
    declaration: { function: 'decayed_sum', half_life: '1s' },
    empty: null,
    // ages 4, 2 and 1 s
    answer: 3 / 16 - 1 / 4 + 3 / 2,
    orderMatters: 'rounding',
    retraction: 'approximate',
  },
  {
    declaration: { function: 'decayed_mean', half_life: '1s' },
    empty: null,
    answer: (3 / 16 - 1 / 4 + 3 / 2) / (1 / 16 + 1 / 4 + 1 / 2),
    orderMatters: 'rounding',
    retraction: 'approximate',
  },
  {
    declaration: { function: 'time_since_last' },
    empty: null,
    answer: 1000,
    orderMatters: 'never',
    retraction: 'none',
  },
];

interface Added {
  readonly value: number;
  readonly timeMs: number;
}
/** Few values and instants, all exact in every sum: what the laws say then holds to the bit, except where roots and quotients come in. */
const added = fc.record({ value: fc.integer({ min: -8, max: 8 }), timeMs: fc.nat({ max: 9 }).map((s) => s * 1000) });
const lists = fc.array(fc.array(added, { maxLength: 12 }), { minLength: 3, maxLength: 3 });
const NOW_MS = 20_000;

/** One partial result behind one face, whichever kind it is. */
interface Partial {
  add(event: Added): void;
  retract(event: Added): void;
  merge(from: Partial): void;
  result(): unknown;
  bytes(): Buffer;
}

class NumericPartial implements Partial {
  readonly #aggregate: NumericAggregate;
  readonly slots: Float64Array;

  constructor(aggregate: NumericAggregate) {
    this.#aggregate = aggregate;
    this.slots = new Float64Array(aggregate.slots).fill(Number.NaN);
    aggregate.init(this.slots, 0);
  }

  add({ value, timeMs }: Added): void {
    this.#aggregate.add(this.slots, 0, value, timeMs, value + 10);
  }

  retract({ value, timeMs }: Added): void {
    this.#aggregate.retract(this.slots, 0, value, timeMs, value + 10);
  }

  merge(from: Partial): void {
    assert.ok(from instanceof NumericPartial);
    this.#aggregate.fold(this.slots, 0, from.slots, 0, this.#aggregate.slots, 1);
  }

  result(): unknown {
    return this.#aggregate.result(this.slots, 0, NOW_MS);
  }

  bytes(): Buffer {
    return Buffer.from(this.slots.slice().buffer);
  }
}

class SketchPartial implements Partial {
  readonly #aggregate: AnySketch;
  state: unknown;

  constructor(aggregate: AnySketch) {
    this.#aggregate = aggregate;
    this.state = aggregate.create();
  }

  add({ value, timeMs }: Added): void {
    this.#aggregate.add(this.state, value, timeMs);
  }

  retract({ value, timeMs }: Added): void {
    this.#aggregate.retract(this.state, value, timeMs);
  }

  merge(from: Partial): void {
    assert.ok(from instanceof SketchPartial);
    this.#aggregate.merge(this.state, from.state);
  }

  result(): unknown {
    return this.#aggregate.result(this.state, NOW_MS);
  }

  bytes(): Buffer {
    return this.#aggregate.encode(this.state);
  }

  restore(): void {
    this.state = this.#aggregate.decode(this.bytes());
  }
}

function partialOf(aggregate: Aggregate, events: readonly Added[] = []): NumericPartial | SketchPartial {
  const partial = aggregate.kind === 'numeric' ? new NumericPartial(aggregate) : new SketchPartial(aggregate);
  for (const event of events) partial.add(event);
  return partial;
}

function assertAlike(found: unknown, expected: unknown): void {
  if (typeof found !== 'number' || typeof expected !== 'number') return assert.deepEqual(found, expected);
  assert.ok(Math.abs(found - expected) <= 1e-12 * Math.max(1, Math.abs(expected)), `${found} instead of ${expected}`);
}

for (const { declaration, empty, answer, orderMatters, retraction } of ROWS) {
  const aggregate = aggregateOf(parseAggregate(declaration));
  describe(JSON.stringify(declaration), () => {
    test('says what it is', () => {
      assert.equal(aggregate.name, declaration['function']);
      assert.ok(aggregate.about.length > 20 && aggregate.about.endsWith('.') && aggregate.partial !== '');
      assert.match(aggregate.about, /[Rr]etraction|keeps every value/);
      assert.equal(aggregate.retraction, retraction);
    });

    test('nothing gives the empty result, a few values a known one', () => {
      assert.deepEqual(partialOf(aggregate).result(), empty);
      assertAlike(ofKnown(aggregate), answer);
    });

    test('merging is associative, and an empty partial result changes nothing', () => {
      fc.assert(
        fc.property(lists, ([first = [], second = [], third = []]) => {
          const of = (events: readonly Added[]) => partialOf(aggregate, events);
          const [left, right, rightPart] = [of(first), of(first), of(second)];
          left.merge(of(second));
          left.merge(of(third));
          rightPart.merge(of(third));
          right.merge(rightPart);
          assertAlike(left.result(), right.result());
          const before = right.result();
          right.merge(of([]));
          assert.deepEqual(right.result(), before);
          const anew = of([]);
          anew.merge(right);
          assertAlike(anew.result(), before);
        }),
      );
    });

    test('the order of events and of merging makes no difference where that is promised', () => {
      fc.assert(
        fc.property(lists, ([first = [], second = []]) => {
          // of one event per instant even ties make none
          const distinct = (events: readonly Added[]): Added[] => [
            ...new Map(events.map((e) => [e.timeMs, e])).values(),
          ];
          const all = orderMatters === 'ties' ? distinct([...first, ...second]) : [...first, ...second];
          const [one, other] = [all.slice(0, all.length >> 1), all.slice(all.length >> 1)];
          const inOrder = partialOf(aggregate, all).result();
          assertAlike(partialOf(aggregate, all.toReversed()).result(), inOrder);
          const merged = partialOf(aggregate, other);
          merged.merge(partialOf(aggregate, one));
          assertAlike(merged.result(), inOrder);
        }),
      );
    });

    test('a value that was added can be taken out again, or never', () => {
      fc.assert(
        fc.property(lists, added, ([events = []], event) => {
          const partial = partialOf(aggregate, events);
          const [before, bytes] = [partial.result(), partial.bytes()];
          partial.add(event);
          if (retraction === 'none') assert.throws(() => partial.retract(event), /cannot take a value out/);
          else {
            partial.retract(event);
            assertAlike(partial.result(), before);
            // sums of small integers are exact, whatever the entry promises in general
            if (retraction === 'exact' || ['sum', 'mean', 'ratio'].includes(aggregate.name))
              assert.deepEqual(partial.bytes(), bytes);
          }
        }),
      );
    });

    if (aggregate.kind === 'sketch') {
      test('decode(encode(s)) behaves as s', () => {
        fc.assert(
          fc.property(lists, ([before = [], after = [], merged = []]) => {
            const [kept, restored] = [new SketchPartial(aggregate), new SketchPartial(aggregate)];
            for (const event of before) for (const partial of [kept, restored]) partial.add(event);
            restored.restore();
            assert.deepEqual(restored.bytes(), kept.bytes());
            for (const event of after) for (const partial of [kept, restored]) partial.add(event);
            for (const partial of [kept, restored]) partial.merge(partialOf(aggregate, merged));
            assert.deepEqual(restored.result(), kept.result());
            assert.deepEqual(restored.bytes(), kept.bytes());
          }),
        );
      });

      test('bytes of an unknown version and text where it takes none are refused', () => {
        const bytes = Buffer.from(partialOf(aggregate, [{ value: 1, timeMs: 0 }]).bytes());
        bytes[0] = 99;
        assert.throws(() => aggregate.decode(bytes), { code: 'undecodable_record' });
        if (!aggregate.takesText) assert.throws(() => aggregate.add(aggregate.create(), 'text', 0), /not of text/);
      });
    }

    test('an unknown parameter is refused, by name', () => {
      assert.throws(
        () => parseAggregate({ ...declaration, halflife: '1h' }, 'features[0]'),
        (failure) =>
          failure instanceof Failure &&
          failure.field === 'features[0].halflife' &&
          failure.code === 'invalid_definition',
      );
    });
  });
}

/** 3, null, −1, 3 as the compiler of windows would add them. */
function ofKnown(aggregate: Aggregate): unknown {
  const values = [3, null, -1, 3];
  const seconds = [2, 2, 4, 2];
  const times = values.map((_, at) => 1000 * (at + 1));
  if (aggregate.kind === 'sketch') {
    const state = aggregate.create();
    values.forEach((value, at) => {
      if (value !== null) aggregate.add(state, value, times[at] ?? 0);
    });
    return aggregate.result(state, 5000);
  }
  const slots = new Float64Array(aggregate.slots);
  aggregate.init(slots, 0);
  values.forEach((value, at) => {
    if (value !== null || !aggregate.needsValue) aggregate.add(slots, 0, value ?? 0, times[at] ?? 0, seconds[at]);
  });
  return aggregate.result(slots, 0, 5000);
}

test('the suite knows every row', () => {
  assert.deepEqual(
    [...new Set(ROWS.map(({ declaration }) => declaration['function']))].sort(),
    [...AGGREGATE_FUNCTIONS].sort(),
  );
});

test('aggregates with the same partial result can read each other', () => {
  const all = ROWS.map(({ declaration }) => aggregateOf(parseAggregate(declaration)));
  const events = [1, 2, 5].map((value) => ({ value, timeMs: value }));
  let shared = 0;
  for (const one of all)
    for (const other of all) {
      if (one === other || one.partial !== other.partial) continue;
      shared += 1;
      assert.deepEqual(partialOf(one, events).bytes(), partialOf(other, events).bytes(), `${one.name}, ${other.name}`);
    }
  // sum with mean, variances with the deviation, the decayed ones: each pair both ways
  assert.equal(shared, 2 + 6 + 2);
  const quantiles = [0.1, 0.9].map((q) => aggregateOf(parseAggregate({ function: 'quantile', q })).partial);
  assert.equal(quantiles[0], quantiles[1]);
  const conditions = [{ above: 1 }, { at_least: 1 }, { equals: 1 }, { equals: '1' }];
  const shares = conditions.map(
    (condition) => aggregateOf(parseAggregate({ function: 'share', ...condition })).partial,
  );
  assert.equal(new Set(shares).size, conditions.length);
});
