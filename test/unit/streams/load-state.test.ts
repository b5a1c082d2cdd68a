// The reading of a whole store when its task starts.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type StateStore } from '../../../streams/store.ts';
import { loadState } from '../../../streams/load-state.ts';
import { CalledOff } from '../../../streams/local-states.ts';

const CHANGELOG = { topic: 'changelog', partition: 0 };
const serde = { encode: (): Buffer => Buffer.alloc(0), decode: (): never => null as never };
const onDemand = { isPinned: () => false, timerOf: () => null, inputKey: () => '', fetchKeys: () => [] };

for (const [which, topology] of [
  ['a state in memory', {}],
  ['a state that is read on demand', { onDemand }],
] as const)
  test(`${which}: it ends with the row at which its task is not wanted any more`, async () => {
    const abort = new AbortController();
    let rows = 0;
    const store: StateStore = {
      multiGet: async (keys) => keys.map(() => null),
      write: async () => undefined,
      close: async () => undefined,
      scan: async function* () {
        for (; rows < 1000; rows += 1) {
          if (rows === 3) abort.abort();
          yield await Promise.resolve({ key: Buffer.from(`K${rows}`), value: Buffer.alloc(1) });
        }
      },
    };
    await assert.rejects(loadState(topology, store, serde, CHANGELOG, 1000, abort.signal), CalledOff);
    assert.equal(rows, 3);
  });
