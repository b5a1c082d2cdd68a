// One partition of the in-memory broker, by Kafka's rules: whole batches, sequence numbers, control records that take an offset,
// the last stable offset, compaction and a start that moves.
import { type LogRecord, type NewRecord, type TopicPartition } from '../log.ts';
import { BrokerError } from './broker-error.ts';

export interface Producer {
  readonly producerId: number;
  readonly epoch: number;
}

interface Batch extends Producer {
  readonly baseOffset: number;
  /** stays as it was when compaction has taken records out of the batch */
  readonly endOffset: number;
  readonly kind: 'data' | 'marker';
  /** when the log cleaner takes deletions out of it; null: it has not been here yet */
  deletionsGoMs: number | null;
  records: readonly LogRecord[];
  /** part of a transaction that was aborted: no read_committed reader sees it */
  aborted: boolean;
}

interface ProducerState {
  epoch: number;
  nextSequence: number;
  /** what was taken last, so that a repeated request gets the same answer */
  recent: { readonly sequence: number; readonly count: number; readonly baseOffset: number }[];
  /** batches of the transaction that is open here; null: none */
  open: Batch[] | null;
}

/** Kafka remembers the last five batches of each producer. */
const RECENT_BATCHES = 5;
const RECORD_OVERHEAD_BYTES = 64;

/** Undecoded, as it were: whole batches of what a reader may see, from an offset on. */
export interface ReadSlice {
  readonly records: readonly LogRecord[];
  readonly nextOffset: number;
}

export class PartitionLog {
  readonly at: TopicPartition;
  #batches: Batch[] = [];
  #start = 0;
  #end = 0;
  readonly #producers = new Map<number, ProducerState>();

  constructor(at: TopicPartition) {
    this.at = at;
  }

  get start(): number {
    return this.#start;
  }

  /** With one replica the high watermark is the end. */
  get end(): number {
    return this.#end;
  }

  /** The last stable offset: where the first transaction begins that is still open. */
  get stableEnd(): number {
    let stable = this.#end;
    for (const { open } of this.#producers.values()) stable = Math.min(stable, open?.[0]?.baseOffset ?? stable);
    return stable;
  }

  /** Whether the producer's transaction is open here, so that more of it need not be asked for at the coordinator. */
  isOpenFor({ producerId, epoch }: Producer): boolean {
    const state = this.#producers.get(producerId);
    return state !== undefined && state.open !== null && state.epoch === epoch;
  }

  /** @returns the offset of the first record */
  append(
    records: readonly NewRecord[],
    producer: Producer & { readonly sequence: number; readonly transactional: boolean },
  ): number {
    const state = this.#stateOf(producer);
    const { sequence, transactional } = producer;
    const known = state.recent.find((batch) => batch.sequence === sequence && batch.count === records.length);
    if (known !== undefined) return known.baseOffset;
    if (sequence !== state.nextSequence)
      throw new BrokerError('out_of_order_sequence', `sequence ${sequence} where ${state.nextSequence} was expected`);
    const baseOffset = this.#end;
    const batch = this.#add(producer, 'data', records.length);
    batch.records = records.map((record, index) => this.#stored(record, baseOffset + index));
    state.nextSequence += records.length;
    state.recent = [...state.recent, { sequence, count: records.length, baseOffset }].slice(-RECENT_BATCHES);
    if (transactional) (state.open ??= []).push(batch);
    return baseOffset;
  }

  #stateOf({ producerId, epoch }: Producer): ProducerState {
    const state = this.#producers.get(producerId);
    if (state !== undefined && epoch < state.epoch)
      throw new BrokerError('invalid_producer_epoch', `producer epoch ${epoch} is older than ${state.epoch}`);
    if (state !== undefined && epoch === state.epoch) return state;
    const fresh: ProducerState = { epoch, nextSequence: 0, recent: [], open: state?.open ?? null };
    this.#producers.set(producerId, fresh);
    return fresh;
  }

  #stored(record: NewRecord, offset: number): LogRecord {
    const { topic, partition } = this.at;
    const { timestampMs, key, value, headers = [] } = record;
    return { topic, partition, offset, timestampMs, key, value, headers };
  }

  #add({ producerId, epoch }: Producer, kind: Batch['kind'], count: number): Batch {
    const baseOffset = this.#end;
    this.#end += count;
    const batch: Batch = {
      ...{ producerId, epoch, kind, baseOffset, endOffset: this.#end, deletionsGoMs: null },
      ...{ records: [], aborted: false },
    };
    this.#batches.push(batch);
    return batch;
  }

  /** The end of a transaction: a control record, which takes an offset. */
  mark(producer: Producer, committed: boolean): void {
    const state = this.#stateOf(producer);
    for (const batch of state.open ?? []) batch.aborted = !committed;
    state.open = null;
    this.#add(producer, 'marker', 1);
  }

  isInRange(offset: number): boolean {
    return offset >= this.#start && offset <= this.#end;
  }

  /**
   * Whole batches from `fromOffset` on until `bytesMax` is reached, at least one.
   * @param toOffset what lies there or after is not read
   */
  read(fromOffset: number, bytesMax: number, toOffset = this.stableEnd): ReadSlice {
    const records: LogRecord[] = [];
    let nextOffset = fromOffset;
    let bytes = 0;
    for (let index = this.#indexOf(fromOffset); index < this.#batches.length && bytes < bytesMax; index += 1) {
      const batch = this.#batches[index];
      if (batch === undefined || batch.baseOffset >= toOffset) break;
      for (const record of batch.records) {
        bytes += RECORD_OVERHEAD_BYTES + (record.key?.length ?? 0) + (record.value?.length ?? 0);
        if (!batch.aborted && record.offset >= fromOffset) records.push(record);
      }
      nextOffset = batch.endOffset;
    }
    return { records, nextOffset };
  }

  /** The first batch that ends after `offset`. */
  #indexOf(offset: number): number {
    let low = 0;
    let high = this.#batches.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#batches[middle]?.endOffset ?? 0) <= offset) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** What deletion does: everything before `offset` is gone. Whole batches stay, as in Kafka's segments. */
  truncate(offset: number): void {
    this.#start = Math.max(this.#start, Math.min(offset, this.#end));
    this.#batches = this.#batches.filter((batch) => batch.endOffset > this.#start);
  }

  /**
   * What the log cleaner does: of each key the newest committed record stays, up to the last stable offset; offsets stay as they
   * are. Deletions stay for `keepDeletionsMs` after they were cleaned first, and with that what they delete went (KIP-534): so that a
   * reader that has read the one can still learn of the other.
   */
  compact(nowMs: number, keepDeletionsMs: number): void {
    const stableEnd = this.stableEnd;
    const newest = new Map<string, number>();
    const cleanable = this.#batches.filter((batch) => batch.endOffset <= stableEnd);
    for (const batch of cleanable) {
      if (batch.aborted) continue;
      for (const { key, offset } of batch.records) if (key !== null) newest.set(key.toString('latin1'), offset);
    }
    for (const batch of cleanable) {
      const deletionsGoMs = (batch.deletionsGoMs ??= nowMs + keepDeletionsMs);
      batch.records = batch.records.filter(({ key, value, offset }) => {
        if (batch.aborted || key === null || newest.get(key.toString('latin1')) !== offset) return false;
        return value !== null || nowMs < deletionsGoMs;
      });
    }
    // batches that are empty now are gone; the last one stays, so that a reader still gets to the end of what it can see
    const last = cleanable.at(-1);
    this.#batches = this.#batches.filter(
      (batch) => batch === last || batch.records.length > 0 || batch.endOffset > stableEnd,
    );
  }
}
