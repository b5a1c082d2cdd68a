// The checksum against its definition, bit by bit.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { crc32c } from '../../../streams/crc32c.ts';

function bitByBit(data: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of data) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit += 1) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  }
  return ~crc >>> 0;
}

test('the check value of the standard', () => {
  assert.equal(crc32c(Buffer.from('123456789')), 0xe3069283);
  assert.equal(crc32c(Buffer.alloc(0)), 0);
  assert.equal(crc32c(Buffer.alloc(32)), 0x8a9136aa);
  assert.equal(crc32c(Buffer.alloc(32, 0xff)), 0x62a8ab43);
});

test('any part of any buffer, shorter and longer than its lanes', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 1, maxLength: 64 }),
      fc.integer({ min: 0, max: 9000 }),
      fc.nat(20),
      fc.nat(20),
      (pattern, length, before, after) => {
        // no period that the lanes have
        const bytes = Uint8Array.from(
          { length },
          (_, index) => (pattern[index % pattern.length] ?? 0) ^ (index * index),
        );
        const data = Buffer.concat([Buffer.alloc(before, 7), bytes, Buffer.alloc(after, 9)]);
        assert.equal(crc32c(data, before, before + length), bitByBit(bytes));
        assert.equal(crc32c(data.subarray(before, before + length)), bitByBit(bytes));
      },
    ),
    { numRuns: 300 },
  );
});
