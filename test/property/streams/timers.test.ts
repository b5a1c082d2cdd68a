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

test('timers that are moved again and again leave nothing behind', () => {
  const timers = new Timers();
  for (let timeMs = 1; timeMs <= 10_000; timeMs += 1) timers.set(`key ${timeMs % 3}`, timeMs);
  assert.ok(timers.heldEntries < 2000, `${timers.heldEntries} entries`);
  assert.deepEqual(timers.takeDue(9998), ['key 2']);
  assert.deepEqual(timers.takeDue(Infinity), ['key 0', 'key 1']);
});

test('what is upcoming is what will be taken first, and stays', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(8), fc.nat(20)), { maxLength: 60 }), fc.nat(20), (set, toMs) => {
      const timers = new Timers();
      const model = new Map<string, number>();
      for (const [key, timeMs] of set) {
        timers.set(`${key}`, timeMs);
        model.set(`${key}`, timeMs);
      }
      const due = [...model].filter(([, timeMs]) => timeMs <= toMs);
      // with room for all of them
      assert.deepEqual([...timers.upcoming(toMs, 1000)].sort(), due.map(([key]) => key).sort());
      const [first] = timers.upcoming(toMs, 1);
      if (first !== undefined) assert.equal(model.get(first), Math.min(...model.values()));
      assert.deepEqual(timers.takeDue(toMs), due.map(([key]) => key).sort());
    }),
  );
});
