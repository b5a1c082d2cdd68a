// Declared windows for tests, with aggregates that depend on the time of the event too; what is to be told of them.
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { parseAggregate } from '../../../../schemas/aggregate-declaration.ts';
import { type NumericAggregate } from '../../../../streams/aggregates/aggregate.ts';
import { aggregateOf } from '../../../../streams/aggregates/catalogue.ts';
import { topology } from '../../../../streams/builder/topology.ts';
import { windows } from '../../../../streams/builder/windows.ts';
import { byKey } from '../../../../streams/queries/question.ts';
import { type Row, SingleRow } from '../../../../streams/state/row.ts';
import { PaneRing } from '../../../../streams/windows/pane-ring.ts';

const MINUTE_MS = 60_000;
export const START_MS = Date.UTC(2026, 0, 1);
export const KEYS = ['a', 'b', 'c', 'd', 'ß', 'key/5'] as const;

const FUNCTIONS = {
  ...{ count: {}, time_since_last: {}, sum: { field: 'amount' }, mean: { field: 'amount' }, max: { field: 'amount' } },
  ...{ first: { field: 'amount' }, last: { field: 'amount' }, stddev: { field: 'amount' } },
  decayed_sum: { field: 'amount', half_life: '7m' },
} as const;

const SIZES_MIN = [1, 5, 30];
const LATENESS_MIN = 3;

export const spending = topology('spending', (builder) => {
  windows(builder, 'spent', {
    from: { topic: 'payments', format: 'json', eventTime: 'at', optional: ['amount'] },
    step: '1m',
    lateness: `${LATENESS_MIN}m`,
    features: Object.fromEntries(
      Object.entries(FUNCTIONS).flatMap(([name, parameters]) =>
        SIZES_MIN.map((size) => [
          `${name}_${size}m`,
          { function: name as keyof typeof FUNCTIONS, window: `${size}m`, ...parameters },
        ]),
      ),
    ),
  }).to('spent-rows', { format: 'json', eventTime: 'at', copy: { amount: 'amount' } });
});

const FEATURES = Object.entries(FUNCTIONS).flatMap(([name, parameters]) => {
  const { field, ...rest }: { field?: string } = parameters;
  const aggregate = aggregateOf(parseAggregate({ function: name, ...rest })) as NumericAggregate;
  return SIZES_MIN.map((size) => ({
    ...{ name: `${name}_${size}m`, aggregate, sizeMs: size * MINUTE_MS },
    field: field === undefined ? -1 : 0,
  }));
});

export interface Payment {
  readonly key: string;
  readonly at: number;
  readonly amount: number | null;
  readonly isMalformed: boolean;
}

/** Payments by their distance from the start; many are late, some too late, some cannot be read. */
export const payment: fc.Arbitrary<Payment> = fc.record({
  key: fc.constantFrom(...KEYS),
  at: fc.integer({ min: 0, max: 12 * MINUTE_MS }).map((ms) => START_MS + ms),
  amount: fc.oneof(
    fc.constant(null),
    fc.integer({ min: -50, max: 500 }),
    fc.double({ noNaN: true, max: 1e6, min: -1e6 }),
  ),
  isMalformed: fc.integer({ min: 0, max: 9 }).map((chance) => chance === 0),
});

export function valueOf({ at, amount, isMalformed }: Payment): string {
  return isMalformed ? '{ no JSON' : JSON.stringify({ at, ...(amount === null ? {} : { amount }) });
}

/** What is to be told of each key: its windows as of its newest event, after all of its output rows, which say themselves what was counted. */
export class ToldWindows {
  readonly #ring = new PaneRing({ stepMs: MINUTE_MS, latenessMs: LATENESS_MIN * MINUTE_MS, features: FEATURES });
  readonly #rows = new Map<string, Row>();

  /** @param value of the next output row of the key, which is to say the windows as of its event */
  count(key: string, value: Buffer | null): void {
    const { at = 0, amount, ...values } = JSON.parse(String(value)) as Record<string, number | null>;
    const row = this.#rows.get(key) ?? new SingleRow(this.#ring.doubles);
    this.#rows.set(key, row);
    const into = new Float64Array(this.#ring.width);
    assert.ok(this.#ring.add(row, at ?? 0, Float64Array.of(amount ?? Number.NaN), 0, into, 0));
    assert.deepEqual(values, named(Array.from(into, inJson)));
  }

  /** By key, as a range tells them. */
  told(): { readonly key: string; readonly value: unknown }[] {
    const rows = [...this.#rows].map(([key, row]) => ({
      key,
      value: { eventTimeMs: row.newestMs, values: named(this.#ring.values(row)) },
    }));
    return rows.sort(byKey);
  }
}

function named(values: readonly (number | null)[]): Record<string, number | null> {
  return Object.fromEntries(FEATURES.map(({ name }, index) => [name, values[index] ?? null]));
}

/** JSON has neither NaN nor −0. */
function inJson(value: number): number | null {
  if (Number.isNaN(value)) return null;
  return value === 0 ? 0 : value;
}
