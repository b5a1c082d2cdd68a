import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  type IntervalRules,
  type IntervalState,
  checkIntervalRules,
  intervalSerde,
  intervalStep,
  intervalTimerMs,
  outputDelayMs,
} from '../../../../streams/joins/interval.ts';
import { type Joined, type Recorded } from '../../../../streams/joins/step.ts';
import { type Arrival, happenings, play, textOf } from './histories.ts';

const rules = fc
  .record({
    beforeMs: fc.integer({ min: -12, max: 12 }),
    lengthMs: fc.nat(20),
    kind: fc.constantFrom<IntervalRules['kind']>('inner', 'left', 'right', 'outer'),
    latenessMs: fc.constantFrom(0, 5, 20),
  })
  .map(({ lengthMs, ...rest }): IntervalRules => ({ ...rest, afterMs: lengthMs - rest.beforeMs }));

const meets = ({ beforeMs, afterMs }: IntervalRules, left: Arrival, right: Arrival): boolean =>
  left.key === right.key && right.timeMs >= left.timeMs - beforeMs && right.timeMs <= left.timeMs + afterMs;

/** Every row that there is to write: pairs, and who stays alone. */
function naive(one: IntervalRules, taken: readonly Arrival[]): string[] {
  const [lefts, rights] = (['left', 'right'] as const).map((side) => taken.filter((record) => record.side === side));
  const rows: string[] = [];
  for (const left of lefts ?? [])
    for (const right of rights ?? []) if (meets(one, left, right)) rows.push(`${left.offset} ${right.offset}`);
  if (one.kind === 'left' || one.kind === 'outer')
    for (const left of lefts ?? [])
      if (!rights?.some((right) => meets(one, left, right))) rows.push(`${left.offset} -`);
  if (one.kind === 'right' || one.kind === 'outer')
    for (const right of rights ?? [])
      if (!lefts?.some((left) => meets(one, left, right))) rows.push(`- ${right.offset}`);
  return rows;
}

test('every pair within the interval once, at once; who stays alone once, when its time is over; then no state', () => {
  fc.assert(
    fc.property(
      rules.chain((one) => fc.tuple(fc.constant(one), happenings({ latenessMs: one.latenessMs, tombstones: [] }))),
      ([one, history]) => {
        checkIntervalRules(one);
        // a record that is not held any more is not known again: only then may it pair twice
        const isRepeatable = one.beforeMs >= 0 && one.afterMs >= 0;
        const taken: Arrival[] = [];
        const written: string[] = [];
        const left = play<IntervalState, Joined>(
          isRepeatable ? history : history.filter(({ kind }) => kind !== 'repeat'),
          {
            step: (state, arrival, watermarkMs) =>
              intervalStep(one, state, { kind: arrival.side, record: arrival as Recorded, watermarkMs }),
            fire: (state, watermarkMs) => intervalStep(one, state, { kind: 'timer', watermarkMs }),
            timerMs: (state) => intervalTimerMs(one, state),
            serde: intervalSerde,
            seen({ key, arrival, watermarkMs, outputs, late, state }) {
              const isLate = arrival !== null && arrival.timeMs < watermarkMs - one.latenessMs;
              assert.equal(late.length, isLate ? 1 : 0);
              const isNew = arrival !== null && !isLate && !taken.some(({ offset }) => offset === arrival.offset);
              if (isNew) taken.push(arrival);
              // with this input, all pairs of the key that can be formed have been
              const pairs = naive(
                { ...one, kind: 'inner' },
                taken.filter((record) => record.key === key),
              );
              written.push(...outputs.map((row) => `${textOf(row.left)} ${textOf(row.right)}`));
              for (const pair of pairs) assert.ok(written.includes(pair), 'a pair is written at once');
              for (const { timeMs, left, right } of outputs) {
                assert.equal(timeMs, Math.max(left?.timeMs ?? -Infinity, right?.timeMs ?? -Infinity));
                if (left === null || right === null) {
                  const overMs = left === null ? one.beforeMs : one.afterMs;
                  assert.ok(timeMs + overMs + one.latenessMs < watermarkMs, 'alone only when no partner can come');
                }
                if (arrival !== null)
                  assert.ok(timeMs >= watermarkMs - outputDelayMs(one) || left === null || right === null);
              }
              for (const record of [...(state?.left ?? []), ...(state?.right ?? [])])
                assert.ok(
                  record.timeMs + Math.max(one.beforeMs, one.afterMs) + one.latenessMs >= watermarkMs,
                  'nothing is held for longer than it can find a partner',
                );
            },
          },
          1_000,
        );
        assert.deepEqual(written.sort(), naive(one, taken).sort());
        assert.equal(left.size, 0);
      },
    ),
    { numRuns: 2_000 },
  );
});

test('an empty interval is refused', () => {
  const empty: IntervalRules = { beforeMs: -5, afterMs: 4, kind: 'inner', latenessMs: 0 };
  assert.throws(() => checkIntervalRules(empty), { code: 'invalid_definition', field: 'after' });
});
