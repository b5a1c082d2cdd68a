// The law of the codec, for every event of the platform: decode(encode(v)) is v, and the bytes stay the caller's.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { AvroCodec, AvroReader, type AvroSchema, loadEventSchemas, schemaIdOf } from '../../../schemas/codec.ts';
import { EVENT_NAMES } from '../../../schemas/events.generated.ts';
import { Failure } from '../../../schemas/failure.ts';
import { avroValue } from './avro-value.ts';

const schemas: readonly AvroSchema[] = [...loadEventSchemas().values()];
const ids = new Map(schemas.map((schema, index) => [index + 1, schema]));
const reader = new AvroReader({
  register: () => Promise.reject(new Error('nothing is registered here')),
  schemaOf: async (id) => {
    const schema = ids.get(id);
    if (schema === undefined) throw new Failure('undecodable_record', `Schema ${id} is not in the registry.`);
    return schema;
  },
});

test('every event has its schema', () =>
  assert.deepEqual(schemas.map(({ name }) => name).sort(), [...EVENT_NAMES].sort()));

for (const [id, schema] of ids) {
  test(`decode(encode(v)) is v: ${schema.name}`, async () => {
    const codec = new AvroCodec<unknown>(id, schema);
    await fc.assert(
      fc.asyncProperty(fc.array(avroValue(schema), { minLength: 1, maxLength: 5 }), async (values) => {
        const encoded = values.map((value) => codec.encode(value));
        await reader.prepare(encoded);
        for (const [index, bytes] of encoded.entries()) {
          assert.equal(schemaIdOf(bytes), id);
          const decoded = reader.decode(bytes);
          assert.equal(decoded.name, schema.name);
          // avsc gives objects of classes of its own
          assert.deepEqual(structuredClone(decoded.value), structuredClone(values[index]));
          assert.equal(codec.misfit(values[index]), null);
        }
      }),
      { numRuns: 30 },
    );
  });
}

test('a cut or lengthened body is refused, never misread in silence', () => {
  const [schema] = schemas;
  assert.ok(schema !== undefined);
  const codec = new AvroCodec<unknown>(1, schema);
  fc.assert(
    fc.property(avroValue(schema), fc.nat(), (value, seed) => {
      const bytes = codec.encode(value);
      const refused = (error: unknown): boolean => error instanceof Failure && error.code === 'undecodable_record';
      assert.throws(() => codec.decode(Buffer.concat([bytes, Buffer.from([0])])), refused);
      if (bytes.length > 5)
        assert.throws(() => codec.decode(bytes.subarray(0, 5 + (seed % (bytes.length - 5)))), refused);
    }),
  );
});

test('a value of another schema, or in no frame, is refused: its bytes would be read as other fields', () => {
  const money = (...names: readonly string[]): AvroSchema => ({
    ...{ type: 'record', name: 'Money', fields: names.map((name) => ({ name, type: 'double' })) },
  });
  const first = new AvroCodec<object>(1, money('amount', 'fee'));
  const second = new AvroCodec<object>(2, money('fee', 'amount'));
  const refused = { code: 'undecodable_record', message: /written with schema 2; schema 1 is what is read/ };
  assert.throws(() => first.decode(second.encode({ fee: 5, amount: 100 })), refused);
  for (const bytes of [Buffer.from('{"fee":5}'), Buffer.from([0, 0, 0]), Buffer.alloc(0)])
    assert.throws(() => first.decode(bytes), { code: 'undecodable_record', message: /Confluent frame/ });
});

test('bytes that were handed out are not written again, whatever is encoded after them', () => {
  const codec = new AvroCodec<{ text: string }>(9, {
    type: 'record',
    name: 'T',
    fields: [{ name: 'text', type: 'string' }],
  });
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 90_000 }), { minLength: 2, maxLength: 8 }), (lengths) => {
      const texts = lengths.map((length, index) => String(index % 10).repeat(length));
      const encoded = texts.map((text) => codec.encode({ text }));
      for (const [index, bytes] of encoded.entries()) assert.equal(codec.decode(bytes).text, texts[index]);
    }),
    { numRuns: 40 },
  );
});
