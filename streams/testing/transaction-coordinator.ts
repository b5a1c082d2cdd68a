// Transactions by Kafka's rules (KIP-98, KIP-360, verification of KIP-890): one state per transactional id; a newer epoch fences
// older ones; ending writes a marker to each partition, and only when all are written the next transaction may begin.
import { type TopicPartition, partitionId } from '../log.ts';
import { BrokerError } from './broker-error.ts';
import { type Producer } from './partition-log.ts';

type State = 'empty' | 'ongoing' | 'committing' | 'aborting' | 'committed' | 'aborted';

interface Transaction {
  readonly id: string;
  readonly producerId: number;
  epoch: number;
  state: State;
  timeoutMs: number;
  startedMs: number;
  partitions: Map<string, TopicPartition>;
  groups: Set<string>;
  markersLeft: number;
}

/** What the coordinator has done at the partitions and groups of a transaction. */
export interface MarkerWriter {
  mark(at: TopicPartition, producer: Producer, committed: boolean): void;
  endOffsets(group: string, producer: Producer, committed: boolean): void;
  /** The writing of one marker: at once, or when a simulation says so. */
  defer(what: string, action: () => void): void;
}

export class TransactionCoordinator {
  readonly #markers: MarkerWriter;
  readonly #transactions = new Map<string, Transaction>();
  #lastProducerId = 0;

  constructor(markers: MarkerWriter) {
    this.#markers = markers;
  }

  /** A producer without transactions. */
  newProducer(): Producer {
    this.#lastProducerId += 1;
    return { producerId: this.#lastProducerId, epoch: 0 };
  }

  /** Fences whoever had this id before, and ends what it left open. @throws BrokerError `concurrent_transactions` until that is done */
  init(id: string, timeoutMs: number): Producer {
    const known = this.#transactions.get(id);
    if (known === undefined) {
      const { producerId, epoch } = this.newProducer();
      this.#transactions.set(id, {
        ...{ id, producerId, epoch, state: 'empty', timeoutMs, startedMs: 0 },
        ...{ partitions: new Map(), groups: new Set(), markersLeft: 0 },
      });
      return { producerId, epoch };
    }
    if (known.state === 'ongoing') {
      known.epoch += 1;
      this.#end(known, false);
    }
    if (isEnding(known)) throw new BrokerError('concurrent_transactions');
    known.epoch += 1;
    known.state = 'empty';
    known.timeoutMs = timeoutMs;
    return { producerId: known.producerId, epoch: known.epoch };
  }

  #owned(id: string, { producerId, epoch }: Producer): Transaction {
    const transaction = this.#transactions.get(id);
    if (transaction?.producerId !== producerId) throw new BrokerError('invalid_producer_id_mapping');
    if (transaction.epoch !== epoch)
      throw new BrokerError('invalid_producer_epoch', `${id} is at epoch ${transaction.epoch}, not at ${epoch}`);
    return transaction;
  }

  #joined(id: string, producer: Producer, nowMs: number): Transaction {
    const transaction = this.#owned(id, producer);
    if (isEnding(transaction)) throw new BrokerError('concurrent_transactions');
    if (transaction.state !== 'ongoing') {
      transaction.state = 'ongoing';
      transaction.startedMs = nowMs;
      transaction.partitions = new Map();
      transaction.groups = new Set();
    }
    return transaction;
  }

  addPartitions(id: string, producer: Producer, partitions: readonly TopicPartition[], nowMs: number): void {
    const transaction = this.#joined(id, producer, nowMs);
    for (const at of partitions) transaction.partitions.set(partitionId(at), at);
  }

  addGroup(id: string, producer: Producer, group: string, nowMs: number): void {
    this.#joined(id, producer, nowMs).groups.add(group);
  }

  /** Asked by a partition, or a group, before it takes the first of a transaction: late requests must not open one by themselves. */
  verify(id: string, producer: Producer, part: { readonly partition?: TopicPartition; readonly group?: string }): void {
    const transaction = this.#owned(id, producer);
    if (isEnding(transaction)) throw new BrokerError('concurrent_transactions');
    const { partition, group } = part;
    const known =
      transaction.state === 'ongoing' &&
      (partition === undefined || transaction.partitions.has(partitionId(partition))) &&
      (group === undefined || transaction.groups.has(group));
    if (!known) throw new BrokerError('invalid_transaction_state', `the transaction of ${id} does not hold this`);
  }

  end(id: string, producer: Producer, committed: boolean): void {
    const transaction = this.#owned(id, producer);
    const { state } = transaction;
    if (state === 'ongoing') this.#end(transaction, committed);
    // a repeated request is answered as the first one was
    else if (state === (committed ? 'committing' : 'aborting')) throw new BrokerError('concurrent_transactions');
    else if (state !== (committed ? 'committed' : 'aborted'))
      throw new BrokerError('invalid_transaction_state', `the transaction of ${id} is ${state}`);
  }

  #end(transaction: Transaction, committed: boolean): void {
    transaction.state = committed ? 'committing' : 'aborting';
    const producer = { producerId: transaction.producerId, epoch: transaction.epoch };
    const writes: { readonly what: string; readonly write: () => void }[] = [];
    for (const at of transaction.partitions.values())
      writes.push({ what: partitionId(at), write: () => this.#markers.mark(at, producer, committed) });
    for (const group of transaction.groups)
      writes.push({ what: group, write: () => this.#markers.endOffsets(group, producer, committed) });
    transaction.markersLeft = writes.length;
    for (const { what, write } of writes) {
      this.#markers.defer(`${committed ? 'commit' : 'abort'} marker of ${transaction.id} to ${what}`, () => {
        write();
        transaction.markersLeft -= 1;
        if (transaction.markersLeft === 0) transaction.state = committed ? 'committed' : 'aborted';
      });
    }
    if (writes.length === 0) transaction.state = committed ? 'committed' : 'aborted';
  }

  /** Aborts what nobody has ended in time; its producer is fenced. */
  expire(nowMs: number): void {
    for (const transaction of this.#transactions.values()) {
      if (transaction.state !== 'ongoing' || nowMs - transaction.startedMs < transaction.timeoutMs) continue;
      transaction.epoch += 1;
      this.#end(transaction, false);
    }
  }

  /** Whether the transaction that `producer` had open was decided as committed (its markers may still be on their way). */
  isCommitted({ producerId, epoch }: Producer): boolean {
    for (const transaction of this.#transactions.values())
      if (transaction.producerId === producerId && transaction.epoch === epoch)
        return transaction.state === 'committing' || transaction.state === 'committed';
    return false;
  }
}

function isEnding({ state }: Transaction): boolean {
  return state === 'committing' || state === 'aborting';
}
