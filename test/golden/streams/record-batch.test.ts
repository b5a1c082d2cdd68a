// Batches that Java's and librdkafka's producers compressed, read here. Their makers lie beside them.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { decompressed } from '../../../streams/decompress.ts';
import { crc32c } from '../../../streams/crc32c.ts';
import { decodeRecordBatches } from '../../../streams/record-batch.ts';
import { recordsOf } from '../../../streams/record-slab.ts';
import { Failure } from '../../../schemas/failure.ts';

const folder = new URL('batches/', import.meta.url);
const place = { topic: 'upstream', partition: 2 };
const RECORDS = 400;
const CODECS = ['gzip', 'snappy', 'lz4', 'zstd'] as const;

function expectedValue(index: number): string {
  const words = 'lorem ipsum dolor '.repeat(index % 9);
  return `{"id":"request-${index}","amount":${(index * 37) % 101},"text":"${words}"}`;
}

for (const producer of ['java', 'librdkafka']) {
  for (const codec of CODECS) {
    test(`a ${codec} batch of ${producer} gives its records`, () => {
      const bytes = readFileSync(new URL(`${producer}-${codec}.bin`, folder));
      const { slabs, nextOffset } = decodeRecordBatches(bytes, place, 0, []);
      const records = recordsOf(slabs);
      assert.equal(nextOffset, RECORDS);
      assert.equal(records.length, RECORDS);
      for (const [index, record] of records.entries()) {
        assert.equal(record.value?.toString(), expectedValue(index));
        assert.equal(record.key?.toString(), `key-${index % 7}`);
        assert.equal(record.timestampMs, 1_700_000_000_000 + index * 1000);
        assert.deepEqual(record.headers, [{ key: 'n', value: Buffer.from(String(index)) }]);
        assert.equal(record.offset, index);
      }
    });
  }
}

/** A batch whose body was broken before its checksum was taken. */
function broken(codec: string): Buffer {
  const bytes = readFileSync(new URL(`java-${codec}.bin`, folder));
  bytes.fill(0xee, 61, 200);
  bytes.writeUInt32BE(crc32c(bytes, 21), 17);
  return bytes;
}

for (const codec of CODECS) {
  test(`a broken ${codec} body is named, and the next batch is read all the same`, () => {
    assert.throws(
      () => decodeRecordBatches(broken(codec), place, 0, []),
      (error: unknown) =>
        error instanceof Failure &&
        error.code === 'undecodable_record' &&
        error.advice.includes('upstream/2') &&
        error.advice.includes(codec),
    );
    const whole = readFileSync(new URL(`librdkafka-${codec}.bin`, folder));
    assert.equal(recordsOf(decodeRecordBatches(whole, place, 0, []).slabs).length, RECORDS);
  });
}

test('a codec that Kafka has not is refused with those it has', () => {
  for (const number of [5, 6, 7])
    assert.throws(() => decompressed(Buffer.alloc(10), number, 'upstream/2'), /codec \d, which Kafka has not/);
});
