// Every entry of the catalogue against its naive oracle: late and deleted events, random panes, random merges, storing in between.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { parseAggregate } from '../../../schemas/aggregate-declaration.ts';
import { type Aggregate, type AnySketch, type NumericAggregate } from '../../../streams/aggregates/aggregate.ts';
import { aggregateOf } from '../../../streams/aggregates/catalogue.ts';
import { type Choose, choices, chooser, drawnEvents, drawnNowMs, panesOf, parted, shuffled } from './drawn.ts';
import { type Asked, ORACLES, type Oracle } from './oracles.ts';
import { Slots, addToSketch, maybeStored, mergeAll } from './run-aggregate.ts';

function assertAnswers(oracle: Oracle, asked: Asked, found: unknown, what: string): void {
  const expected = oracle.answer(asked);
  const allowed = oracle.tolerance?.(asked);
  if (allowed === undefined) return assert.deepStrictEqual(found, expected, what);
  if (allowed === Infinity) return;
  if (expected === null) return assert.equal(found, null, what);
  assert.ok(typeof expected === 'number' && typeof found === 'number', `${what}: ${String(found)}`);
  if (Object.is(found, expected)) return;
  assert.ok(
    Math.abs(found - expected) <= allowed,
    `${what}: ${found} instead of ${expected}, allowed ${allowed}, off by ${Math.abs(found - expected)}`,
  );
}

type Ask = Parameters<typeof assertAnswers>[1];

function checkNumeric(aggregate: NumericAggregate, oracle: Oracle, { events, nowMs }: Ask, choose: Choose): void {
  const panes = panesOf(events, oracle.split, choose);
  // the panes, then one for the fold of all, one for all at once, and one for a fold of folds
  const slots = new Slots(aggregate, panes.length + 3, choose);
  const [folded, whole, twice] = [panes.length, panes.length + 1, panes.length + 2];
  panes.forEach((pane, at) => {
    for (const event of pane) slots.add(at, event);
  });
  for (const event of events) slots.add(whole, event);
  const asked = { events, gone: [], nowMs };
  assertAnswers(oracle, asked, slots.result(whole, nowMs), 'all at once');
  slots.foldInto(folded, 0, panes.length);
  assertAnswers(oracle, asked, slots.result(folded, nowMs), 'fold of panes');
  const cut = choose(panes.length + 1);
  slots.foldInto(twice, 0, cut);
  slots.foldInto(twice, cut, panes.length - cut);
  assertAnswers(oracle, asked, slots.result(twice, nowMs), 'fold in two steps');
  slots.assertOthersUntouched();
}

function checkNumericRetraction(
  aggregate: NumericAggregate,
  oracle: Oracle,
  { events, nowMs }: Ask,
  choose: Choose,
): void {
  const [stay, gone] = parted(events, choose);
  const panes = panesOf(events, oracle.split, choose);
  const slots = new Slots(aggregate, panes.length + 1, choose);
  panes.forEach((pane, at) => {
    // some are deleted as soon as they came, the others at the end, in any order
    const later = pane.filter((event) => {
      slots.add(at, event);
      const now = gone.includes(event) && choose(2) === 0;
      if (now) slots.retract(at, event);
      return gone.includes(event) && !now;
    });
    for (const event of shuffled(later, choose)) slots.retract(at, event);
  });
  slots.foldInto(panes.length, 0, panes.length);
  assertAnswers(oracle, { events: stay, gone, nowMs }, slots.result(panes.length, nowMs), 'after deletions');
  slots.assertOthersUntouched();
}

function checkSketch(sketch: AnySketch, oracle: Oracle, { events, nowMs }: Ask, choose: Choose): void {
  const asked = { events, gone: [], nowMs };
  const of = (pane: Ask['events']): unknown =>
    pane.reduce((state: unknown, event) => {
      addToSketch(sketch, state, event);
      return maybeStored(sketch, state, choose);
    }, sketch.create());
  assertAnswers(oracle, asked, sketch.result(of(events), nowMs), 'all at once');
  const merged = mergeAll(sketch, panesOf(events, oracle.split, choose).map(of), choose);
  assertAnswers(oracle, asked, sketch.result(merged, nowMs), 'merged panes');
}

function checkSketchRetraction(sketch: AnySketch, oracle: Oracle, { events, nowMs }: Ask, choose: Choose): void {
  const [stay, gone] = parted(events, choose);
  let state: unknown = sketch.create();
  for (const event of events) addToSketch(sketch, state, event);
  for (const { value, timeMs } of shuffled(gone, choose)) {
    state = maybeStored(sketch, state, choose);
    if (value !== null) sketch.retract(state, value, timeMs);
  }
  assertAnswers(oracle, { events: stay, gone, nowMs }, sketch.result(state, nowMs), 'after deletions');
}

for (const oracle of Object.values(ORACLES)) {
  const aggregate: Aggregate = aggregateOf(parseAggregate(oracle.declaration));
  const property = (check: (ask: Ask, choose: Choose) => void): void =>
    fc.assert(
      fc.property(drawnEvents(oracle.values), drawnNowMs, choices, (events, nowMs, stream) =>
        check({ events, gone: [], nowMs }, chooser(stream)),
      ),
      { numRuns: 300 },
    );
  describe(aggregate.name, () => {
    test('answers as its oracle, at once and from panes', () =>
      property((ask, choose) =>
        aggregate.kind === 'numeric'
          ? checkNumeric(aggregate, oracle, ask, choose)
          : checkSketch(aggregate, oracle, ask, choose),
      ));
    if (aggregate.retraction === 'none') return;
    test('deleted events leave no trace', () =>
      property((ask, choose) =>
        aggregate.kind === 'numeric'
          ? checkNumericRetraction(aggregate, oracle, ask, choose)
          : checkSketchRetraction(aggregate, oracle, ask, choose),
      ));
  });
}
