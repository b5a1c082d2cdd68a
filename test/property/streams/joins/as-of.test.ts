import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  type AsOfRules,
  type AsOfState,
  asOfSerde,
  asOfStep,
  asOfTimerMs,
  checkAsOfRules,
} from '../../../../streams/joins/as-of.ts';
import { type Joined, type Recorded } from '../../../../streams/joins/step.ts';
import { type Arrival, happenings, newestOf, play, textOf } from './histories.ts';

interface Known extends Arrival {
  readonly sinceMs: number;
}

const rules = fc
  .record({
    reads: fc.constantFrom<AsOfRules['reads']>('versioned', 'live'),
    kind: fc.constantFrom<AsOfRules['kind']>('inner', 'left'),
    latenessMs: fc.constantFrom(0, 5, 20),
    moreMs: fc.constantFrom(0, 10),
  })
  .map(({ moreMs, ...rest }): AsOfRules => ({ ...rest, retentionMs: rest.latenessMs + moreMs }));

/** The row that was known for this time: of all updates so far, kept for ever. */
function naive({ reads }: AsOfRules, updates: readonly Known[], timeMs: number): Known | null {
  const row = newestOf(updates.filter(({ sinceMs }) => reads === 'live' || sinceMs <= timeMs));
  return row === null || row.value === null ? null : row;
}

test('each stream record meets the row that was known for its time, as a search through all updates finds it', () => {
  fc.assert(
    fc.property(
      rules.chain((one) =>
        fc.tuple(fc.constant(one), happenings({ latenessMs: one.latenessMs, tombstones: ['right'] })),
      ),
      ([one, history]) => {
        checkAsOfRules(one, 'join j:');
        const updates = new Map<string, Known[]>();
        const left = play<AsOfState, Joined>(
          history,
          {
            step: (state, arrival, watermarkMs) =>
              asOfStep(
                one,
                state,
                arrival.side === 'left'
                  ? { kind: 'left', record: arrival as Recorded, watermarkMs }
                  : { kind: 'right', update: arrival, watermarkMs },
              ),
            fire: (state, watermarkMs) => asOfStep(one, state, { kind: 'timer', watermarkMs }),
            timerMs: (state) => asOfTimerMs(one, state),
            serde: asOfSerde,
            seen({ key, arrival, watermarkMs, outputs, late, state }) {
              const own = updates.get(key) ?? [];
              updates.set(key, own);
              const isLate = arrival !== null && arrival.timeMs < watermarkMs - one.latenessMs;
              assert.deepEqual(
                late.map(({ side, offset }) => ({ side, offset })),
                isLate ? [{ side: arrival.side, offset: arrival.offset }] : [],
              );
              const keptMs = watermarkMs - (one.reads === 'live' ? one.latenessMs : one.retentionMs);
              if (arrival?.side === 'left' && !isLate) {
                const right = naive(one, own, arrival.timeMs);
                const expected = right === null && one.kind === 'inner' ? [] : [`${arrival.offset} ${textOf(right)}`];
                assert.deepEqual(
                  outputs.map((row) => `${textOf(row.left)} ${textOf(row.right)}`),
                  expected,
                );
                assert.ok(outputs.every(({ timeMs }) => timeMs === arrival.timeMs));
              } else assert.deepEqual(outputs, []);
              if (arrival?.side === 'right' && !isLate && !own.some(({ offset }) => offset === arrival.offset))
                own.push({ ...arrival, sinceMs: Math.max(arrival.timeMs, watermarkMs) });
              const recent = own.filter(({ sinceMs }) => sinceMs > keptMs).length;
              assert.ok((state?.versions.length ?? 0) <= (one.reads === 'live' ? 1 : recent + 1), 'history is bounded');
            },
          },
          1_000,
        );
        for (const [key, own] of updates)
          assert.equal(left.get(key)?.versions.length ?? 0, (newestOf(own)?.value ?? null) === null ? 0 : 1);
      },
    ),
    { numRuns: 2_000 },
  );
});

test('a retention below the lateness is refused', () => {
  const short: AsOfRules = { reads: 'versioned', kind: 'left', latenessMs: 10, retentionMs: 9 };
  assert.throws(() => checkAsOfRules(short, 'join j:'), { code: 'invalid_definition', field: 'join j: history' });
});
