// Avro in the Confluent wire format: byte 0, schema id (4 bytes, big endian), Avro body.
// Law: decode(encode(name, v)) equals {name, value: v}.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import avsc from 'avsc';
import { type EventName, type EventTypes } from './events.generated.ts';
import { Failure } from './failure.ts';

export interface AvroSchema {
  readonly type: 'record';
  readonly name: string;
  readonly namespace?: string;
  readonly fields: readonly { readonly name: string; readonly type: unknown }[];
}

/** Port to a Confluent-compatible schema registry. Same schema under the same subject gives the same id. */
export interface SchemaRegistry {
  register(subject: string, schema: AvroSchema): Promise<number>;
  schemaOf(id: number): Promise<AvroSchema>;
}

/** Port to what a registry knows of a topic: `<topic>-value` is the subject that Confluent's serializers register under. */
export interface SubjectSchemas {
  /** null where nothing is registered, or nothing that is an Avro record */
  latest(subject: string): Promise<AvroSchema | null>;
}

const FRAME_BYTES = 5;

/** Values are plain objects; unions are unwrapped; timestamp-millis are numbers. */
export class AvroCodec<T> {
  readonly schemaId: number;
  readonly #type: avsc.Type;
  #buffer = Buffer.allocUnsafe(64 * 1024);
  #position = 0;

  constructor(schemaId: number, schema: AvroSchema) {
    this.schemaId = schemaId;
    this.#type = avsc.Type.forSchema(structuredClone(schema) as avsc.Schema, { wrapUnions: 'never' });
  }

  /** The framed bytes; they are the caller's for good (cut from a buffer that is never written again). */
  encode(value: T): Buffer {
    for (;;) {
      const start = this.#position;
      if (start + FRAME_BYTES < this.#buffer.length) {
        const end = this.#type.encode(value, this.#buffer, start + FRAME_BYTES);
        if (end >= 0) {
          this.#buffer[start] = 0;
          this.#buffer.writeUInt32BE(this.schemaId, start + 1);
          this.#position = end;
          return this.#buffer.subarray(start, end);
        }
        // avsc returns the negated number of bytes that were missing; what there was counts too
        this.#buffer = Buffer.allocUnsafe(Math.max(64 * 1024, this.#buffer.length - start - end));
      } else {
        this.#buffer = Buffer.allocUnsafe(64 * 1024);
      }
      this.#position = 0;
    }
  }

  /** @throws Failure `undecodable_record` when it was written with another schema, or the body does not fit this one */
  decode(framed: Buffer): T {
    const id = schemaIdOf(framed);
    if (id !== this.schemaId) throw otherSchema(id, this.schemaId);
    try {
      return this.#type.fromBuffer(framed.subarray(FRAME_BYTES)) as T;
    } catch (cause) {
      throw new Failure('undecodable_record', `The body does not fit schema ${this.schemaId}: ${String(cause)}.`, {
        cause,
      });
    }
  }

  /** The path of the first field of `value` that does not fit, or null. */
  misfit(value: unknown): string | null {
    let path: string | null = null;
    this.#type.isValid(value, {
      errorHook: (fields: string[]) => {
        path ??= fields.join('.');
      },
    });
    return path;
  }
}

/** Read with this schema its bytes could come out as other values, in silence. */
function otherSchema(id: number, read: number): Failure {
  return new Failure('undecodable_record', `The value was written with schema ${id}; schema ${read} is what is read.`, {
    fix: `Produce it with schema ${read}, or read a topic that has schema ${id} alone with that one.`,
  });
}

/** The schema id of a framed value. @throws Failure `undecodable_record` */
export function schemaIdOf(value: Buffer): number {
  if (value.length < FRAME_BYTES || value[0] !== 0) {
    throw new Failure(
      'undecodable_record',
      'The value does not start with the Confluent frame (byte 0, then a 4-byte schema id).',
      {
        fix: 'Produce it with a Confluent Avro serializer, or as JSON.',
      },
    );
  }
  return value.readUInt32BE(1);
}

/** Reads values written with any registered schema; each id is asked for once. */
export class AvroReader {
  readonly #registry: SchemaRegistry;
  readonly #known = new Map<number, { name: string; codec: AvroCodec<unknown> }>();
  readonly #unreadable = new Map<number, Failure>();

  constructor(registry: SchemaRegistry) {
    this.#registry = registry;
  }

  /**
   * Fetches the schemas of these values, so that `decode` can be synchronous. A schema that the registry does not have, or that is
   * no Avro, is remembered until the next call: `decode` refuses its records then, and only them.
   * @throws Failure `unreachable` or `unauthorized` when the registry gives no answer
   */
  async prepare(values: Iterable<Buffer | null>): Promise<void> {
    const asked = new Set<number>();
    for (const value of values) {
      if (value === null || value.length < FRAME_BYTES || value[0] !== 0) continue;
      const id = value.readUInt32BE(1);
      if (this.#known.has(id) || asked.has(id)) continue;
      asked.add(id);
      await this.#fetch(id);
    }
  }

  async #fetch(id: number): Promise<void> {
    try {
      const schema = await this.#registry.schemaOf(id);
      this.#known.set(id, { name: schema.name, codec: readingCodec(id, schema) });
    } catch (error) {
      if (!(error instanceof Failure) || error.code !== 'undecodable_record') throw error;
      this.#unreadable.set(id, error);
    }
  }

  /** @throws Failure `undecodable_record`, also when `prepare` has not seen the schema id */
  decode(value: Buffer): { readonly name: string; readonly value: unknown } {
    const id = schemaIdOf(value);
    const known = this.#known.get(id);
    if (known === undefined) {
      throw (
        this.#unreadable.get(id) ??
        new Failure('undecodable_record', `Schema ${id} is not in the registry.`, {
          fix: 'Register the schema, then put the record back.',
        })
      );
    }
    return { name: known.name, value: known.codec.decode(value) };
  }
}

/** @throws Failure `undecodable_record` when the schema is none that events can be read with */
function readingCodec(id: number, schema: AvroSchema): AvroCodec<unknown> {
  const fix = 'Register an Avro record with named fields, and produce with it.';
  if (schema.type !== 'record')
    throw new Failure('undecodable_record', `Schema ${id} is ${JSON.stringify(schema.type)}, not a record.`, { fix });
  try {
    return new AvroCodec(id, schema);
  } catch (cause) {
    throw new Failure('undecodable_record', `Schema ${id} cannot be read: ${String(cause)}.`, { fix, cause });
  }
}

/** The platform's own event schemas, by name. */
export function loadEventSchemas(
  folder = new URL('./avro/', import.meta.url).pathname,
): ReadonlyMap<EventName, AvroSchema> {
  const schemas = new Map<EventName, AvroSchema>();
  for (const file of readdirSync(folder).sort()) {
    if (!file.endsWith('.avsc')) continue;
    const schema = JSON.parse(readFileSync(join(folder, file), 'utf8')) as AvroSchema;
    schemas.set(schema.name as EventName, schema);
  }
  return schemas;
}

/** Encodes and decodes the platform's own events; subjects are `<topic>-millrace.<Name>` (TopicRecordNameStrategy). */
export class EventCodec {
  readonly #registry: SchemaRegistry;
  readonly #schemas: ReadonlyMap<EventName, AvroSchema>;
  readonly #writers = new Map<EventName, AvroCodec<unknown>>();
  readonly reader: AvroReader;

  constructor(registry: SchemaRegistry, schemas: ReadonlyMap<EventName, AvroSchema> = loadEventSchemas()) {
    this.#registry = registry;
    this.#schemas = schemas;
    this.reader = new AvroReader(registry);
  }

  /** Registers what this process will write; call once before `encode`. */
  async prepare(topic: string, names: readonly EventName[]): Promise<void> {
    const missing = names.filter((name) => !this.#writers.has(name));
    await Promise.all(missing.map((name) => this.#prepareOne(topic, name)));
  }

  async #prepareOne(topic: string, name: EventName): Promise<void> {
    const schema = this.#schemas.get(name);
    if (schema === undefined) throw new Failure('internal', `There is no schema ${name}.`);
    const id = await this.#registry.register(`${topic}-millrace.${name}`, schema);
    this.#writers.set(name, new AvroCodec(id, schema));
  }

  encode<N extends EventName>(name: N, value: EventTypes[N]): Buffer {
    const codec = this.#writers.get(name);
    if (codec === undefined) throw new Failure('internal', `${name} was not prepared for writing.`);
    return codec.encode(value);
  }
}

/** A decoded platform event as a tagged union. */
export type Event = { readonly [N in EventName]: { readonly name: N; readonly value: EventTypes[N] } }[EventName];
