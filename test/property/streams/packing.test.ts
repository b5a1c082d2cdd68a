import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Packer, Unpacker } from '../../../streams/packing.ts';
import {
  newestFirst,
  orderedKey,
  orderedTime,
  readNewestFirst,
  readOrderedText,
  readOrderedTime,
} from '../../../streams/stores/ordered-keys.ts';

const whole = fc.oneof(fc.maxSafeInteger(), fc.integer({ min: -300, max: 300 }));
const text = fc.string({ unit: 'binary' }).map((value) => Buffer.from(value).toString());
const bytes = fc.uint8Array({ maxLength: 200 }).map((value) => Buffer.from(value));

test('what is packed comes back, and nothing shorter or longer is taken for it', () => {
  fc.assert(
    fc.property(
      whole,
      fc.maxSafeNat(),
      fc.option(bytes),
      fc.option(text),
      fc.array(bytes),
      (int, uint, blob, word, many) => {
        const packer = new Packer().int(int).bytesOrNull(blob).uint(uint).textOrNull(word).uint(many.length);
        for (const one of many) packer.bytes(one);
        const packed = packer.done();
        const read = (from: Buffer): unknown[] => {
          const unpacker = new Unpacker(from, 'row');
          const back = [unpacker.int(), unpacker.bytesOrNull(), unpacker.uint(), unpacker.textOrNull()];
          const rest = unpacker.list(() => unpacker.bytes());
          unpacker.end();
          return [...back, rest];
        };
        assert.deepEqual(read(packed), [int, blob, uint, word, many]);
        assert.throws(() => read(packed.subarray(0, packed.length - 1)), { code: 'undecodable_record' });
        assert.throws(() => read(Buffer.concat([packed, Buffer.from([0])])), { code: 'undecodable_record' });
      },
    ),
  );
});

test('ordered keys sort as their parts do, and give them back', () => {
  const parts = fc.tuple(text, text, whole);
  const keyOf = ([first, second, timeMs]: readonly [string, string, number]): Buffer =>
    Buffer.concat([orderedKey(1, first, second), orderedTime(timeMs)]);
  fc.assert(
    fc.property(parts, parts, fc.boolean(), (a, other, isNear) => {
      const b: typeof a = isNear ? [a[0], a[1], other[2]] : other;
      const expected =
        Buffer.from(a[0]).compare(Buffer.from(b[0])) || Buffer.from(a[1]).compare(Buffer.from(b[1])) || a[2] - b[2];
      assert.equal(Math.sign(keyOf(a).compare(keyOf(b))), Math.sign(expected));
      assert.equal(Math.sign(newestFirst(a[2]).compare(newestFirst(b[2]))), Math.sign(b[2] - a[2]));
      const first = readOrderedText(keyOf(a), 1);
      const second = readOrderedText(keyOf(a), first.nextAt);
      assert.deepEqual([first.text, second.text, readOrderedTime(keyOf(a), second.nextAt)], a);
      // as any time that is a date
      if (Math.abs(a[2]) < 8.64e15) assert.equal(readNewestFirst(newestFirst(a[2]), 0), a[2]);
    }),
    { numRuns: 1_000 },
  );
});
