// The Log port's contract: transactions.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Failure } from '../../../schemas/failure.ts';
import { BatchBuilder } from '../../../streams/batch-builder.ts';
import { type EncodedBatch, type Log } from '../../../streams/log.ts';
import {
  Assigned,
  type LogWorld,
  fresh,
  pollUntil,
  readAll,
  record,
  textOf,
  textsOf,
  topicOf,
  untilStable,
} from './log-world.ts';

const isFenced = (error: unknown): boolean => error instanceof Failure && error.code === 'fenced';
const TIMEOUT_MS = 60_000;

function encoded(topic: string, partition: number, texts: readonly string[]): EncodedBatch {
  const builder = new BatchBuilder(1000);
  for (const text of texts) {
    const bytes = Buffer.from(text);
    const at = builder.begin(1_700_000_000_000, bytes, 0, bytes.length, bytes.length);
    bytes.copy(builder.bytes, at);
    builder.end(at + bytes.length);
  }
  return { topic, partition, bytes: builder.take(), count: texts.length };
}

/** A topic of one partition, and the one member of a group that has it. */
async function onlyMember(log: Log) {
  const topic = await topicOf(log, 1);
  const membership = log.membership({ group: fresh('group'), topics: [topic], instanceId: null });
  const assigned = new Assigned();
  await membership.start(assigned);
  await assigned.until(() => assigned.held.size === 1);
  return { topic, place: { topic, partition: 0 }, membership };
}

export function transactionsSuite(world: LogWorld): void {
  const contract = (what: string, body: (log: Log) => Promise<void>): void => {
    test(`${world.name}: ${what}`, () =>
      world.run(async () => {
        const log = world.client(world.clock);
        await body(log);
        await log.close();
      }));
  };

  contract('nothing of a transaction is seen before it commits, then all of it', async (log) => {
    const topic = await topicOf(log, 2);
    const places = [0, 1].map((partition) => ({ topic, partition }));
    const admin = log.admin();
    const session = await log.transactions(fresh('id'), TIMEOUT_MS);
    session.begin();
    await session.append([record(topic, 0, 'a'), record(topic, 1, 'b')]);
    assert.deepEqual(await session.append([record(topic, 0, 'c')]), [
      { topic, partition: 0, firstOffset: 1, count: 1 },
    ]);
    assert.deepEqual(await admin.offsets(places), [
      { topic, partition: 0, start: 0, end: 0, highWatermark: 2 },
      { topic, partition: 1, start: 0, end: 0, highWatermark: 1 },
    ]);
    await session.commit();
    for (const place of places) await untilStable(log, world.clock, place);
    assert.deepEqual(await textsOf(log, { topic, partition: 0 }), ['a', 'c']);
    assert.deepEqual(await textsOf(log, { topic, partition: 1 }), ['b']);
    assert.deepEqual(
      (await admin.offsets(places)).map(({ end }) => end),
      // the record that ends a transaction takes an offset too
      [3, 2],
    );
    await session.close();
    await admin.close();
  });

  contract('batches that were encoded ahead are appended in their order, beside others', async (log) => {
    const topic = await topicOf(log, 2);
    const session = await log.transactions(fresh('id'), TIMEOUT_MS);
    session.begin();
    await session.append([record(topic, 0, 'a')]);
    const appended = await session.appendEncoded([
      encoded(topic, 0, ['b', 'c']),
      encoded(topic, 1, ['x']),
      encoded(topic, 0, ['d']),
    ]);
    assert.deepEqual(
      [...appended].sort((one, other) => one.partition - other.partition),
      [
        { topic, partition: 0, firstOffset: 1, count: 3 },
        { topic, partition: 1, firstOffset: 0, count: 1 },
      ],
    );
    await session.append([record(topic, 0, 'e')]);
    await session.commit();
    for (const partition of [0, 1]) await untilStable(log, world.clock, { topic, partition });
    assert.deepEqual(await textsOf(log, { topic, partition: 0 }), ['a', 'b', 'c', 'd', 'e']);
    assert.deepEqual(await textsOf(log, { topic, partition: 1 }), ['x']);
    await session.close();
  });

  contract('positions move past control records and what was aborted, though no record comes', async (log) => {
    const topic = await topicOf(log, 1);
    const place = { topic, partition: 0 };
    const session = await log.transactions(fresh('id'), TIMEOUT_MS);
    session.begin();
    await session.append([record(topic, 0, 'a')]);
    await session.abort();
    session.begin();
    await session.append([record(topic, 0, 'b')]);
    await session.commit();
    session.begin();
    await session.append([record(topic, 0, 'c'), record(topic, 0, 'd')]);
    await session.abort();
    await untilStable(log, world.clock, place);
    const { records, nextOffset } = await readAll(log, place);
    assert.deepEqual(
      records.map((one) => [one.offset, textOf(one)]),
      [[2, 'b']],
    );
    assert.equal(nextOffset, 7);
    const reader = log.reader();
    reader.assign(place, 4);
    const fetched = await pollUntil(reader, (all) => all.at(-1)?.nextOffset === 7);
    assert.deepEqual(
      fetched.flatMap((part) => part.records),
      [],
    );
    await reader.close();
    await session.close();
  });

  contract('a transaction holds back those behind it until it ends', async (log) => {
    const topic = await topicOf(log, 1);
    const [slow, quick] = [
      await log.transactions(fresh('id'), TIMEOUT_MS),
      await log.transactions(fresh('id'), TIMEOUT_MS),
    ];
    slow.begin();
    await slow.append([record(topic, 0, 'slow')]);
    quick.begin();
    await quick.append([record(topic, 0, 'quick')]);
    await quick.commit();
    const writer = log.writer();
    await writer.append([record(topic, 0, 'plain')]);
    const reader = log.reader();
    reader.assign({ topic, partition: 0 }, 0);
    assert.deepEqual(await reader.poll(300), []);
    await slow.commit();
    const fetched = await pollUntil(reader, (all) => all.flatMap(({ records }) => records).length === 3);
    assert.deepEqual(
      fetched.flatMap(({ records }) => records.map(textOf)),
      ['slow', 'quick', 'plain'],
    );
    await reader.close();
    await writer.close();
    await slow.close();
    await quick.close();
  });

  contract('an empty transaction commits; a second one does not begin inside the first', async (log) => {
    const session = await log.transactions(fresh('id'), TIMEOUT_MS);
    session.begin();
    assert.throws(() => session.begin(), Failure);
    assert.deepEqual(await session.append([]), []);
    await session.commit();
    session.begin();
    await session.abort();
    await session.close();
  });

  contract('a second session with the same id fences the first, and ends what it left open', async (log) => {
    const topic = await topicOf(log, 1);
    const place = { topic, partition: 0 };
    const id = fresh('id');
    const first = await log.transactions(id, TIMEOUT_MS);
    first.begin();
    await first.append([record(topic, 0, 'lost')]);
    const second = await log.transactions(id, TIMEOUT_MS);
    const admin = log.admin();
    const [bounds] = await admin.offsets([place]);
    assert.deepEqual([bounds?.end, bounds?.highWatermark], [2, 2]);
    await assert.rejects(first.append([record(topic, 0, 'too late')]), isFenced);
    await assert.rejects(first.commit(), isFenced);
    second.begin();
    await second.append([record(topic, 0, 'kept')]);
    await second.commit();
    await untilStable(log, world.clock, place);
    assert.deepEqual(await textsOf(log, place), ['kept']);
    await first.close();
    await second.close();
    await admin.close();
  });

  contract('a transaction that nobody ends is aborted, and its session fenced', async (log) => {
    const topic = await topicOf(log, 1);
    const place = { topic, partition: 0 };
    const session = await log.transactions(fresh('id'), 1000);
    session.begin();
    await session.append([record(topic, 0, 'left')]);
    await untilStable(log, world.clock, place);
    await assert.rejects(session.commit(), isFenced);
    assert.deepEqual(await textsOf(log, place), []);
    await session.close();
  });

  offsetTests(contract, world);
}

type Contract = (what: string, body: (log: Log) => Promise<void>) => void;

function offsetTests(contract: Contract, world: LogWorld): void {
  contract('offsets and their metadata belong to the transaction', async (log) => {
    const topic = await topicOf(log, 2);
    const places = [0, 1].map((partition) => ({ topic, partition }));
    const membership = log.membership({ group: fresh('group'), topics: [topic], instanceId: null });
    const assigned = new Assigned();
    await membership.start(assigned);
    await assigned.until(() => assigned.held.size === 2);
    assert.deepEqual(
      await membership.committed(places),
      places.map((place) => ({ ...place, offset: -1, metadata: '' })),
    );
    const session = await log.transactions(fresh('id'), TIMEOUT_MS);
    const metadata = JSON.stringify({ timeMs: -8.64e15, text: 'Ümlaut', filler: 'x'.repeat(3000) });
    session.begin();
    await session.commitOffsets(membership, [{ topic, partition: 0, offset: 7, metadata }]);
    await session.commitOffsets(membership, [{ topic, partition: 1, offset: 0, metadata: '' }]);
    await session.commit();
    session.begin();
    await session.commitOffsets(membership, [{ topic, partition: 0, offset: 99, metadata: 'aborted' }]);
    await session.abort();
    // waits for transactions that are being completed
    assert.deepEqual(await membership.committed(places), [
      { topic, partition: 0, offset: 7, metadata },
      { topic, partition: 1, offset: 0, metadata: '' },
    ]);
    const admin = log.admin();
    const all = [...(await admin.groupOffsets(membership.group))].sort((a, b) => a.partition - b.partition);
    assert.deepEqual(
      all.map(({ partition, offset }) => [partition, offset]),
      [
        [0, 7],
        [1, 0],
      ],
    );
    await admin.close();
    await session.close();
    await membership.close();
  });

  contract(
    'at least once, records are seen when they are acknowledged, offsets when they are committed',
    async (log) => {
      const { topic, place, membership } = await onlyMember(log);
      const session = await log.atLeastOnce();
      session.begin();
      assert.deepEqual(await session.append([record(topic, 0, 'a')]), [{ ...place, firstOffset: 0, count: 1 }]);
      assert.deepEqual(await session.appendEncoded([encoded(topic, 0, ['b', 'c'])]), [
        { ...place, firstOffset: 1, count: 2 },
      ]);
      assert.deepEqual(await textsOf(log, place), ['a', 'b', 'c']);
      await session.commitOffsets(membership, [{ ...place, offset: 3, metadata: 'm' }]);
      assert.equal((await membership.committed([place]))[0]?.offset, -1);
      await session.commit();
      assert.deepEqual(await membership.committed([place]), [{ ...place, offset: 3, metadata: 'm' }]);
      await session.close();
      await membership.close();
    },
  );

  contract(
    'committed offsets wait for a transaction that holds newer ones, but not those of all the group',
    async (log) => {
      const { place, membership } = await onlyMember(log);
      const session = await log.transactions(fresh('id'), TIMEOUT_MS);
      session.begin();
      await session.commitOffsets(membership, [{ ...place, offset: 1, metadata: 'm' }]);
      await session.commit();
      // also waits until that is known everywhere
      assert.equal((await membership.committed([place]))[0]?.offset, 1);
      session.begin();
      await session.commitOffsets(membership, [{ ...place, offset: 3, metadata: '' }]);
      const admin = log.admin();
      assert.deepEqual(await admin.groupOffsets(membership.group), [{ ...place, offset: 1, metadata: 'm' }]);
      await admin.close();
      let known = false;
      const committed = membership.committed([place]).then((offsets) => {
        known = true;
        return offsets;
      });
      await world.clock.sleep(300);
      assert.equal(known, false);
      await session.commit();
      assert.deepEqual(await committed, [{ ...place, offset: 3, metadata: '' }]);
      await session.close();
      await membership.close();
    },
  );
}
