// Sends commands and waits for their replies.
import { randomUUID } from 'node:crypto';
import { type EventCodec } from '../schemas/codec.ts';
import { type CommandReply } from '../schemas/events.generated.ts';
import { FAILURE_CODES, Failure } from '../schemas/failure.ts';
import { type TopicNames } from '../schemas/topics.ts';
import { type Clock } from '../streams/clock.ts';
import { headerMaker } from '../streams/event-headers.ts';
import { type Log, type LogReader, type LogWriter } from '../streams/log.ts';

export interface CommandClientOptions {
  readonly log: Log;
  readonly codec: EventCodec;
  readonly names: TopicNames;
  readonly clock: Clock;
  readonly workspace: string;
  /** who asks, for the record */
  readonly issuedBy: string;
}

const REPLY_WAIT_MS = 60_000;
const POLL_MS = 100;

export class CommandClient {
  readonly #options: CommandClientOptions;
  readonly #reader: LogReader;
  readonly #writer: LogWriter;
  readonly #waiting = new Map<string, (reply: CommandReply) => void>();
  readonly #stop = new AbortController();
  /** the replies cannot be read any more, with the reason */
  readonly #broken = new AbortController();
  readonly #headers = headerMaker('millrace.Command', 'millrace/command-client');
  #loop: Promise<void> | null = null;

  constructor(options: CommandClientOptions) {
    this.#options = options;
    this.#reader = options.log.reader();
    this.#writer = options.log.writer();
  }

  async start(): Promise<void> {
    const { log, codec, names } = this.#options;
    await codec.prepare(names.commands, ['Command']);
    const admin = log.admin();
    const [bounds] = await admin.offsets([{ topic: names.commands, partition: 0 }]);
    await admin.close();
    this.#reader.assign({ topic: names.commands, partition: 0 }, bounds?.end ?? 0);
    this.#loop = this.#follow();
    this.#loop.catch((error: unknown) => this.#broken.abort(error));
  }

  async #follow(): Promise<void> {
    const { codec } = this.#options;
    while (!this.#stop.signal.aborted) {
      for (const { records } of await this.#reader.poll(POLL_MS)) {
        await codec.reader.prepare(records.map((record) => record.value));
        for (const { value } of records) {
          const reply = value === null ? null : replyIn(codec, value);
          if (reply === null) continue;
          this.#waiting.get(reply.command_id)?.(reply);
          this.#waiting.delete(reply.command_id);
        }
      }
    }
  }

  /**
   * @param commandId the same id gets the first answer again
   * @throws Failure when the command is refused, or `unreachable` when nobody answers
   */
  async send(type: string, payload: unknown, commandId: string = randomUUID()): Promise<unknown> {
    const { codec, names, clock, workspace, issuedBy } = this.#options;
    const answered = new Promise<CommandReply>((resolve) => this.#waiting.set(commandId, resolve));
    const issued_at = clock.nowMs();
    const value = codec.encode('Command', {
      command_id: commandId,
      type,
      workspace,
      issued_at,
      issued_by: issuedBy,
      payload: JSON.stringify(payload),
    });
    await this.#writer.append([
      {
        topic: names.commands,
        partition: 0,
        timestampMs: issued_at,
        key: Buffer.from(workspace),
        value,
        headers: this.#headers(commandId, issued_at),
      },
    ]);
    const given = new AbortController();
    const ended = AbortSignal.any([given.signal, this.#stop.signal, this.#broken.signal]);
    const late = clock.sleep(REPLY_WAIT_MS, ended).then(() => null);
    const reply = await Promise.race([answered, late]);
    given.abort();
    this.#waiting.delete(commandId);
    if (reply === null && this.#broken.signal.aborted) throw this.#broken.signal.reason;
    if (reply === null)
      throw new Failure('unreachable', `Nobody answered the command ${type} within ${REPLY_WAIT_MS / 1000} s.`, {
        fix: 'Check that the lifecycle role runs (`millrace status`), then send it again.',
      });
    if (!reply.accepted) {
      const code = FAILURE_CODES.find((known) => known === reply.code) ?? 'internal';
      throw new Failure(code, reply.message, { field: reply.field });
    }
    return JSON.parse(reply.result);
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await this.#loop?.catch(() => undefined);
    await Promise.all([this.#reader.close(), this.#writer.close()]);
  }
}

/** Null for commands, and for foreign records: the owner sends those to the dead letters. */
function replyIn(codec: EventCodec, value: Buffer): CommandReply | null {
  try {
    const event = codec.reader.decode(value);
    return event.name === 'CommandReply' ? (event.value as CommandReply) : null;
  } catch (failure) {
    if (failure instanceof Failure && failure.code === 'undecodable_record') return null;
    throw failure;
  }
}
