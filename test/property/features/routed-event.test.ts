import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { decodeRouted, encodeRouted } from '../../../processors/features/routed-event.ts';

const event = fc.record(
  {
    eventTimeMs: fc.integer({ min: -8.64e15, max: 8.64e15 }),
    sourcePartition: fc.nat(),
    sourceOffset: fc.maxSafeNat(),
    values: fc.array(fc.option(fc.double({ noNaN: true }))),
  },
  { noNullPrototype: true },
);

test('a routed event comes back as it was', () => {
  fc.assert(fc.property(event, (one) => assert.deepEqual(decodeRouted(encodeRouted(one)), one)));
});
