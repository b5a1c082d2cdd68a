// The Log port in memory, with Kafka's rules: one client of a MemoryBroker. Passes the same contract suite as real Kafka.
import { type Clock } from '../clock.ts';
import {
  type Log,
  type LogAdmin,
  type LogReader,
  type LogWriter,
  type Membership,
  type MembershipOptions,
  type TransactionSession,
} from '../log.ts';
import { BrokerCalls, type Network, directNetwork } from './broker-calls.ts';
import { MemoryAdmin } from './memory-admin.ts';
import { MemoryAtLeastOnce } from './memory-at-least-once.ts';
import { type MemoryBroker } from './memory-broker.ts';
import { MemoryMembership } from './memory-membership.ts';
import { MemoryReader } from './memory-reader.ts';
import { MemoryTransactions, openTransactions } from './memory-transactions.ts';
import { MemoryWriter } from './memory-writer.ts';

export interface MemoryLogOptions {
  readonly broker: MemoryBroker;
  readonly clock: Clock;
  /** tells this client's memberships from those of others */
  readonly clientId: string;
  readonly network?: Network;
  /** how long a request is repeated while the broker is away */
  readonly retryForMs?: number;
}

const RETRY_FOR_MS = 120_000;

export class MemoryLog implements Log {
  readonly #calls: BrokerCalls;
  readonly #clientId: string;
  #members = 0;

  constructor({ broker, clock, clientId, network = directNetwork, retryForMs = RETRY_FOR_MS }: MemoryLogOptions) {
    this.#calls = new BrokerCalls(broker, clock, network, retryForMs);
    this.#clientId = clientId;
  }

  reader(): LogReader {
    return new MemoryReader(this.#calls);
  }

  writer(): LogWriter {
    return new MemoryWriter(this.#calls);
  }

  async transactions(transactionalId: string, timeoutMs: number): Promise<TransactionSession> {
    return new MemoryTransactions(
      this.#calls,
      transactionalId,
      await openTransactions(this.#calls, transactionalId, timeoutMs),
    );
  }

  async atLeastOnce(): Promise<TransactionSession> {
    const producer = await this.#calls.retrying('Asking for a producer id', (broker) => broker.newProducer());
    return new MemoryAtLeastOnce(this.#calls, producer);
  }

  membership(options: MembershipOptions): Membership {
    this.#members += 1;
    return new MemoryMembership(this.#calls, options, `${this.#clientId}-${this.#members}`);
  }

  admin(): LogAdmin {
    return new MemoryAdmin(this.#calls);
  }

  async close(): Promise<void> {
    this.#calls.close();
  }
}
