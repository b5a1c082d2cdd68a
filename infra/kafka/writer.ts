// An idempotent producer.
import { type Appended, type LogWriter, type NewRecord } from '../../streams/log.ts';
import { BatchSender } from './batch-sender.ts';
import { type Cluster } from './cluster.ts';
import { initProducerIdV5 } from './library.ts';

export class KafkaWriter implements LogWriter {
  readonly #cluster: Cluster;
  readonly #lane: string;
  #sender: Promise<BatchSender> | null = null;

  constructor(cluster: Cluster, lane: string) {
    this.#cluster = cluster;
    this.#lane = lane;
  }

  async append(records: readonly NewRecord[]): Promise<readonly Appended[]> {
    if (records.length === 0) return [];
    this.#sender ??= this.#open();
    const sender = await this.#sender;
    return sender.send(await sender.placed(records));
  }

  #open(): Promise<BatchSender> {
    return openIdempotent(this.#cluster, this.#lane);
  }

  close(): Promise<void> {
    return this.#cluster.closeLane(this.#lane);
  }
}

/** A sender with a producer id of its own. */
export function openIdempotent(cluster: Cluster, lane: string): Promise<BatchSender> {
  return cluster.retrying('Asking for a producer id', async () => {
    const { producerId, producerEpoch } = await initProducerIdV5.api.async(
      await cluster.anyConnection(),
      null,
      60_000,
      -1n,
      -1,
    );
    return new BatchSender(cluster, { producerId, epoch: producerEpoch, transactionalId: null }, lane);
  });
}
