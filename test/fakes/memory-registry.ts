// A schema registry in memory, behind the same port.
import { type AvroSchema, type SchemaRegistry } from '../../schemas/codec.ts';
import { Failure } from '../../schemas/failure.ts';

export function memoryRegistry(): SchemaRegistry {
  const schemas: string[] = [];
  return {
    async register(_subject, schema) {
      const text = JSON.stringify(schema);
      const known = schemas.indexOf(text);
      return (known < 0 ? schemas.push(text) - 1 : known) + 1;
    },
    async schemaOf(id) {
      const text = schemas[id - 1];
      if (text === undefined) throw new Failure('undecodable_record', `Schema ${id} is not in the registry.`);
      return JSON.parse(text) as AvroSchema;
    },
  };
}
