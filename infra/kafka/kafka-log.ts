// The Log port on Apache Kafka.
import {
  type Log,
  type LogAdmin,
  type LogReader,
  type LogWriter,
  type Membership,
  type MembershipOptions,
  type TransactionSession,
} from '../../streams/log.ts';
import { KafkaAdmin } from './admin.ts';
import { AtLeastOnceSession } from './at-least-once.ts';
import { Cluster, type KafkaOptions } from './cluster.ts';
import { KafkaMembership } from './membership.ts';
import { KafkaReader } from './reader.ts';
import { openTransactions } from './transactions.ts';
import { KafkaWriter, openIdempotent } from './writer.ts';

export class KafkaLog implements Log {
  readonly #cluster: Cluster;
  #lanes = 0;

  constructor(options: KafkaOptions) {
    this.#cluster = new Cluster(options);
  }

  #lane(kind: string): string {
    this.#lanes += 1;
    return `/${kind}-${this.#lanes}`;
  }

  reader(): LogReader {
    return new KafkaReader(this.#cluster, this.#lane('read'));
  }

  writer(): LogWriter {
    return new KafkaWriter(this.#cluster, this.#lane('write'));
  }

  transactions(transactionalId: string, timeoutMs: number): Promise<TransactionSession> {
    return openTransactions(this.#cluster, transactionalId, timeoutMs);
  }

  async atLeastOnce(): Promise<TransactionSession> {
    const lane = this.#lane('session');
    return new AtLeastOnceSession(this.#cluster, await openIdempotent(this.#cluster, lane), lane);
  }

  membership(options: MembershipOptions): Membership {
    return new KafkaMembership(this.#cluster, options);
  }

  admin(): LogAdmin {
    return new KafkaAdmin(this.#cluster);
  }

  close(): Promise<void> {
    return this.#cluster.close();
  }
}
