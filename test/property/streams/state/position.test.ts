// The position of a state as bytes: what was written is read, and what older versions wrote is read too.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { positionIn, positionWrite } from '../../../../streams/state/position.ts';

const number = fc.maxSafeNat();

test('a position is read as it was written', () => {
  fc.assert(
    fc.property(number, number, number, (nextOffset, logEnd, asOfMs) => {
      const { value } = positionWrite({ nextOffset, logEnd, asOfMs });
      assert.deepEqual(positionIn(value ?? Buffer.alloc(0)), { nextOffset, logEnd, asOfMs });
    }),
  );
});

test('older versions wrote the offset alone', () => {
  fc.assert(
    fc.property(number, (nextOffset) => {
      const value = Buffer.alloc(8);
      value.writeBigInt64BE(BigInt(nextOffset));
      assert.deepEqual(positionIn(value), { nextOffset, logEnd: nextOffset, asOfMs: 0 });
    }),
  );
});
