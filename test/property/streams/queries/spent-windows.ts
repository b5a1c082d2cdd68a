// Declared windows for tests, with aggregates that depend on the time of the event too; what their output rows say of them.
import fc from 'fast-check';
import { topology } from '../../../../streams/builder/topology.ts';
import { windows } from '../../../../streams/builder/windows.ts';

const MINUTE_MS = 60_000;
export const START_MS = Date.UTC(2026, 0, 1);
export const KEYS = ['a', 'b', 'c', 'd', 'ß', 'key/5'] as const;

const FUNCTIONS = {
  ...{ count: {}, time_since_last: {}, sum: { field: 'amount' }, mean: { field: 'amount' }, max: { field: 'amount' } },
  ...{ first: { field: 'amount' }, last: { field: 'amount' }, stddev: { field: 'amount' } },
  decayed_sum: { field: 'amount', half_life: '7m' },
} as const;

export const spending = topology('spending', (builder) => {
  windows(builder, 'spent', {
    from: { topic: 'payments', format: 'json', eventTime: 'at', optional: ['amount'] },
    step: '1m',
    lateness: '3m',
    features: Object.fromEntries(
      Object.entries(FUNCTIONS).flatMap(([name, parameters]) =>
        ['1m', '5m', '30m'].map((window) => [
          `${name}_${window}`,
          { function: name as keyof typeof FUNCTIONS, window, ...parameters },
        ]),
      ),
    ),
  }).to('spent-rows', { format: 'json', eventTime: 'at' });
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

/** What is to be told of a key whose last output row is this. */
export function toldOf(row: Buffer | null): unknown {
  const { at, ...values } = JSON.parse(row?.toString() ?? '') as Record<string, number | null>;
  return { eventTimeMs: at, values };
}
