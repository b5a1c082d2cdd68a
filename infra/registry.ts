// The schema registry over HTTP (Confluent's API), through @kafkajs/confluent-schema-registry.
import { COMPATIBILITY, SchemaRegistry as Client, SchemaType } from '@kafkajs/confluent-schema-registry';
import { type AvroSchema, type SchemaRegistry } from '../schemas/codec.ts';
import { Failure } from '../schemas/failure.ts';
import { type Clock } from '../streams/clock.ts';

/** A registry that has just started answers 404 for a moment (FACTS.md). */
const RETRY_FOR_MS = 60_000;
const RETRY_STEP_MS = 200;

export class HttpSchemaRegistry implements SchemaRegistry {
  readonly #client: Client;
  readonly #url: string;
  readonly #clock: Clock;
  readonly #registered = new Map<string, Promise<number>>();

  constructor(url: string, clock: Clock) {
    this.#client = new Client({ host: url }, undefined);
    this.#url = url;
    this.#clock = clock;
  }

  register(subject: string, schema: AvroSchema): Promise<number> {
    const key = `${subject} ${JSON.stringify(schema)}`;
    const known = this.#registered.get(key);
    if (known !== undefined) return known;
    const made = this.#retrying(async () => {
      const { id } = await this.#client.register(
        { type: SchemaType.AVRO, schema: JSON.stringify(schema) },
        { subject, compatibility: COMPATIBILITY.BACKWARD_TRANSITIVE },
      );
      return id;
    }, `registering ${subject}`);
    this.#registered.set(key, made);
    made.catch(() => this.#registered.delete(key));
    return made;
  }

  /** @throws Failure `undecodable_record` when the registry does not know the id */
  async schemaOf(id: number): Promise<AvroSchema> {
    const response = await this.#retrying(async () => {
      const answer = await fetch(`${this.#url}/schemas/ids/${id}`);
      if (answer.status >= 500) throw new Error(`status ${answer.status}`);
      return { status: answer.status, text: await answer.text() };
    }, `asking for schema ${id}`);
    if (response.status !== 200) {
      throw new Failure('undecodable_record', `Schema ${id} is not in the registry (${response.status}).`, {
        fix: 'Register the schema, then put the record back.',
      });
    }
    return JSON.parse((JSON.parse(response.text) as { schema: string }).schema) as AvroSchema;
  }

  async #retrying<T>(call: () => Promise<T>, doing: string): Promise<T> {
    const untilMs = this.#clock.monotonicMs() + RETRY_FOR_MS;
    for (;;) {
      try {
        return await call();
      } catch (cause) {
        const text = String(cause);
        if (/incompatible/i.test(text))
          throw new Failure('conflict', `The registry refuses the schema (${doing}): ${text}.`, {
            fix: 'Change the schema so that old records can still be read: new fields need a default.',
            cause,
          });
        if (this.#clock.monotonicMs() > untilMs)
          throw new Failure('unreachable', `The schema registry does not answer (${doing}): ${text}.`, {
            fix: 'Check SCHEMA_REGISTRY_URL.',
            cause,
          });
        await this.#clock.sleep(RETRY_STEP_MS);
      }
    }
  }
}
