// A topology that is changed while it does not run: steps keep what they kept, by their names.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { json } from '../../../../streams/builder/format.ts';
import { type DeclaredTopology } from '../../../../streams/builder/declaration.ts';
import { topology } from '../../../../streams/builder/topology.ts';
import { RunningStage } from './running-stage.ts';

/** Each step counts its records, and tells its count ten ms after the first. */
function counting(...names: readonly string[]): DeclaredTopology {
  return topology('counting', ({ stream }) => {
    const events = stream('events', json<{ at: number }>(), { timeOf: ({ at }) => at });
    for (const name of names)
      events
        .process<number, string>(name, {
          state: json<number>(),
          each: (_, { state = 0, setState, setTimer, eventTimeMs }) => {
            setState(state + 1);
            if (state === 0) setTimer(eventTimeMs + 10);
          },
          timer: ({ state = 0, emit }) => emit(`${name} ${state}`),
        })
        .to('counts', json());
  });
}

const event = (at: number): { key: string; value: unknown } => ({ key: 'k', value: { at } });

async function told(stage: RunningStage): Promise<unknown[]> {
  await stage.commit();
  return stage.outputs.splice(0).map(({ value }): unknown => JSON.parse(String(value)));
}

test('a step that is added before others, or taken out, leaves them their states and timers', async () => {
  const stage = await RunningStage.of(counting('a', 'b'));
  stage.send([event(0), event(1)]);
  await stage.commit();
  await stage.restart(counting('new', 'b'));
  stage.send([event(2)]);
  stage.idleTo(20);
  assert.deepEqual((await told(stage)).sort(), ['b 3', 'new 1']);
  await stage.restart(counting('b', 'a'));
  stage.send([event(21)]);
  await stage.commit();
  assert.deepEqual(
    stage.stateBytes.map((row) => Number(row.subarray(13))).sort(),
    [1, 3, 4],
    'new has 1 still, a goes on from 2, b from 3',
  );
  await stage.close();
});

test('names whose hashes are equal are refused, and one of them is named', () => {
  return assert.rejects(() => RunningStage.of(counting('subl', 's8000')), {
    name: 'Failure',
    code: 'invalid_definition',
    field: 'name',
  });
});
