import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Timers } from '../../../streams/timers.ts';

const actions = fc.array(
  fc.oneof(
    fc.record({ key: fc.constantFrom('a', 'b', 'c', 'd', 'e'), timeMs: fc.option(fc.integer({ min: 0, max: 50 })) }),
    fc.record({
      takeToMs: fc.integer({ min: 0, max: 50 }),
      countMax: fc.option(fc.integer({ min: 1, max: 3 }), { nil: Infinity }),
    }),
  ),
  { maxLength: 200 },
);

test('timers behave as a map from key to time', () => {
  fc.assert(
    fc.property(actions, (steps) => {
      const timers = new Timers();
      const model = new Map<string, number>();
      let toMs = 0;
      for (const step of steps) {
        if ('takeToMs' in step) {
          // time does not go back
          toMs = Math.max(toMs, step.takeToMs);
          const due = [...model].filter(([, timeMs]) => timeMs <= toMs).map(([key]) => key);
          const taken = due.sort().slice(0, step.countMax);
          for (const key of taken) model.delete(key);
          assert.deepEqual(timers.takeDue(toMs, step.countMax), taken);
          assert.equal(timers.isCut, due.length > taken.length);
        } else {
          timers.set(step.key, step.timeMs);
          if (step.timeMs === null) model.delete(step.key);
          else model.set(step.key, step.timeMs);
        }
        // what was left is due at once
        const nextMs = timers.isCut ? toMs : Math.min(...model.values());
        assert.equal(timers.nextMs(), model.size === 0 ? null : nextMs);
        assert.deepEqual([...timers.upcoming(Infinity, 100)].sort(), [...model.keys()].sort());
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
