// The online store over a store that outlives it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { OnlineStore, type RowCodec } from '../../../serving/online-store.ts';
import { memoryStores } from '../../../streams/memory-store.ts';

/** Decodes only values that it was prepared for, as the reader of registered schemas does. */
function preparedCodec(): RowCodec {
  const known = new Set<number>();
  return {
    async prepare(values) {
      for (const value of values) known.add(value[0] ?? -1);
    },
    decode(value) {
      if (!known.has(value[0] ?? -1)) throw new Error(`schema ${value[0]} was not prepared`);
      return { event_time: value[1] };
    },
  };
}

test('rows of an earlier process can be read before any new row has come', async () => {
  const kept = await memoryStores().open('rows');
  const before = new OnlineStore(kept, preparedCodec());
  await before.open();
  before.apply('view', 'JFK', Buffer.from([7, 42]), 1, 100);
  await before.flush(new Map([['features/1', 101]]), 42);

  const after = new OnlineStore(kept, preparedCodec());
  await after.open();
  assert.deepEqual(after.row('view', 'JFK'), { row: { event_time: 42 }, partition: 1, offset: 100 });
  assert.deepEqual([...after.positions], [['features/1', 101]]);
  assert.equal(after.timeMs, 42);
});
