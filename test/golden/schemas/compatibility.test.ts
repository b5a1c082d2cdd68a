// BACKWARD_TRANSITIVE: what any earlier version wrote, today's schemas read. The folders beside hold the schemas of each version; a
// new folder is added with a release, and none is ever changed.
import assert from 'node:assert/strict';
import { readFileSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import avsc from 'avsc';
import fc from 'fast-check';
import { type AvroSchema, loadEventSchemas } from '../../../schemas/codec.ts';
import { avroValue } from '../../property/schemas/avro-value.ts';

const folder = new URL('./', import.meta.url).pathname;
const versions = readdirSync(folder).filter((name) => statSync(join(folder, name)).isDirectory());
const today = new Map<string, AvroSchema>(loadEventSchemas());

function typeOf(schema: AvroSchema): avsc.Type {
  return avsc.Type.forSchema(structuredClone(schema) as avsc.Schema, { wrapUnions: 'never' });
}

test('there are versions to compare with', () => assert.ok(versions.length > 0));

for (const version of versions) {
  describe(`version ${version}`, () => {
    for (const file of readdirSync(join(folder, version)).sort()) {
      const old = JSON.parse(readFileSync(join(folder, version, file), 'utf8')) as AvroSchema;
      test(`${old.name} can still be read`, () => {
        const schema = today.get(old.name);
        assert.ok(schema !== undefined, `${old.name} is gone: events of it lie in logs for ever`);
        const reader = typeOf(schema);
        const writer = typeOf(old);
        const resolver = reader.createResolver(writer);
        fc.assert(
          fc.property(avroValue(old), (value) => {
            const read = reader.fromBuffer(writer.toBuffer(value), resolver) as Readonly<Record<string, unknown>>;
            // fields that both know keep their values
            for (const { name, type } of old.fields)
              if (
                schema.fields.some(
                  (field) => field.name === name && JSON.stringify(field.type) === JSON.stringify(type),
                )
              )
                assert.deepEqual(plain(read[name]), plain((value as Readonly<Record<string, unknown>>)[name]));
          }),
          { numRuns: 20 },
        );
      });
    }
  });
}

test('the comparison notices what it must', () => {
  const old: AvroSchema = { type: 'record', name: 'Visit', fields: [{ name: 'page', type: 'string' }] };
  const withField = (field: object): AvroSchema => ({ ...old, fields: [...old.fields, field] as AvroSchema['fields'] });
  const check = (schema: AvroSchema) => (): unknown => typeOf(schema).createResolver(typeOf(old));
  assert.throws(check(withField({ name: 'user', type: 'string' })), 'a new field without a default');
  assert.doesNotThrow(check(withField({ name: 'user', type: 'string', default: '' })));
  assert.throws(check({ ...old, fields: [{ name: 'page', type: 'long' }] }), 'a changed type');
});

/** avsc gives objects of classes of its own. */
function plain(value: unknown): unknown {
  return structuredClone(value);
}
