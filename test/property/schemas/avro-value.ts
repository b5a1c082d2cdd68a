// Any value of an Avro schema, as plain data: what the codec takes.
import fc from 'fast-check';
import { type AvroSchema } from '../../../schemas/codec.ts';

interface Complex {
  readonly type: unknown;
  readonly name?: string;
  readonly items?: unknown;
  readonly values?: unknown;
  readonly symbols?: readonly string[];
  readonly fields?: AvroSchema['fields'];
}

const PRIMITIVES: Readonly<Record<string, fc.Arbitrary<unknown>>> = {
  null: fc.constant(null),
  boolean: fc.boolean(),
  int: fc.integer(),
  // avsc's zigzag works in doubles: exact up to 2^52, which no time, offset or count comes near
  long: fc.integer({ min: -(2 ** 52) + 1, max: 2 ** 52 - 1 }),
  float: fc.float(),
  double: fc.double(),
  string: fc.string({ unit: 'binary' }),
  bytes: fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
};

/** @throws Error for a type that no schema of ours uses */
export function avroValue(schema: unknown, named = new Map<string, unknown>()): fc.Arbitrary<unknown> {
  if (typeof schema === 'string') {
    const primitive = PRIMITIVES[schema];
    if (primitive !== undefined) return primitive;
    if (named.has(schema)) return avroValue(named.get(schema), named);
  } else if (Array.isArray(schema)) return fc.oneof(...schema.map((member) => avroValue(member, named)));
  else if (typeof schema === 'object' && schema !== null) return complexValue(schema as Complex, named);
  throw new Error(`there is no value for ${JSON.stringify(schema)}`);
}

function complexValue(schema: Complex, named: Map<string, unknown>): fc.Arbitrary<unknown> {
  if (schema.name !== undefined) named.set(schema.name, schema);
  switch (schema.type) {
    case 'array':
      return fc.array(avroValue(schema.items, named), { maxLength: 4 });
    case 'map':
      // the key that is no key of a plain object
      return fc.dictionary(
        fc.string().filter((key) => key !== '__proto__'),
        avroValue(schema.values, named),
        { maxKeys: 4, noNullPrototype: true },
      );
    case 'enum':
      return fc.constantFrom(...(schema.symbols ?? []));
    case 'record':
      return fc.record(
        Object.fromEntries((schema.fields ?? []).map(({ name, type }) => [name, avroValue(type, named)])),
        { noNullPrototype: true },
      );
    default:
      return avroValue(schema.type, named);
  }
}
