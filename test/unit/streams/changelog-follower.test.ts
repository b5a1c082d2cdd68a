// A long changelog goes to the store in several writes, two of them on their way at a time; the position comes after all of them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { systemClock } from '../../../infra/clock.ts';
import { ChangelogFollower, type ChangelogFollowerParts } from '../../../streams/changelog-follower.ts';
import { type Fetched, type LogReader } from '../../../streams/log.ts';
import { memoryStores } from '../../../streams/memory-store.ts';
import { NO_POSITION, POSITION_KEY, storedPosition } from '../../../streams/state/position.ts';
import { type StateStore, type StoreWrite } from '../../../streams/store.ts';
import { slabsOf } from '../../../streams/testing/memory-slab.ts';

const CHANGELOG = { topic: 'changelog', partition: 0 };
/** More than four writes of five thousand. */
const KEYS = 22_000;

/** Gives the whole changelog with its first poll. */
function readerOfAll(): LogReader {
  const records = Array.from({ length: KEYS }, (_, offset) => ({
    ...{ ...CHANGELOG, offset, timestampMs: 0, headers: [] },
    ...{ key: Buffer.from(`K${offset}`), value: Buffer.from(`V${offset}`) },
  }));
  const whole = { ...CHANGELOG, records, slabs: slabsOf(CHANGELOG, records), nextOffset: KEYS, endOffset: KEYS };
  const fetches: Fetched[] = [whole];
  const nothing = (): void => undefined;
  return {
    ...{ assign: nothing, unassign: nothing, pause: nothing, resume: nothing, close: async () => undefined },
    poll: async () => fetches.splice(0, 1),
    endOf: () => null,
  };
}

const START = { ...NO_POSITION, asOfMs: Math.floor(systemClock.nowMs()) };

function parts(): ChangelogFollowerParts {
  return { reader: readerOfAll(), admin: { offsets: async () => [] }, clock: systemClock };
}

/** Every other write takes longer than the one that follows; the write with the number `failing` fails at once. */
class SlowStore {
  readonly store: StateStore;
  readonly started: (readonly StoreWrite[])[] = [];
  inFlight = 0;
  mostInFlight = 0;
  inFlightAtPosition = 0;

  constructor(store: StateStore, failing: number | null) {
    this.store = {
      ...{ multiGet: (keys) => store.multiGet(keys), scan: (range) => store.scan(range), close: () => store.close() },
      write: (writes) => this.#write(store, writes, failing),
    };
  }

  async #write(store: StateStore, writes: readonly StoreWrite[], failing: number | null): Promise<void> {
    const number = this.started.push(writes) - 1;
    if (writes.some(({ key }) => key.equals(POSITION_KEY))) this.inFlightAtPosition = this.inFlight;
    this.inFlight += 1;
    this.mostInFlight = Math.max(this.mostInFlight, this.inFlight);
    try {
      if (number === failing) throw new Error('no room');
      await sleep(number % 2 === 0 ? 20 : 1);
      await store.write(writes);
    } finally {
      this.inFlight -= 1;
    }
  }
}

test('everything is in the store, and its position is written when nothing else is on its way', async () => {
  const store = await memoryStores().open('all');
  const slow = new SlowStore(store, null);
  const follower = new ChangelogFollower(parts());
  await follower.follow(CHANGELOG, slow.store, START, { end: KEYS, atMs: START.asOfMs }).finishAt(KEYS);
  await follower.close();
  assert.equal(slow.mostInFlight, 2);
  assert.equal(slow.inFlightAtPosition, 0);
  const keys = Array.from({ length: KEYS }, (_, number) => Buffer.from(`K${number}`));
  const values = await store.multiGet(keys);
  assert.ok(values.every((value, number) => value?.toString() === `V${number}`));
  assert.deepEqual(await storedPosition(store), { nextOffset: KEYS, logEnd: KEYS, asOfMs: START.asOfMs });
});

for (const failing of [0, 1, 2, 4])
  test(`write ${failing} fails: so does the restore, with nothing on its way any more and no position`, async () => {
    const store = await memoryStores().open('failing');
    const slow = new SlowStore(store, failing);
    const follower = new ChangelogFollower(parts());
    await assert.rejects(
      follower.follow(CHANGELOG, slow.store, START, { end: KEYS, atMs: START.asOfMs }).finishAt(KEYS),
      /no room/,
    );
    assert.equal(slow.inFlight, 0);
    assert.ok(slow.started.length <= failing + 2, `${slow.started.length} writes were begun`);
    assert.deepEqual(await store.multiGet([POSITION_KEY]), [null]);
    await follower.close();
  });
