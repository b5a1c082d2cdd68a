import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Joined } from '../../../../streams/joins/step.ts';
import {
  type TableRules,
  type TableState,
  tableSerde,
  tableStep,
  tableTimerMs,
} from '../../../../streams/joins/table-table.ts';
import { type Arrival, happenings, newestOf, play } from './histories.ts';

const rules = fc.record<TableRules>({
  kind: fc.constantFrom('inner', 'left', 'outer'),
  latenessMs: fc.constantFrom(0, 5, 20),
});

const show = (left: Buffer | null, right: Buffer | null): string =>
  `${left?.toString() ?? '-'}|${right?.toString() ?? '-'}`;
const NONE = show(null, null);

/** The joined row of the newest updates of both sides. */
function naive({ kind }: TableRules, updates: readonly Arrival[]): string {
  const valueOf = (side: Arrival['side']): Buffer | null =>
    newestOf(updates.filter((update) => update.side === side))?.value ?? null;
  const [left, right] = [valueOf('left'), valueOf('right')];
  if (kind === 'inner' && (left === null || right === null)) return NONE;
  if (kind === 'left' && left === null) return NONE;
  return show(left, right);
}

test('after each update the result is the join of the newest rows; no row twice; event times never go back', () => {
  fc.assert(
    fc.property(
      rules.chain((one) =>
        fc.tuple(fc.constant(one), happenings({ latenessMs: one.latenessMs, tombstones: ['left', 'right'] })),
      ),
      ([one, history]) => {
        const updates = new Map<string, Arrival[]>();
        const table = new Map<string, { row: string; timeMs: number }>();
        const left = play<TableState, Joined>(
          history,
          {
            step: (state, arrival, watermarkMs) =>
              tableStep(one, state, { kind: arrival.side, update: arrival, watermarkMs }),
            fire: (state, watermarkMs) => tableStep(one, state, { kind: 'timer', watermarkMs }),
            timerMs: (state) => tableTimerMs(one, state),
            serde: tableSerde,
            seen({ key, arrival, watermarkMs, outputs, late }) {
              const own = updates.get(key) ?? [];
              updates.set(key, own);
              const isLate = arrival !== null && arrival.timeMs < watermarkMs - one.latenessMs;
              assert.equal(late.length, isLate ? 1 : 0);
              if (arrival !== null && !isLate) own.push(arrival);
              for (const { timeMs, left, right } of outputs) {
                const row = show(left?.value ?? null, right?.value ?? null);
                const before = table.get(key) ?? { row: NONE, timeMs: -Infinity };
                assert.notEqual(row, before.row, 'equal rows are not written twice');
                assert.ok(timeMs >= before.timeMs && timeMs >= watermarkMs, 'history is not rewritten');
                table.set(key, { row, timeMs });
              }
              assert.equal(table.get(key)?.row ?? NONE, naive(one, own));
            },
          },
          1_000,
        );
        for (const [key, own] of updates) {
          const isHeld = (['left', 'right'] as const).some(
            (side) => newestOf(own.filter((update) => update.side === side))?.value instanceof Buffer,
          );
          assert.equal(left.has(key), isHeld, 'deletions are forgotten in the end');
        }
      },
    ),
    { numRuns: 2_000 },
  );
});
