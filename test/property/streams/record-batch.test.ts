import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  crc32c as theirCrc,
  createRecordsBatch,
  murmur2 as theirMurmur2,
  readRecordsBatches,
  Reader,
} from '@platformatic/kafka';
import fc from 'fast-check';
import { crc32c } from '../../../streams/crc32c.ts';
import { type NewRecord } from '../../../streams/log.ts';
import { murmur2 } from '../../../streams/murmur2.ts';
import { decodeRecordBatches, encodeRecordBatch } from '../../../streams/record-batch.ts';
import { recordsOf } from '../../../streams/record-slab.ts';

const bytes = fc.uint8Array({ maxLength: 300 }).map((array) => Buffer.from(array));
const record: fc.Arbitrary<NewRecord> = fc.record(
  {
    topic: fc.constant('t'),
    partition: fc.constant(3),
    timestampMs: fc.integer({ min: 0, max: 4_000_000_000_000 }),
    key: fc.option(bytes),
    value: fc.option(bytes),
    headers: fc.array(fc.record({ key: fc.string(), value: bytes }, { noNullPrototype: true }), { maxLength: 3 }),
  },
  { noNullPrototype: true },
);
const place = { topic: 't', partition: 3 };

test('decode(encode(records)) gives the records', () => {
  fc.assert(
    fc.property(fc.array(record, { minLength: 1, maxLength: 20 }), (records) => {
      const { slabs, nextOffset } = decodeRecordBatches(encodeRecordBatch(records), place, 0, []);
      const decoded = recordsOf(slabs);
      assert.equal(nextOffset, records.length);
      assert.deepEqual(
        decoded,
        records.map((given, offset) => ({ ...given, offset })),
      );
    }),
  );
});

test("the library reads our batches, and we read the library's", () => {
  fc.assert(
    fc.property(fc.array(record, { minLength: 1, maxLength: 20 }), (records) => {
      const read = readRecordsBatches(Reader.from(encodeRecordBatch(records)))[0];
      assert.deepEqual(
        read?.records.map((given) => given.value),
        records.map((given) => given.value),
      );
      const theirs = createRecordsBatch(
        records.map((given) => ({
          topic: 't',
          value: given.value ?? Buffer.alloc(0),
          timestamp: BigInt(given.timestampMs),
          ...(given.key === null ? {} : { key: given.key }),
        })),
      ).buffer;
      const ours = recordsOf(decodeRecordBatches(theirs, place, 0, []).slabs);
      assert.deepEqual(
        ours.map((given) => given.offset),
        records.map((_, offset) => offset),
      );
      assert.deepEqual(
        ours.map((given) => given.key),
        records.map((given) => given.key),
      );
    }),
  );
});

test('a flipped bit is noticed', () => {
  const batch = encodeRecordBatch([{ topic: 't', timestampMs: 0, key: null, value: Buffer.from('value') }]);
  batch[batch.length - 2] = (batch[batch.length - 2] ?? 0) ^ 1;
  assert.throws(() => decodeRecordBatches(batch, place, 0, []), /wrong checksum/);
});

test("crc32c and murmur2 equal the library's", () => {
  fc.assert(
    fc.property(bytes, (data) => {
      assert.equal(crc32c(data), theirCrc(data) >>> 0);
      assert.equal(murmur2(data) & 0x7fffffff, theirMurmur2(data) & 0x7fffffff);
    }),
  );
});
