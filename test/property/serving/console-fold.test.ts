// The console's fold does not depend on the pace at which its topics are read, nor on what is read twice.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ConsoleView } from '../../../serving/console/fold.ts';
import { type Told, ending, loopStory } from '../../browser/console/story.ts';

const { told } = loopStory().tell(...ending());
const byTopic = [...Map.groupBy(told, ({ record }) => record.topic).values()];

function stateOf(events: readonly Told[]): unknown {
  const view = new ConsoleView();
  for (const { event, record } of events) view.apply(event, record);
  return { ...view.state(), counts: view.counts };
}

const expected = stateOf(told);

/** Each topic in its own order; `turns` says whose turn it is, and how much he takes. */
function interleaved(turns: readonly (readonly [number, number])[]): Told[] {
  const queues = byTopic.map((events) => [...events]);
  const order = turns.flatMap(([who, count]) => queues[who % queues.length]?.splice(0, count) ?? []);
  return [...order, ...queues.flat()];
}

test('any interleaving of the topics gives the same state', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(2), fc.integer({ min: 1, max: 80 })), { maxLength: 60 }), (turns) => {
      const events = interleaved(turns);
      assert.equal(events.length, told.length);
      assert.deepEqual(stateOf(events), expected);
    }),
    { numRuns: 60 },
  );
});

test('reading again from any place on changes nothing', () => {
  fc.assert(
    fc.property(fc.nat(told.length), (from) => {
      assert.deepEqual(stateOf([...told, ...told.slice(from)]), expected);
    }),
    { numRuns: 60 },
  );
});
