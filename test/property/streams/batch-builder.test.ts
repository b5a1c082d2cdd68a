// Batches written in place are the batches that the plain encoder writes.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { BatchBuilder } from '../../../streams/batch-builder.ts';
import { type NewRecord } from '../../../streams/log.ts';
import { decodeRecordBatches, encodeRecordBatch, stampBatch } from '../../../streams/record-batch.ts';
import { recordsOf } from '../../../streams/record-slab.ts';

const PRODUCER = { producerId: 7n, epoch: 2, baseSequence: 11, transactional: true };
const place = { topic: 't', partition: 3 };

const bytes = (max: number) => fc.uint8Array({ maxLength: max }).map((array) => Buffer.from(array));
const record = fc.record({
  key: fc.option(bytes(40)),
  // values around the sizes at which a length takes one more byte
  value: fc.option(
    fc.oneof(bytes(70), bytes(200), fc.constant(Buffer.alloc(8150, 1)), fc.constant(Buffer.alloc(9000, 2))),
  ),
  timestampMs: fc.integer({ min: 0, max: 2 ** 41 }),
});

function built(records: readonly { key: Buffer | null; value: Buffer | null; timestampMs: number }[]): Buffer {
  const builder = new BatchBuilder(64);
  for (const { key, value, timestampMs } of records) {
    const source = Buffer.concat([Buffer.from('xx'), key ?? Buffer.alloc(0), Buffer.from('yy')]);
    const start = key === null ? -1 : 2;
    const at = builder.begin(timestampMs, source, start, start + (key?.length ?? 0), value?.length ?? 0);
    if (value === null) builder.endNull();
    else {
      value.copy(builder.bytes, at);
      builder.end(at + value.length);
    }
  }
  const batch = builder.take();
  stampBatch(batch, PRODUCER);
  return batch;
}

test('a batch built in place equals the batch encoded from objects, byte for byte', () => {
  fc.assert(
    fc.property(fc.array(record, { minLength: 1, maxLength: 20 }), (records) => {
      const objects = records.map((one): NewRecord => ({ topic: 't', ...one }));
      assert.deepEqual(built(records), encodeRecordBatch(objects, PRODUCER));
    }),
  );
});

test('headers that were encoded ahead are read back', () => {
  const builder = new BatchBuilder(64);
  const key = Buffer.from('k');
  const headers = Buffer.from([2, 4, 0x61, 0x62, 2, 0x63]); // one header: ab = c
  const at = builder.begin(5, key, 0, 1, 3);
  builder.bytes.write('abc', at);
  builder.end(at + 3, headers);
  const batch = builder.take();
  stampBatch(batch, PRODUCER);
  const [read] = recordsOf(decodeRecordBatches(batch, place, 0, []).slabs);
  assert.deepEqual(read?.headers, [{ key: 'ab', value: Buffer.from('c') }]);
  assert.equal(read?.value?.toString(), 'abc');
});

test('reading from an offset leaves the records before it out', () => {
  fc.assert(
    fc.property(fc.array(record, { minLength: 1, maxLength: 20 }), fc.nat(25), (records, from) => {
      const batch = built(records);
      const read = recordsOf(decodeRecordBatches(batch, place, from, []).slabs);
      assert.deepEqual(
        read.map(({ offset }) => offset),
        records.map((_, index) => index).filter((index) => index >= from),
      );
    }),
  );
});
