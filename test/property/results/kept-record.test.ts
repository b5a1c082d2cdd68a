import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { decodeKept, encodeKept } from '../../../processors/results/kept-record.ts';

const bytes = fc.uint8Array({ maxLength: 40 }).map((array) => Buffer.from(array));
const record = fc.record(
  {
    topic: fc.string(),
    partition: fc.nat(),
    offset: fc.maxSafeNat(),
    timestampMs: fc.maxSafeInteger(),
    key: fc.option(bytes),
    value: fc.option(bytes),
    headers: fc.array(fc.record({ key: fc.string(), value: bytes }, { noNullPrototype: true })),
  },
  { noNullPrototype: true },
);

test('a kept record comes back as it was', () => {
  fc.assert(fc.property(record, (one) => assert.deepEqual(decodeKept(encodeKept(one)), one)));
});
