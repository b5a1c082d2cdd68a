import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Packer, Unpacker } from '../../../streams/packing.ts';
import { ORDERED_TAGS, orderedKey, readOrderedText } from '../../../streams/joins/ordered-keys.ts';

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
  const parts = fc.tuple(text, text);
  const keyOf = ([first, second]: readonly [string, string]): Buffer =>
    orderedKey(ORDERED_TAGS.subscriptions, first, second);
  fc.assert(
    fc.property(parts, parts, fc.boolean(), (a, other, isNear) => {
      const b: typeof a = isNear ? [a[0], other[1]] : other;
      const expected = Buffer.from(a[0]).compare(Buffer.from(b[0])) || Buffer.from(a[1]).compare(Buffer.from(b[1]));
      assert.equal(Math.sign(keyOf(a).compare(keyOf(b))), Math.sign(expected));
      const first = readOrderedText(keyOf(a), 1);
      assert.deepEqual([first.text, readOrderedText(keyOf(a), first.nextAt).text], a);
    }),
    { numRuns: 1_000 },
  );
});
