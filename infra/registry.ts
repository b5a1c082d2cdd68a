// The schema registry over HTTP (Confluent's API); registering goes through @kafkajs/confluent-schema-registry.
import { COMPATIBILITY, SchemaRegistry as Client, SchemaType } from '@kafkajs/confluent-schema-registry';
import { type AvroSchema, type SchemaRegistry, type SubjectSchemas } from '../schemas/codec.ts';
import { Failure } from '../schemas/failure.ts';
import { type Clock } from '../streams/clock.ts';

const RETRY_FOR_MS = 60_000;
const RETRY_STEP_MS = 200;
/** A registry that has just started answers 404 for a moment (FACTS.md): so long an unknown id is asked for again … */
const UNKNOWN_RETRY_MS = 2000;
/** … but not more often than this, and an unknown id is not asked for again sooner: a flood of foreign records must not stall a partition. */
const UNKNOWN_KEPT_MS = 60_000;
const UNKNOWN_KEPT_MAX = 10_000;

interface Answer {
  readonly status: number;
  readonly text: string;
}

export class HttpSchemaRegistry implements SchemaRegistry, SubjectSchemas {
  readonly #client: Client;
  readonly #url: string;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #clock: Clock;
  readonly #setting: string;
  readonly #registered = new Map<string, Promise<number>>();
  readonly #unknownUntilMs = new Map<number, number>();
  #nextGraceMs = Number.NEGATIVE_INFINITY;

  /**
   * @param address with user and password where the registry wants them
   * @param setting where the address was given, for who has to change it
   */
  constructor(address: string, clock: Clock, setting = 'SCHEMA_REGISTRY_URL') {
    const url = new URL(address);
    const [username, password] = [decodeURIComponent(url.username), decodeURIComponent(url.password)];
    url.username = '';
    url.password = '';
    this.#url = url.href.replace(/\/$/, '');
    this.#headers =
      username === '' ? {} : { Authorization: `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}` };
    this.#client = new Client({ host: this.#url, ...(username === '' ? {} : { auth: { username, password } }) });
    this.#clock = clock;
    this.#setting = setting;
  }

  register(subject: string, schema: AvroSchema): Promise<number> {
    const key = `${subject} ${JSON.stringify(schema)}`;
    const known = this.#registered.get(key);
    if (known !== undefined) return known;
    const made = this.#retrying(() => this.#registerNow(subject, schema), `registering ${subject}`);
    this.#registered.set(key, made);
    made.catch(() => this.#registered.delete(key));
    return made;
  }

  async #registerNow(subject: string, schema: AvroSchema): Promise<number> {
    const given = { type: SchemaType.AVRO, schema: JSON.stringify(schema) } as const;
    const at = async (compatibility: COMPATIBILITY): Promise<number> =>
      (await this.#client.register(given, { subject, compatibility })).id;
    try {
      return await at(COMPATIBILITY.BACKWARD_TRANSITIVE);
    } catch (cause) {
      const level = otherLevel(cause);
      // who set a level that promises more has set it on purpose
      if (level === COMPATIBILITY.FULL_TRANSITIVE) return await at(level);
      // Apicurio tells the global level for a subject that has none of its own, such as one that a producer's serializer made
      if (level === null || level !== (await this.#globalLevel())) throw cause;
      await this.#setLevel(subject, COMPATIBILITY.BACKWARD_TRANSITIVE);
      return await at(COMPATIBILITY.BACKWARD_TRANSITIVE);
    }
  }

  async #globalLevel(): Promise<string> {
    const { text } = await this.#get('/config', 'asking for the compatibility level');
    return (JSON.parse(text) as { compatibilityLevel?: string }).compatibilityLevel ?? '';
  }

  async #setLevel(subject: string, compatibility: COMPATIBILITY): Promise<void> {
    const response = await fetch(`${this.#url}/config/${encodeURIComponent(subject)}`, {
      method: 'PUT',
      headers: { ...this.#headers, 'Content-Type': 'application/vnd.schemaregistry.v1+json' },
      body: JSON.stringify({ compatibility }),
    });
    if (!response.ok) throw statusError(response.status, await response.text());
  }

  /** @throws Failure `undecodable_record` when the registry does not know the id, or it is no Avro record */
  async schemaOf(id: number): Promise<AvroSchema> {
    const doing = `asking for schema ${id}`;
    let answer: Answer = { status: 404, text: '' };
    if (this.#clock.monotonicMs() >= (this.#unknownUntilMs.get(id) ?? Number.NEGATIVE_INFINITY))
      answer = await this.#askAgainWhenNew(`/schemas/ids/${id}`, doing);
    if (answer.status === 404) {
      this.#rememberUnknown(id);
      throw new Failure('undecodable_record', `Schema ${id} is not in the registry.`, {
        fix: 'Register the schema, then put the record back.',
      });
    }
    const schema = avroIn(answer.text);
    if (schema !== null) return schema;
    throw new Failure('undecodable_record', `Schema ${id} is no Avro record.`, {
      fix: 'Produce with a Confluent Avro serializer, or as JSON text.',
    });
  }

  async latest(subject: string): Promise<AvroSchema | null> {
    const path = `/subjects/${encodeURIComponent(subject)}/versions/latest`;
    const answer = await this.#get(path, `asking for the schema of ${subject}`);
    return answer.status === 404 ? null : avroIn(answer.text);
  }

  async #askAgainWhenNew(path: string, doing: string): Promise<Answer> {
    const untilMs = this.#clock.monotonicMs() + UNKNOWN_RETRY_MS;
    for (;;) {
      const answer = await this.#get(path, doing);
      const nowMs = this.#clock.monotonicMs();
      if (answer.status !== 404 || nowMs >= untilMs || nowMs < this.#nextGraceMs) {
        if (answer.status === 404) this.#nextGraceMs = Math.max(this.#nextGraceMs, nowMs + UNKNOWN_KEPT_MS);
        return answer;
      }
      await this.#clock.sleep(RETRY_STEP_MS);
    }
  }

  #rememberUnknown(id: number): void {
    if (this.#unknownUntilMs.size >= UNKNOWN_KEPT_MAX) this.#unknownUntilMs.clear();
    const nowMs = this.#clock.monotonicMs();
    if (nowMs >= (this.#unknownUntilMs.get(id) ?? Number.NEGATIVE_INFINITY))
      this.#unknownUntilMs.set(id, nowMs + UNKNOWN_KEPT_MS);
  }

  /** 200 or 404. */
  #get(path: string, doing: string): Promise<Answer> {
    return this.#retrying(async () => {
      const response = await fetch(`${this.#url}${path}`, { headers: this.#headers });
      const text = await response.text();
      if (response.status === 200 || response.status === 404) return { status: response.status, text };
      throw statusError(response.status);
    }, doing);
  }

  async #retrying<T>(call: () => Promise<T>, doing: string): Promise<T> {
    const untilMs = this.#clock.monotonicMs() + RETRY_FOR_MS;
    for (;;) {
      try {
        return await call();
      } catch (cause) {
        const refusal = refusalOf(cause, doing, this.#setting);
        if (refusal !== null) throw refusal;
        if (this.#clock.monotonicMs() > untilMs)
          throw new Failure('unreachable', `The schema registry does not answer (${doing}): ${String(cause)}.`, {
            fix: `Check ${this.#setting}.`,
            cause,
          });
        await this.#clock.sleep(RETRY_STEP_MS);
      }
    }
  }
}

function statusError(status: number, text = ''): Error {
  return Object.assign(new Error(`status ${status} ${text}`.trim()), { status });
}

/** Another process has just given the subject its level, as Apicurio says it: it is there when we ask again. */
function isLevelRace(cause: unknown): boolean {
  return /rule named 'COMPATIBILITY' already exists/.test(messageOf(cause));
}

/** The level that the subject has, where the client finds another than ours; null: something else went wrong. */
function otherLevel(cause: unknown): string | null {
  return /^Compatibility does not match the configuration \(\w+ != (\w+)\)/.exec(messageOf(cause))?.[1] ?? null;
}

function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}

const NOT_REACHED =
  /\b(?:ECONNREFUSED|ECONNRESET|ENOTFOUND|EAI_AGAIN|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|socket hang up)\b/;

/** What asking again would not change. */
function refusalOf(cause: unknown, doing: string, setting: string): Failure | null {
  const text = messageOf(cause);
  const { status, name = '' } = cause as { status?: unknown; name?: string };
  // the client calls it status 400
  if (NOT_REACHED.test(text)) return null;
  const level = otherLevel(cause);
  if (level !== null)
    return new Failure('conflict', `The compatibility level of the subject is ${level} (${doing}).`, {
      fix: 'Set it to BACKWARD_TRANSITIVE or FULL_TRANSITIVE (PUT /config/SUBJECT): all records on the log have to stay readable.',
      cause,
    });
  if (isLevelRace(cause)) return null;
  if (status === 409 || /incompatible/i.test(text))
    return new Failure('conflict', `The registry refuses the schema (${doing}): ${text}.`, {
      fix: 'Change the schema so that old records can still be read: new fields need a default.',
      cause,
    });
  // the client's own errors are of what it was given
  if (status === 400 || status === 422 || name.startsWith('ConfluentSchemaRegistry'))
    return new Failure('invalid_field', `The registry takes it for invalid (${doing}): ${text}.`, {
      fix: 'Check the subject and the schema.',
      cause,
    });
  if (status === 401 || status === 403)
    return new Failure('unauthorized', `The schema registry refuses us (${doing}).`, {
      fix: `Put user and password into ${setting}: https://user:password@host.`,
      cause,
    });
  return null;
}

/** The Avro record in a registry's answer, or null when it is something else. */
function avroIn(text: string): AvroSchema | null {
  const { schema, schemaType } = JSON.parse(text) as { schema: string; schemaType?: string };
  if (schemaType !== undefined && schemaType !== 'AVRO') return null;
  try {
    const parsed = JSON.parse(schema) as AvroSchema | string | null;
    return typeof parsed === 'object' && parsed?.type === 'record' ? parsed : null;
  } catch {
    return null;
  }
}
