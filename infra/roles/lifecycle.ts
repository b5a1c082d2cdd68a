// The single owner of the lifecycle: commands in, events and replies out, in one transaction with the commands' offset.
import { type Event } from '../../schemas/codec.ts';
import { type Command, type CommandReply } from '../../schemas/events.generated.ts';
import { EVENT_NAMES } from '../../schemas/events.generated.ts';
import { Failure } from '../../schemas/failure.ts';
import { type TopicSchemas } from '../../schemas/check-fields.ts';
import { type AvroSchema } from '../../schemas/codec.ts';
import { type Definition } from '../../schemas/definitions.ts';
import { decide } from '../../processors/lifecycle/decide.ts';
import { topicsToLookUp } from '../../processors/lifecycle/definitions.decider.ts';
import { evolve } from '../../processors/lifecycle/evolve.ts';
import { type Decision } from '../../processors/lifecycle/rule.ts';
import { type LifecycleState, emptyState } from '../../processors/lifecycle/state.ts';
import { headerMaker } from '../../streams/event-headers.ts';
import {
  type LogReader,
  type LogRecord,
  type Membership,
  type NewRecord,
  type TransactionSession,
} from '../../streams/log.ts';
import { declared, declaredTopics } from '../../streams/topology.ts';
import { EventFollower } from '../event-follower.ts';
import { type RoleContext, type RunningRole } from './context.ts';
import { deadLetterRecord } from './engine-options.ts';

/** Records end it; what stops has to wait for it. */
const POLL_MS = 100;
const GROUP = 'lifecycle';

export async function run(context: RoleContext): Promise<RunningRole> {
  const owner = new LifecycleOwner(context);
  await owner.start();
  return owner;
}

class LifecycleOwner implements RunningRole {
  readonly #context: RoleContext;
  readonly #reader: LogReader;
  readonly #membership: Membership;
  #session: TransactionSession | null = null;
  #state: LifecycleState = emptyState();
  /** first answers by command id, so that a repeated command changes nothing */
  readonly #answered = new Map<string, CommandReply>();
  #turn: Promise<unknown> = Promise.resolve();
  #owns = false;
  #stopped = false;
  #loop: Promise<void> = Promise.resolve();
  readonly #headers = new Map<string, ReturnType<typeof headerMaker>>();

  constructor(context: RoleContext) {
    this.#context = context;
    this.#reader = context.kafka.reader();
    this.#membership = context.kafka.membership({
      group: `${context.settings.topicPrefix}${GROUP}`,
      topics: [context.topics.commands],
      instanceId: null,
    });
  }

  async start(): Promise<void> {
    const { kafka, topics, codec, settings } = this.#context;
    await codec.prepare(topics.lifecycle, EVENT_NAMES);
    await codec.prepare(topics.deadLetters, ['DeadLetter']);
    // one transactional id for whoever owns the commands: a newer owner fences the older one
    this.#session = await kafka.transactions(`${settings.topicPrefix}${GROUP}`, 60_000);
    await this.#membership.start({
      assigned: () => this.#exclusively(() => this.#takeOver()),
      revoked: () => this.#exclusively(async () => this.#letGo()),
      lost: () => this.#exclusively(async () => this.#letGo()),
    });
    this.#loop = this.#run().catch((error: unknown) => this.#context.failed(error));
  }

  #exclusively<T>(action: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(action);
    this.#turn = turn.catch((error: unknown) => this.#context.failed(error));
    return turn;
  }

  /** Folds what was decided before, and what was answered. */
  async #takeOver(): Promise<void> {
    const { kafka, codec, topics } = this.#context;
    this.#state = emptyState();
    const follower = new EventFollower(kafka, codec, (event, record) => {
      if (record.topic === topics.lifecycle) evolve(this.#state, event);
      else if (event.name === 'CommandReply') this.#answered.set(event.value.command_id, event.value);
    });
    await follower.start([topics.lifecycle, topics.commands], (error) => this.#context.failed(error));
    await follower.stop();
    const at = { topic: topics.commands, partition: 0 };
    const [committed] = await this.#membership.committed([at]);
    this.#reader.assign(at, Math.max(committed?.offset ?? 0, 0));
    this.#owns = true;
  }

  #letGo(): void {
    this.#owns = false;
    this.#reader.unassign({ topic: this.#context.topics.commands, partition: 0 });
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      for (const fetched of await this.#reader.poll(POLL_MS)) {
        await this.#exclusively(() =>
          this.#owns ? this.#handle(fetched.records, fetched.nextOffset) : Promise.resolve(),
        );
      }
    }
  }

  async #handle(records: readonly LogRecord[], nextOffset: number): Promise<void> {
    const { codec, topics } = this.#context;
    await codec.reader.prepare(records.map((record) => record.value));
    const outputs: NewRecord[] = [];
    for (const record of records) outputs.push(...(await this.#outputsOf(record)));
    if (outputs.length === 0 || this.#session === null) return;
    this.#session.begin();
    await this.#session.append(outputs);
    await this.#session.commitOffsets(this.#membership, [
      { topic: topics.commands, partition: 0, offset: nextOffset, metadata: '' },
    ]);
    await this.#session.commit();
  }

  async #outputsOf(record: LogRecord): Promise<NewRecord[]> {
    if (record.value === null) return [];
    try {
      const event = this.#context.codec.reader.decode(record.value) as Event;
      return event.name === 'Command' ? await this.#answer(event.value, record) : [];
    } catch (failure) {
      if (!(failure instanceof Failure) || failure.code !== 'undecodable_record') throw failure;
      const { codec, topics, clock } = this.#context;
      const letter = { record, failure, stage: 'decode' as const };
      return [deadLetterRecord(codec, topics, letter, GROUP, this.#header('DeadLetter'), clock.nowMs())];
    }
  }

  async #answer(command: Command, record: LogRecord): Promise<NewRecord[]> {
    const first = this.#answered.get(command.command_id);
    const events: Event[] = [];
    const reply = first ?? (await this.#reply(command, events));
    this.#answered.set(command.command_id, reply);
    const nowMs = this.#context.clock.nowMs();
    const { topics, codec } = this.#context;
    const place = `${record.topic}/${record.partition}/${record.offset}`;
    const records = events.map((event, index) =>
      this.#eventRecord(event, `${command.command_id}/${index}`, place, command, nowMs),
    );
    const replied = {
      topic: topics.commands,
      partition: 0,
      timestampMs: nowMs,
      key: Buffer.from(command.workspace),
      value: codec.encode('CommandReply', reply),
    };
    return [...records, { ...replied, headers: this.#header('CommandReply')(`${command.command_id}/reply`, nowMs) }];
  }

  async #reply(command: Command, events: Event[]): Promise<CommandReply> {
    const { command_id, type } = command;
    let decision: Decision;
    try {
      decision = await this.#decide(command);
    } catch (error) {
      const refusal = refusalOf(error);
      const { code, field, advice: message } = refusal;
      const level = refusal === error ? 'info' : 'error';
      this.#context.logger[level]({ command: type, code, field, err: refusal.cause }, message);
      return { command_id, type, accepted: false, code, field, message, result: 'null' };
    }
    for (const event of decision.events) {
      evolve(this.#state, event);
      events.push(event);
    }
    const result = JSON.stringify(decision.result);
    return { command_id, type, accepted: true, code: '', field: '', message: '', result };
  }

  /** Changes nothing yet. */
  async #decide({ type, payload, issued_at, issued_by }: Command): Promise<Decision> {
    const schemas = type === 'ApplyDefinitions' ? await this.#schemasFor(payload) : new Map<string, AvroSchema>();
    const decision = decide(this.#state, type, payload, { issuedAtMs: issued_at, issuedBy: issued_by, schemas });
    if (decision.topicsOf !== undefined) await this.#ensureTopics(decision.topicsOf);
    return decision;
  }

  async #schemasFor(payload: string): Promise<TopicSchemas> {
    const schemas = new Map<string, AvroSchema>();
    for (const topic of topicsToLookUp(payload)) {
      const schema = await this.#context.registry.latest(`${topic}-value`);
      if (schema !== null) schemas.set(topic, schema);
    }
    return schemas;
  }

  // before the events: who hears of a definition finds its topics
  async #ensureTopics(definitions: readonly Definition[]): Promise<void> {
    const { kafka, topics, settings } = this.#context;
    const admin = kafka.admin();
    await admin.ensureTopics(declaredTopics(topics, declared(definitions), settings.partitions));
    await admin.close();
  }

  #header(name: string): ReturnType<typeof headerMaker> {
    const known = this.#headers.get(name) ?? headerMaker(`millrace.${name}`, 'millrace/lifecycle');
    this.#headers.set(name, known);
    return known;
  }

  #eventRecord(event: Event, id: string, place: string, command: Command, nowMs: number): NewRecord {
    const { topics, codec } = this.#context;
    const more = [
      { key: 'causation', value: Buffer.from(place) },
      { key: 'correlation', value: Buffer.from(command.command_id) },
    ];
    const key = Buffer.from(command.workspace);
    return {
      topic: topics.lifecycle,
      partition: 0,
      timestampMs: nowMs,
      key,
      value: codec.encode(event.name, event.value),
      headers: this.#header(event.name)(id, nowMs, more),
    };
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#loop;
    await this.#turn.catch(() => undefined);
    await this.#membership.close();
    await this.#session?.close();
    await this.#reader.close();
  }
}

/** A command that trips the decider is refused like any other: it must not stop those behind it. */
function refusalOf(error: unknown): Failure {
  if (error instanceof Failure) return error;
  return new Failure('invalid_request', `The command cannot be decided: ${String(error)}.`, {
    field: 'payload',
    fix: 'Check its payload; the platform itself sends none that does this.',
    cause: error,
  });
}
