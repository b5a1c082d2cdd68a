// The label join against its definition: of each prediction the newest label within the horizon, whatever order they come in.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  type LabelRules,
  type LabelState,
  labelSerde,
  labelStep,
  labelTimerMs,
} from '../../../../streams/joins/labels.ts';
import { type Joined } from '../../../../streams/joins/step.ts';
import { type Arrival, happenings, isBefore, newestOf, play, textOf } from './histories.ts';

const rules = fc.record<LabelRules>({
  horizonMs: fc.integer({ min: 0, max: 40 }),
  kind: fc.constantFrom('inner', 'left'),
  latenessMs: fc.integer({ min: 0, max: 12 }),
});

const drawn = rules.chain((given) =>
  fc.tuple(fc.constant(given), happenings({ latenessMs: given.latenessMs, tombstones: [] })),
);

const isWithin = ({ horizonMs }: LabelRules, prediction: Arrival, label: Arrival): boolean =>
  label.key === prediction.key && label.timeMs >= prediction.timeMs && label.timeMs <= prediction.timeMs + horizonMs;

const rowText = ({ timeMs, left, right }: Joined): string => `${timeMs} ${textOf(left)}+${textOf(right)}`;

/** What the arrival adds to what was written, by the definition. */
function news(given: LabelRules, taken: readonly Arrival[], arrival: Arrival): string[] {
  if (arrival.side === 'left') {
    const newest = newestOf(taken.filter((one) => one.side === 'right' && isWithin(given, arrival, one)));
    return newest === null ? [] : [`${newest.timeMs} ${arrival.offset}+${newest.offset}`];
  }
  return taken
    .filter((one) => one.side === 'left' && isWithin(given, one, arrival))
    .filter((one) => {
      const labels = taken.filter((label) => label.side === 'right' && isWithin(given, one, label));
      return labels.every((label) => isBefore(label, arrival));
    })
    .map((one) => `${arrival.timeMs} ${one.offset}+${arrival.offset}`);
}

test('each prediction has the newest label of its horizon, corrections included, and is alone once none can come', () => {
  fc.assert(
    fc.property(drawn, ([given, history]) => {
      const taken: Arrival[] = [];
      const written: string[] = [];
      const expected: string[] = [];
      const left = play<LabelState, Joined>(
        history,
        {
          step: (state, { side, timeMs, offset, value }, watermarkMs) => {
            const record = { timeMs, offset, value: value ?? Buffer.alloc(0) };
            return labelStep(given, state, { kind: side, record, watermarkMs });
          },
          fire: (state, watermarkMs) => labelStep(given, state, { kind: 'timer', watermarkMs }),
          timerMs: (state) => labelTimerMs(given, state),
          serde: labelSerde,
          seen: ({ arrival, watermarkMs, outputs, late }) => {
            written.push(...outputs.map(rowText));
            if (arrival === null) return assert.deepEqual(late, []);
            assert.equal(late.length, arrival.timeMs < watermarkMs - given.latenessMs ? 1 : 0);
            if (late.length > 0 || taken.some(({ offset }) => offset === arrival.offset)) return;
            expected.push(...news(given, taken, arrival));
            taken.push(arrival);
          },
        },
        10_000,
      );
      const predictions = given.kind === 'inner' ? [] : taken.filter(({ side }) => side === 'left');
      for (const one of predictions)
        if (!taken.some((label) => label.side === 'right' && isWithin(given, one, label)))
          expected.push(`${one.timeMs + given.horizonMs} ${one.offset}+-`);
      assert.deepEqual(written.sort(), expected.sort());
      assert.equal(left.size, 0, 'what is mature takes no room');
    }),
    { numRuns: 500 },
  );
});
