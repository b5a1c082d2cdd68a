// What has come to a topic, and waiting for what is still to come.
import { type AvroReader } from '../../../schemas/codec.ts';
import { type Log, type LogReader, type LogRecord } from '../../../streams/log.ts';

const POLL_MS = 100;
const WITHIN_MS = 30_000;

export class Tail {
  readonly records: LogRecord[] = [];
  readonly #topic: string;
  readonly #reader: LogReader;
  readonly #avro: AvroReader;

  private constructor(topic: string, reader: LogReader, avro: AvroReader) {
    this.#topic = topic;
    this.#reader = reader;
    this.#avro = avro;
  }

  static async from(log: Log, avro: AvroReader, topic: string): Promise<Tail> {
    const admin = log.admin();
    const partitions = (await admin.partitionsOf([topic])).get(topic) ?? 0;
    await admin.close();
    if (partitions === 0) throw new Error(`there is no topic ${topic}`);
    const reader = log.reader();
    for (let partition = 0; partition < partitions; partition += 1) reader.assign({ topic, partition }, 0);
    return new Tail(topic, reader, avro);
  }

  async #more(): Promise<void> {
    for (const { records } of await this.#reader.poll(POLL_MS)) {
      await this.#avro.prepare(records.map(({ value }) => value));
      this.records.push(...records);
    }
  }

  /** The events that are wanted, once there are so many. @throws when they do not come */
  async events<T>(wanted: (event: T, record: LogRecord) => boolean, count: number): Promise<T[]> {
    const untilMs = performance.now() + WITHIN_MS;
    for (;;) {
      const found = this.records.flatMap((record) => {
        const event = this.#avro.decode(record.value ?? Buffer.alloc(0)).value as T;
        return wanted(event, record) ? [event] : [];
      });
      if (found.length >= count) return found;
      if (performance.now() > untilMs)
        throw new Error(`${this.#topic}: ${found.length} of ${count} came; ${this.records.length} records in all`);
      await this.#more();
    }
  }

  close(): Promise<void> {
    return this.#reader.close();
  }
}
