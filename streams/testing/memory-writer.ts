// An idempotent producer of the in-memory broker.
import { type Appended, type LogWriter, type NewRecord } from '../log.ts';
import { type BrokerCalls } from './broker-calls.ts';
import { BatchProducer } from './batch-producer.ts';

export class MemoryWriter implements LogWriter {
  readonly #calls: BrokerCalls;
  #producer: Promise<BatchProducer> | null = null;

  constructor(calls: BrokerCalls) {
    this.#calls = calls;
  }

  async append(records: readonly NewRecord[]): Promise<readonly Appended[]> {
    if (records.length === 0) return [];
    this.#producer ??= this.#open();
    const producer = await this.#producer;
    return producer.send(await producer.placed(records));
  }

  async #open(): Promise<BatchProducer> {
    const identity = await this.#calls.retrying('Asking for a producer id', (broker) => broker.newProducer());
    return new BatchProducer(this.#calls, identity, null);
  }

  async close(): Promise<void> {
    // connections belong to the log
  }
}
