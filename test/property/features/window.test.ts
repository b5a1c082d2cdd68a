// The windows against an oracle that keeps every event and looks at all of them, at each instant and between.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type FeatureDefinition, type FeatureViewDefinition } from '../../../schemas/definitions.ts';
import {
  type EntityState,
  type FeatureRowValues,
  type SourceEvent,
  applyInstant,
  compileView,
  decodeState,
  encodeState,
  newState,
  nextExpiryMs,
} from '../../../processors/features/window.ts';

const FUNCTIONS = ['count', 'sum', 'mean', 'min', 'max', 'last'] as const;
const FIELDS = ['a', 'b'] as const;

interface Arrival {
  /** instant at which it is handled */
  readonly atMs: number;
  readonly event: SourceEvent;
}

interface Scenario {
  readonly view: FeatureViewDefinition;
  readonly arrivals: readonly Arrival[];
  /** instants between, at which the newest row must be what the oracle says */
  readonly probesMs: readonly number[];
  /** whether the state goes through its codec after the n-th instant */
  readonly restarts: readonly boolean[];
}

// 0 and −0 are told apart by no reader of a row: only one of them is drawn
const values: fc.Arbitrary<number | null> = fc.oneof(
  fc.integer({ min: -1000, max: 1000 }),
  fc.integer({ min: -1000, max: 1000 }),
  fc.double({ min: -1e6, max: 1e6, noNaN: true }).map((value) => value + 0),
  fc.constantFrom<number | null>(0.1, 0.2, 0.3, 1e16, -1e16, 2 ** 31, 2 ** 31 - 1, 2 ** 53, null),
);
const whole = fc.option(fc.integer({ min: -(2 ** 31) + 1, max: 2 ** 31 - 1 }));

const features = fc
  .uniqueArray(
    fc.record({
      function: fc.constantFrom(...FUNCTIONS),
      field: fc.constantFrom(...FIELDS),
      window_ms: fc.constantFrom(1, 5, 7, 30),
    }),
    {
      minLength: 1,
      maxLength: 10,
      selector: ({ function: kind, field, window_ms }) => `${kind} ${field} ${window_ms}`,
    },
  )
  .map((list) =>
    list.map(({ function: kind, field, window_ms }, index): FeatureDefinition => {
      return { name: `f${index}`, function: kind, field: kind === 'count' ? '' : field, window_ms };
    }),
  );

const views = fc
  .record({
    features,
    step_ms: fc.constantFrom(0, 0, 1, 3, 10),
    expiry: fc.constantFrom<'emit' | 'none'>('emit', 'emit', 'none'),
  })
  .map((drawn): FeatureViewDefinition => ({
    ...{ kind: 'feature_view', name: 'v', entity: 'e', description: '', lateness_ms: 40 },
    source: { topic: 't', key_field: 'k', event_time_field: 'at' },
    ...drawn,
  }));

const arrivals = (value: fc.Arbitrary<number | null>) =>
  fc
    .array(
      fc.record({
        atMs: fc.integer({ min: 0, max: 120 }),
        lateMs: fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, fc.integer({ min: 0, max: 40 })),
        values: fc.tuple(value, value),
      }),
      { maxLength: 25 },
    )
    .map((list) =>
      [...list]
        .sort((a, b) => a.atMs - b.atMs)
        .map(({ atMs, lateMs, values: both }, index): Arrival => {
          return {
            atMs,
            event: { eventTimeMs: atMs - lateMs, values: both, sourcePartition: 3, sourceOffset: index },
          };
        }),
    );

const scenario = (value: fc.Arbitrary<number | null>): fc.Arbitrary<Scenario> =>
  fc.record({
    view: views,
    arrivals: arrivals(value),
    probesMs: fc.array(fc.integer({ min: -1, max: 170 }), { maxLength: 30 }),
    restarts: fc.array(fc.boolean(), { minLength: 20, maxLength: 20 }),
  });

/** Events of one window at an instant, as a person would count them: in event-time order, ties as they came. */
function inside(view: FeatureViewDefinition, known: readonly Arrival[], sizeMs: number, timeMs: number): SourceEvent[] {
  const found: SourceEvent[] = [];
  for (const { atMs, event } of known) {
    if (atMs > timeMs) continue;
    let leavesMs = event.eventTimeMs + sizeMs;
    if (view.step_ms > 0) while (leavesMs % view.step_ms !== 0) leavesMs += 1;
    if (leavesMs > timeMs) found.push(event);
  }
  return found.sort((x, y) => x.eventTimeMs - y.eventTimeMs);
}

function naive(view: FeatureViewDefinition, known: readonly Arrival[], timeMs: number): (number | null)[] {
  return view.features.map(({ function: kind, field, window_ms }) => {
    const events = inside(view, known, window_ms, timeMs);
    if (kind === 'count') return events.length;
    // fields are compiled in the order in which features name them
    const place = fieldOrder(view).indexOf(field);
    const numbers: number[] = [];
    for (const event of events) {
      const value = event.values[place] ?? null;
      if (value !== null) numbers.push(value);
    }
    if (numbers.length === 0) return null;
    let sum = 0;
    for (const value of numbers) sum += value;
    if (kind === 'sum') return sum;
    if (kind === 'mean') return sum / numbers.length;
    if (kind === 'last') return numbers.at(-1) ?? null;
    let extreme = numbers[0] ?? 0;
    for (const value of numbers) if (kind === 'min' ? value < extreme : value > extreme) extreme = value;
    return extreme;
  });
}

function fieldOrder(view: FeatureViewDefinition): string[] {
  const order: string[] = [];
  for (const { field } of view.features) if (field !== '' && !order.includes(field)) order.push(field);
  return order;
}

function equal(found: readonly (number | null)[], expected: readonly (number | null)[], what: string): void {
  for (let index = 0; index < expected.length; index += 1)
    assert.ok(
      Object.is(found[index], expected[index]),
      `${what}: feature ${index} is ${found[index]} instead of ${expected[index]}`,
    );
  assert.equal(found.length, expected.length);
}

interface Row extends FeatureRowValues {
  readonly timeMs: number;
}

/** Feeds a scenario as the engine does: expiries at their instants, all arrivals of an instant together. */
function run({ view, arrivals: all, restarts }: Scenario): Row[] {
  const compiled = compileView(view);
  let state: EntityState = newState(compiled);
  const rows: Row[] = [];
  let steps = 0;
  let lastMs = Number.NEGATIVE_INFINITY;
  const apply = (timeMs: number, events: readonly SourceEvent[]): void => {
    assert.ok(timeMs > lastMs, `an expiry at ${timeMs} after the instant ${lastMs}`);
    lastMs = timeMs;
    const row = applyInstant(compiled, state, timeMs, events);
    if (row !== null) rows.push({ ...row, timeMs });
    else assert.equal(events.length, 0, 'an event gives a row');
    if (restarts[steps % restarts.length] === true) state = decodeState(compiled, encodeState(compiled, state));
    steps += 1;
  };
  const expireBefore = (timeMs: number): void => {
    if (view.expiry === 'none') return;
    for (let next = nextExpiryMs(compiled, state); next !== null && next < timeMs; next = nextExpiryMs(compiled, state))
      apply(next, []);
  };
  for (const atMs of [...new Set(all.map((arrival) => arrival.atMs))].sort((a, b) => a - b)) {
    expireBefore(atMs);
    apply(
      atMs,
      all
        .filter((arrival) => arrival.atMs === atMs)
        .map(({ event }) => ({
          ...event,
          values: compiled.fields.map((field) => event.values[fieldOrder(view).indexOf(field)] ?? null),
        })),
    );
  }
  expireBefore(Number.POSITIVE_INFINITY);
  return rows;
}

function checkRows(drawn: Scenario): void {
  const { view, arrivals: all } = drawn;
  const rows = run(drawn);
  let before: Row | null = null;
  for (const row of rows) {
    const known = all.filter(({ atMs }) => atMs <= row.timeMs);
    equal(row.values, naive(view, known, row.timeMs), `at ${row.timeMs}`);
    assert.ok(before === null || before.timeMs < row.timeMs, 'one row per instant, in order');
    const newest = known.at(-1)?.event;
    assert.deepEqual([row.sourcePartition, row.sourceOffset], [3, newest?.sourceOffset]);
    before = row;
  }
}

test('every row is what the oracle counts at its instant, through restarts', () => {
  fc.assert(fc.property(scenario(values), checkRows), { numRuns: 2000 });
});

test('whole numbers: the running sums are those of the window', () => {
  fc.assert(fc.property(scenario(whole), checkRows), { numRuns: 1000 });
});

test('with expiry: between rows nothing changes, and a row tells when the next value may leave', () => {
  fc.assert(
    fc.property(scenario(values), (drawn) => {
      const view: FeatureViewDefinition = { ...drawn.view, expiry: 'emit' };
      const rows = run({ ...drawn, view });
      for (const timeMs of drawn.probesMs) {
        const known = drawn.arrivals.filter(({ atMs }) => atMs <= timeMs);
        const row = rows.filter((one) => one.timeMs <= timeMs).at(-1);
        if (row === undefined) assert.deepEqual(known, []);
        else equal(row.values, naive(view, known, timeMs), `between, at ${timeMs}`);
      }
      for (const { timeMs, validUntilMs } of rows) {
        const leaving = view.features.flatMap(({ window_ms }) =>
          inside(view, drawn.arrivals, window_ms, timeMs).map(
            ({ eventTimeMs }) =>
              Math.ceil((eventTimeMs + window_ms) / Math.max(1, view.step_ms)) * Math.max(1, view.step_ms),
          ),
        );
        assert.equal(validUntilMs, leaving.length === 0 ? null : Math.min(...leaving));
      }
    }),
    { numRuns: 1000 },
  );
});

test('without expiry: a row per instant with events, and none else', () => {
  fc.assert(
    fc.property(scenario(values), (drawn) => {
      const rows = run({ ...drawn, view: { ...drawn.view, expiry: 'none' } });
      const instants = new Set(drawn.arrivals.map(({ atMs }) => atMs));
      assert.deepEqual(
        rows.map(({ timeMs }) => timeMs),
        [...instants].sort((a, b) => a - b),
      );
      for (const { validUntilMs } of rows) assert.equal(validUntilMs, null);
    }),
    { numRuns: 300 },
  );
});
