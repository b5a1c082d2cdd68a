// The Log port's contract: writing, placing, reading, positions, bounds, topics.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Failure } from '../../../schemas/failure.ts';
import { type Log, type NewRecord } from '../../../streams/log.ts';
import { type LogWorld, bytes, fresh, pollUntil, readAll, record, textOf, textsOf, topicOf } from './log-world.ts';

/** Placements of Kafka's own clients among three partitions, from the hashes in Kafka's UtilsTest. */
const PLACED = (
  [
    ['21', -973_932_308],
    ['foobar', -790_332_482],
    ['a-little-bit-long-string', -985_981_536],
    ['a-little-bit-longer-string', -1_486_304_829],
    ['lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8', -58_897_971],
    ['abc', 479_470_107],
  ] as const
).map(([key, hash]) => [key, (hash & 0x7fffffff) % 3] as const);

export function recordsSuite(world: LogWorld): void {
  const contract = (what: string, body: (log: Log) => Promise<void>): void => {
    test(`${world.name}: ${what}`, () =>
      world.run(async () => {
        const log = world.client(world.clock);
        await body(log);
        await log.close();
      }));
  };

  contract('records come back whole: null keys and values, headers, old and far timestamps', async (log) => {
    const topic = await topicOf(log, 1);
    const place = { topic, partition: 0 };
    const written: NewRecord[] = [
      { ...place, timestampMs: 0, key: null, value: bytes('no key') },
      { ...place, timestampMs: 1, key: bytes('no value'), value: null },
      { ...place, timestampMs: 4_102_444_800_000, key: null, value: null, headers: [] },
      {
        ...place,
        timestampMs: 86_400_000,
        key: bytes(''),
        value: bytes(''),
        headers: [
          { key: 'ce_id', value: bytes('Ümlaut') },
          { key: 'again', value: bytes('1') },
          { key: 'again', value: Buffer.from([0, 255]) },
        ],
      },
    ];
    const writer = log.writer();
    assert.deepEqual(await writer.append(written), [{ ...place, firstOffset: 0, count: 4 }]);
    const { records } = await readAll(log, place);
    assert.deepEqual(
      records.map((one) => ({ ...one, key: one.key?.toString() ?? null, value: one.value?.toString() ?? null })),
      written.map((one, offset) => ({
        ...{ headers: [], ...one },
        offset,
        key: one.key?.toString() ?? null,
        value: one.value?.toString() ?? null,
      })),
    );
    await writer.close();
  });

  contract('the undecoded records of a fetch are the same', async (log) => {
    const topic = await topicOf(log, 1);
    const writer = log.writer();
    await writer.append([
      { ...record(topic, 0, 'a'), headers: [{ key: 'h', value: bytes('1') }] },
      { ...record(topic, 0, 'b'), key: null },
      { ...record(topic, 0, 'c'), value: null },
    ]);
    const reader = log.reader();
    reader.assign({ topic, partition: 0 }, 1);
    const fetched = await pollUntil(reader, (all) => all.at(-1)?.nextOffset === 3);
    for (const { records, slabs } of fetched) {
      const objects = slabs.flatMap((slab) => Array.from({ length: slab.count }, (_, index) => slab.recordOf(index)));
      assert.deepEqual(objects, records);
      for (const slab of slabs) {
        for (let index = 0; index < slab.count; index += 1) {
          const { offset, timestampMs, key, value } = slab.recordOf(index);
          const column = (starts: Int32Array, ends: Int32Array): Buffer | null =>
            (starts[index] ?? -1) < 0 ? null : slab.data.subarray(starts[index], ends[index]);
          assert.deepEqual([slab.offsets[index], slab.timesMs[index]], [offset, timestampMs]);
          assert.deepEqual(
            [column(slab.keyStarts, slab.keyEnds), column(slab.valueStarts, slab.valueEnds)],
            [key, value],
          );
        }
      }
    }
    assert.deepEqual(
      fetched.flatMap(({ records }) => records.map(({ offset }) => offset)),
      [1, 2],
    );
    await reader.close();
    await writer.close();
  });

  contract('a record without a partition goes where Kafka’s own clients put its key', async (log) => {
    const topic = await topicOf(log, 3);
    const writer = log.writer();
    await writer.append(PLACED.map(([key]) => ({ topic, timestampMs: 0, key: bytes(key), value: null })));
    for (const partition of [0, 1, 2]) {
      const { records } = await readAll(log, { topic, partition });
      assert.deepEqual(
        records.map(({ key }) => key?.toString()),
        PLACED.filter(([, placed]) => placed === partition).map(([key]) => key),
      );
    }
    await writer.close();
  });

  contract('order within a partition is the order of the calls, awaited or not', async (log) => {
    const topic = await topicOf(log, 2);
    const writer = log.writer();
    const texts = Array.from({ length: 200 }, (_, index) => String(index));
    const appended = await Promise.all(texts.map((text) => writer.append([record(topic, Number(text) % 2, text)])));
    assert.deepEqual(
      appended.map(([first]) => first?.firstOffset),
      texts.map((text) => Math.floor(Number(text) / 2)),
    );
    for (const partition of [0, 1])
      assert.deepEqual(
        await textsOf(log, { topic, partition }),
        texts.filter((text) => Number(text) % 2 === partition),
      );
    await writer.close();
  });

  contract('a large append is cut into batches that lie one behind the other', async (log) => {
    const topic = await topicOf(log, 2);
    const writer = log.writer();
    const filler = 'x'.repeat(1000);
    const records = Array.from({ length: 5000 }, (_, index) => record(topic, index % 2, `${index} ${filler}`, 'k'));
    const appended = [...(await writer.append(records))].sort((a, b) => a.partition - b.partition);
    assert.deepEqual(
      appended,
      [0, 1].map((partition) => ({ topic, partition, firstOffset: 0, count: 2500 })),
    );
    const { records: read, nextOffset } = await readAll(log, { topic, partition: 1 });
    assert.equal(nextOffset, 2500);
    assert.deepEqual(
      read.map((one) => [one.offset, textOf(one).split(' ')[0]]),
      Array.from({ length: 2500 }, (_, offset) => [offset, String(2 * offset + 1)]),
    );
    await writer.close();
  });

  contract('a compacted topic refuses records without a key', async (log) => {
    const topic = await topicOf(log, 1, { 'cleanup.policy': 'compact' });
    const writer = log.writer();
    await assert.rejects(
      writer.append([{ topic, partition: 0, timestampMs: 0, key: null, value: bytes('v') }]),
      Failure,
    );
    await writer.close();
  });

  contract('writing to a topic that is not there fails with its name', async (log) => {
    const writer = log.writer();
    const topic = fresh('missing');
    await assert.rejects(
      writer.append([{ topic, timestampMs: 0, key: null, value: null }]),
      (error) => error instanceof Failure && error.code === 'unknown_name' && error.message.includes(topic),
    );
    await writer.close();
  });

  positionTests(contract);
  deletionTests(contract);
  topicTests(contract);
}

type Contract = (what: string, body: (log: Log) => Promise<void>) => void;

function positionTests(contract: Contract): void {
  contract('assigning again moves the position; what was unassigned comes no more', async (log) => {
    const topic = await topicOf(log, 2);
    const writer = log.writer();
    await writer.append(['a', 'b', 'c'].map((text) => record(topic, 0, text)));
    const reader = log.reader();
    reader.assign({ topic, partition: 0 }, 0);
    const first = await pollUntil(reader, (all) => all.at(-1)?.nextOffset === 3);
    assert.deepEqual(
      first.flatMap(({ records }) => records.map(textOf)),
      ['a', 'b', 'c'],
    );
    reader.assign({ topic, partition: 0 }, 1);
    const second = await pollUntil(reader, (all) => all.at(-1)?.nextOffset === 3);
    assert.deepEqual(
      second.flatMap(({ records }) => records.map(textOf)),
      ['b', 'c'],
    );
    assert.equal(second.at(-1)?.endOffset, 3);

    reader.unassign({ topic, partition: 0 });
    reader.assign({ topic, partition: 1 }, 0);
    await writer.append([record(topic, 0, 'd'), record(topic, 1, 'e')]);
    const third = await pollUntil(reader, (all) => all.length > 0);
    assert.deepEqual(
      third.flatMap(({ records }) => records.map(textOf)),
      ['e'],
    );
    await reader.close();
    await writer.close();
  });

  contract('a paused partition waits, and goes on where it was', async (log) => {
    const topic = await topicOf(log, 2);
    const writer = log.writer();
    const reader = log.reader();
    for (const partition of [0, 1]) reader.assign({ topic, partition }, 0);
    await writer.append([record(topic, 0, 'a'), record(topic, 1, 'b')]);
    await pollUntil(reader, (all) => all.length === 2);
    reader.pause({ topic, partition: 0 });
    // the fetch that is under way may still bring what comes now
    while ((await reader.poll(200)).length > 0);
    await writer.append([record(topic, 0, 'c')]);
    await writer.append([record(topic, 1, 'd')]);
    const paused = await pollUntil(reader, (all) => all.length > 0);
    assert.deepEqual(
      paused.flatMap(({ records }) => records.map(textOf)),
      ['d'],
    );
    reader.resume({ topic, partition: 0 });
    const resumed = await pollUntil(reader, (all) => all.length > 0);
    assert.deepEqual(
      resumed.flatMap(({ records }) => records.map(textOf)),
      ['c'],
    );
    await reader.close();
    await writer.close();
  });

  contract('a poll that finds nothing comes back empty, and one that waits wakes up', async (log) => {
    const topic = await topicOf(log, 1);
    const reader = log.reader();
    reader.assign({ topic, partition: 0 }, 0);
    assert.deepEqual(await reader.poll(0), []);
    assert.deepEqual(await reader.poll(50), []);
    const writer = log.writer();
    const [fetched] = await Promise.all([
      pollUntil(reader, (all) => all.length > 0),
      writer.append([record(topic, 0, 'a')]),
    ]);
    assert.deepEqual(
      fetched.flatMap(({ records }) => records.map(textOf)),
      ['a'],
    );
    await reader.close();
    // a loop that polls on would never end
    await assert.rejects(reader.poll(10));
    await writer.close();
  });

  contract('the end is known once the log has answered, where nothing lies too', async (log) => {
    const topic = await topicOf(log, 2);
    const [empty, full] = [0, 1].map((partition) => ({ topic, partition }));
    assert.ok(empty !== undefined && full !== undefined);
    const writer = log.writer();
    const reader = log.reader();
    reader.assign(empty, 0);
    assert.equal(reader.endOf(empty), null);
    while (reader.endOf(empty) === null) assert.deepEqual(await reader.poll(500), []);
    assert.equal(reader.endOf(empty), 0);
    for (const text of ['a', 'b', 'c']) await writer.append([record(topic, 1, text)]);
    reader.assign(full, 1);
    assert.equal(reader.endOf(full), null);
    await pollUntil(reader, (all) => all.at(-1)?.nextOffset === 3);
    assert.equal(reader.endOf(full), 3);
    reader.unassign(full);
    assert.equal(reader.endOf(full), null);
    await reader.close();
    await writer.close();
  });

  contract('a large batch is read though partitions before it have plenty', async (log) => {
    const [busy, other] = [await topicOf(log, 2), await topicOf(log, 1)];
    const writer = log.writer();
    const filler = 'x'.repeat(200_000);
    for (let batch = 0; batch < 20; batch += 1)
      for (const partition of [0, 1]) await writer.append([record(busy, partition, filler, `${batch}`)]);
    await writer.append([record(other, 0, 'x'.repeat(800_000), 'large')]);
    const reader = log.reader();
    for (const [topic, partition] of [
      [busy, 0],
      [other, 0],
      [busy, 1],
    ] as const)
      reader.assign({ topic, partition }, 0);
    const fetched = await pollUntil(reader, (all) => all.some(({ topic }) => topic === other));
    const ahead = fetched.reduce((sum, { topic, records }) => sum + (topic === busy ? records.length : 0), 0);
    await reader.close();
    await writer.close();
    assert.ok(ahead < 30, `${ahead} of 40 came before it`);
  });

  contract('an offset out of range goes to the start of the log, and is reported', async (log) => {
    const topic = await topicOf(log, 1);
    const place = { topic, partition: 0 };
    const writer = log.writer();
    for (const text of ['a', 'b', 'c', 'd']) await writer.append([record(topic, 0, text)]);
    const readFrom = async (offset: number, start: number): Promise<string[]> => {
      const reader = log.reader();
      reader.assign(place, offset);
      const fetched = await pollUntil(reader, (all) => all.at(-1)?.nextOffset === 4);
      await reader.close();
      assert.deepEqual(
        fetched.map(({ isGap = false, nextOffset }) => (isGap ? nextOffset : null)),
        [start, ...fetched.slice(1).map(() => null)],
      );
      return fetched.flatMap(({ records }) => records.map(textOf));
    };
    const admin = log.admin();
    const deleteBefore = (offset: number): Promise<void> => admin.deleteRecords([{ ...place, offset }]);
    assert.deepEqual(await readFrom(99, 0), ['a', 'b', 'c', 'd']);
    await deleteBefore(2);
    assert.deepEqual(await readFrom(0, 2), ['c', 'd']);
    assert.deepEqual(await readFrom(99, 2), ['c', 'd']);
    await deleteBefore(4);
    assert.deepEqual(await readFrom(1, 4), []);
    assert.deepEqual(await admin.offsets([place]), [{ ...place, start: 4, end: 4, highWatermark: 4 }]);
    await admin.close();
    await writer.close();
  });
}

function deletionTests(contract: Contract): void {
  contract('records are deleted up to an offset, of many partitions at once, and never come back', async (log) => {
    const topics = [await topicOf(log, 2), await topicOf(log, 1)] as const;
    const places = [0, 1].map((partition) => ({ topic: topics[0], partition }));
    const other = { topic: topics[1], partition: 0 };
    const writer = log.writer();
    for (const text of ['a', 'b', 'c'])
      await writer.append([...places, other].map(({ topic, partition }) => record(topic, partition, text)));
    const admin = log.admin();
    const startsOf = async (): Promise<number[]> => (await admin.offsets([...places, other])).map(({ start }) => start);
    await admin.deleteRecords([
      { topic: topics[0], partition: 0, offset: 2 },
      { ...other, offset: 3 },
    ]);
    assert.deepEqual(await startsOf(), [2, 0, 3]);
    assert.deepEqual(await textsOf(log, { topic: topics[0], partition: 0 }), ['c']);
    // said again, or by one who knows less: nothing comes back
    await admin.deleteRecords([
      { topic: topics[0], partition: 0, offset: 1 },
      { ...other, offset: 0 },
    ]);
    assert.deepEqual(await startsOf(), [2, 0, 3]);
    await writer.append([record(other.topic, 0, 'd')]);
    assert.deepEqual(await textsOf(log, other), ['d']);
    await admin.close();
    await writer.close();
  });

  contract('what cannot be deleted is refused, and the rest is done', async (log) => {
    const [topic, compacted] = [await topicOf(log, 2), await topicOf(log, 1, { 'cleanup.policy': 'compact' })];
    const places = [
      { topic, partition: 0 },
      { topic, partition: 1 },
      { topic: compacted, partition: 0 },
    ];
    const writer = log.writer();
    await writer.append(places.map((at) => record(at.topic, at.partition, 'a')));
    const admin = log.admin();
    const refused = { name: 'Failure', code: 'internal' };
    await assert.rejects(
      admin.deleteRecords([
        { topic, partition: 0, offset: 2 },
        { topic, partition: 1, offset: 1 },
      ]),
      refused,
    );
    await assert.rejects(admin.deleteRecords([{ topic: compacted, partition: 0, offset: 1 }]), refused);
    assert.deepEqual(
      (await admin.offsets(places)).map(({ start }) => start),
      [0, 1, 0],
    );
    await admin.close();
    await writer.close();
  });
}

function topicTests(contract: Contract): void {
  contract('topics are made once, counted, listed and deleted', async (log) => {
    const admin = log.admin();
    const [name, missing] = [fresh('topic'), fresh('topic')];
    await admin.ensureTopics([{ name, partitions: 3, config: {} }]);
    await admin.ensureTopics([{ name, partitions: 5, config: { 'retention.ms': '-1' } }]);
    assert.deepEqual([...(await admin.partitionsOf([name, missing]))], [[name, 3]]);
    assert.ok((await admin.listTopics()).includes(name));
    assert.deepEqual(await admin.offsets([{ topic: name, partition: 2 }]), [
      { topic: name, partition: 2, start: 0, end: 0, highWatermark: 0 },
    ]);
    await admin.deleteTopics([name, missing]);
    assert.ok(!(await admin.listTopics()).includes(name));
    assert.deepEqual([...(await admin.partitionsOf([name]))], []);
    await admin.close();
  });
}
