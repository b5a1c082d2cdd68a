// The stepping Avro reader and the in-place writer against avsc.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import avsc from 'avsc';
import fc from 'fast-check';
import { type AvroSchema } from '../../../../schemas/codec.ts';
import { AvroFieldReader } from '../../../../streams/fields/avro-fields.ts';
import { type AvroPart, AvroRowWriter, avroRowSchema } from '../../../../streams/fields/avro-row.ts';

const schema: AvroSchema = {
  type: 'record',
  name: 'Event',
  fields: [
    { name: 'text', type: 'string' },
    { name: 'time', type: { type: 'long', logicalType: 'timestamp-millis' } },
    { name: 'list', type: { type: 'array', items: ['null', 'string', 'double'] } },
    { name: 'maybe', type: ['null', 'double'] },
    { name: 'map', type: { type: 'map', values: { type: 'array', items: 'int' } } },
    {
      name: 'inner',
      type: {
        type: 'record',
        name: 'Inner',
        fields: [
          { name: 'x', type: 'float' },
          { name: 'e', type: { type: 'enum', name: 'E', symbols: ['A', 'B'] } },
        ],
      },
    },
    { name: 'again', type: ['null', 'Inner'] },
    { name: 'flag', type: 'boolean' },
    { name: 'five', type: { type: 'fixed', name: 'Five', size: 5 } },
    { name: 'small', type: 'int' },
    { name: 'real', type: 'float' },
    { name: 'tail', type: 'bytes' },
  ],
};
const type = avsc.Type.forSchema(structuredClone(schema) as avsc.Schema, { wrapUnions: 'never' });
const inner = fc.record({ x: fc.float({ noNaN: true }), e: fc.constantFrom('A', 'B') });
const event = fc.record({
  text: fc.string(),
  // avsc itself writes larger ones wrong
  time: fc
    .double({ min: -(2 ** 51), max: 2 ** 51, noNaN: true })
    .map(Math.round)
    .map((n) => n + 0),
  list: fc.array(fc.oneof(fc.constant(null), fc.string(), fc.double())),
  maybe: fc.option(fc.double({ noNaN: true, noDefaultInfinity: true })),
  map: fc.dictionary(fc.string(), fc.array(fc.integer())),
  inner,
  again: fc.option(inner),
  flag: fc.boolean(),
  five: fc.uint8Array({ minLength: 5, maxLength: 5 }).map((bytes) => Buffer.from(bytes)),
  small: fc.integer(),
  real: fc.float({ noNaN: true, noDefaultInfinity: true }),
  tail: fc.uint8Array().map((bytes) => Buffer.from(bytes)),
});

function framed(id: number, body: Buffer): Buffer {
  const frame = Buffer.alloc(5);
  frame.writeUInt32BE(id, 1);
  return Buffer.concat([frame, body]);
}

const WANTED = ['real', 'time', 'maybe', 'flag', 'small', 'new'] as const;
const reader = new AvroFieldReader(WANTED.map((name) => ({ name, optional: name === 'new' })));

test('numbers are read as avsc decodes them, whatever lies between', async () => {
  assert.equal(reader.unknownSchema(framed(9, Buffer.alloc(0)), 0, 5), 9);
  await reader.learn(9, { schemaOf: async () => schema });
  assert.equal(reader.unknownSchema(framed(9, Buffer.alloc(0)), 0, 5), null);
  fc.assert(
    fc.property(event, (value) => {
      const bytes = framed(9, type.toBuffer(value));
      const data = Buffer.concat([Buffer.from('..'), bytes, Buffer.from('..')]);
      const into = new Float64Array(7);
      assert.equal(reader.read(data, 2, 2 + bytes.length, into, 1), null);
      const wanted = [value.real, value.time, value.maybe ?? Number.NaN, value.flag ? 1 : 0, value.small, Number.NaN];
      for (const [index, one] of wanted.entries())
        assert.ok(Object.is(into[1 + index], one), `${WANTED[index]}: ${into[1 + index]} is not ${one}`);
    }),
  );
});

test('a value that is cut short, not framed, of an unknown schema or without a wanted number is told', async () => {
  await reader.learn(9, { schemaOf: async () => schema });
  const into = new Float64Array(6);
  const whole = framed(
    9,
    type.toBuffer({
      text: 'abc',
      time: 5,
      list: [],
      maybe: 1,
      map: {},
      inner: { x: 1, e: 'A' },
      again: null,
      flag: true,
      five: Buffer.alloc(5),
      small: 2,
      real: 3,
      tail: Buffer.alloc(0),
    }),
  );
  const read = (bytes: Buffer): string => {
    const failure = reader.read(bytes, 0, bytes.length, into, 0);
    return failure === null ? 'none' : `${failure.code} ${failure.field}`;
  };
  assert.equal(read(whole), 'none');
  // all but the last, unread field is needed
  for (let length = 0; length < whole.length - 1; length += 1)
    assert.equal(read(whole.subarray(0, length)), 'undecodable_record ', String(length));
  assert.equal(read(Buffer.from('{"a":1}')), 'undecodable_record ');
  assert.equal(read(framed(10, Buffer.alloc(30))), 'undecodable_record ');
  const strict = new AvroFieldReader([{ name: 'absent', optional: false }]);
  await strict.learn(9, { schemaOf: async () => schema });
  assert.equal(strict.read(whole, 0, whole.length, into, 0)?.field, 'absent');
  const wrong = new AvroFieldReader([{ name: 'text', optional: false }]);
  await wrong.learn(9, { schemaOf: async () => schema });
  assert.equal(wrong.read(whole, 0, whole.length, into, 0)?.code, 'invalid_field');
});

test('an infinite number is refused with its field, wherever it stands; NaN counts as null', async () => {
  const numbers: AvroSchema = {
    type: 'record',
    name: 'Numbers',
    fields: [
      { name: 'd', type: 'double' },
      { name: 'f', type: 'float' },
      { name: 'maybe', type: ['null', 'double'] },
      { name: 'unread', type: 'double' },
    ],
  };
  const numbersType = avsc.Type.forSchema(structuredClone(numbers) as avsc.Schema, { wrapUnions: 'never' });
  const wanted = ['d', 'f', 'maybe'];
  const strict = new AvroFieldReader(wanted.map((name) => ({ name, optional: false })));
  await strict.learn(1, { schemaOf: async () => numbers });
  const into = new Float64Array(3);
  const read = (value: object): string | null => {
    const bytes = framed(1, numbersType.toBuffer({ d: 1, f: 2, maybe: 3, unread: Infinity, ...value }));
    const failure = strict.read(bytes, 0, bytes.length, into, 0);
    return failure === null ? null : `${failure.code} ${failure.field} ${failure.message}`;
  };
  assert.equal(read({}), null);
  for (const name of wanted)
    for (const value of [Infinity, -Infinity])
      assert.equal(read({ [name]: value }), `invalid_field ${name} ${name} is infinite.`);
  for (const [index, name] of wanted.entries()) {
    assert.equal(read({ [name]: Number.NaN }), null);
    assert.ok(Number.isNaN(into[index]));
  }
});

test('rows are read by avsc as they were meant', () => {
  const parts: AvroPart[] = [
    { name: 'k', of: 'key' },
    { name: 'time', of: 'time' },
    { name: 'count', of: 'value', index: 0, type: 'long' },
    { name: 'sum', of: 'value', index: 1, type: 'nullable-double' },
    { name: 'last', of: 'field', index: 0, type: 'nullable-long' },
  ];
  const writer = new AvroRowWriter(77, parts);
  const rowType = avsc.Type.forSchema(avroRowSchema('Row', 'test', parts) as avsc.Schema, { wrapUnions: 'never' });
  const double = fc.oneof(fc.double(), fc.constant(Number.NaN));
  const whole = fc.integer({ min: -(2 ** 50), max: 2 ** 50 });
  fc.assert(
    fc.property(
      fc.string(),
      whole,
      whole,
      fc.constantFrom(0, 0.25, 0.875),
      double,
      fc.oneof(whole, fc.constant(Number.NaN)),
      (key, wholeMs, n, fractionMs, sum, last) => {
        const keyData = Buffer.from(key);
        const into = Buffer.alloc(writer.bytesMax(keyData.length));
        const end = writer.write(into, 0, {
          keyData,
          keyStart: 0,
          keyEnd: keyData.length,
          timeMs: wholeMs + fractionMs,
          fields: Float64Array.of(last),
          fieldsAt: 0,
          values: Float64Array.of(n, sum),
        });
        assert.equal(into.readUInt32BE(1), 77);
        const nullable = (value: number): number | null => (Number.isNaN(value) ? null : value);
        assert.deepEqual(
          { ...(rowType.fromBuffer(into.subarray(5, end)) as object) },
          { k: key, time: Math.floor(wholeMs + fractionMs), count: n, sum: nullable(sum), last: nullable(last) },
        );
      },
    ),
  );
});
