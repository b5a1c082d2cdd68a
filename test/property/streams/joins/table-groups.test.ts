// Laws of what a grouped table keeps and sends.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { changeCodec, givenCodec, groupedSerde } from '../../../../streams/joins/table-groups.ts';

const bytes = fc.uint8Array({ maxLength: 40 }).map((array) => Buffer.from(array));
const plain = { noNullPrototype: true };
const given = fc.record({ group: fc.string({ unit: 'grapheme' }), part: bytes }, plain);

test('what a row gives, what is kept of it and its changes come back from their bytes', () => {
  fc.assert(
    fc.property(given, (one) => {
      assert.deepEqual(givenCodec.decode(givenCodec.encode(one)), one);
    }),
  );
  const version = fc.record(
    {
      timeMs: fc.integer({ min: -1000, max: 2 ** 31 - 1 }),
      late: fc.nat(),
      offset: fc.nat(),
      value: fc.option(given.map(givenCodec.encode)),
    },
    plain,
  );
  fc.assert(
    fc.property(version, ({ late, ...row }) => {
      const state = { row: { ...row, sinceMs: row.timeMs + late } };
      assert.deepEqual(groupedSerde.decode(groupedSerde.encode(state)), state);
    }),
  );
  fc.assert(
    fc.property(fc.record({ retracted: fc.option(bytes), added: fc.option(bytes) }, plain), (change) => {
      assert.deepEqual(changeCodec.decode(changeCodec.encode(change)), change);
    }),
  );
});

test('bytes that end too soon are refused', () => {
  const change = changeCodec.encode({ retracted: Buffer.from('abc'), added: null });
  assert.throws(() => changeCodec.decode(change.subarray(0, 3)), { name: 'Failure', code: 'undecodable_record' });
});
