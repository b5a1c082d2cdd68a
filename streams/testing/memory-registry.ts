// A schema registry in memory: the same schema under any subject has the same id.
import { type AvroSchema, type SchemaRegistry } from '../../schemas/codec.ts';
import { Failure } from '../../schemas/failure.ts';

export class MemoryRegistry implements SchemaRegistry {
  readonly #idOf = new Map<string, number>();
  readonly #schemas: AvroSchema[] = [];

  async register(_subject: string, schema: AvroSchema): Promise<number> {
    const text = JSON.stringify(schema);
    const known = this.#idOf.get(text);
    if (known !== undefined) return known;
    const id = this.#schemas.push(schema);
    this.#idOf.set(text, id);
    return id;
  }

  async schemaOf(id: number): Promise<AvroSchema> {
    const schema = this.#schemas[id - 1];
    if (schema === undefined) throw new Failure('unknown_name', `There is no schema ${id}.`);
    return schema;
  }
}
