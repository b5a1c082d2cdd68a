import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Timers } from '../../../streams/timers.ts';

const actions = fc.array(
  fc.oneof(
    fc.record({ key: fc.constantFrom('a', 'b', 'c', 'd', 'e'), timeMs: fc.option(fc.integer({ min: 0, max: 50 })) }),
    fc.record({ takeToMs: fc.integer({ min: 0, max: 50 }) }),
  ),
  { maxLength: 200 },
);

test('timers behave as a map from key to time', () => {
  fc.assert(
    fc.property(actions, (steps) => {
      const timers = new Timers();
      const model = new Map<string, number>();
      for (const step of steps) {
        if ('takeToMs' in step) {
          const due = [...model].filter(([, timeMs]) => timeMs <= step.takeToMs).map(([key]) => key);
          for (const key of due) model.delete(key);
          assert.deepEqual(timers.takeDue(step.takeToMs), due.sort());
        } else {
          timers.set(step.key, step.timeMs);
          if (step.timeMs === null) model.delete(step.key);
          else model.set(step.key, step.timeMs);
        }
        assert.equal(timers.nextMs(), model.size === 0 ? null : Math.min(...model.values()));
      }
    }),
  );
});
