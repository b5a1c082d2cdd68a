// The batches that a direct task is writing, one open batch per output partition.
import { BatchBuilder } from './batch-builder.ts';
import { type EncodedBatch } from './log.ts';

/** Below the brokers' default limit of 1,048,588 bytes a batch; a record may still be larger, and the broker's limit then says so. */
const BATCH_BYTES_MAX = 900_000;
const FIRST_BYTES = 64 * 1024;

interface Open {
  readonly topic: string;
  readonly partition: number;
  readonly builder: BatchBuilder;
}

export class OutputBatches {
  readonly #open: Open[] = [];
  #full: EncodedBatch[] = [];
  #fullBytes = 0;

  /** A builder for one partition; keep it: `roll` looks after all. */
  builderFor(topic: string, partition: number): BatchBuilder {
    const known = this.#open.find((open) => open.topic === topic && open.partition === partition);
    if (known !== undefined) return known.builder;
    const builder = new BatchBuilder(FIRST_BYTES);
    this.#open.push({ topic, partition, builder });
    return builder;
  }

  /** Closes batches that are full. Call it now and then, between records. */
  roll(): void {
    for (const open of this.#open) if (open.builder.lengthBytes >= BATCH_BYTES_MAX) this.#close(open);
  }

  #close({ topic, partition, builder }: Open): void {
    const { count } = builder;
    const bytes = builder.take();
    this.#full.push({ topic, partition, bytes, count });
    this.#fullBytes += bytes.length;
  }

  get sizeBytes(): number {
    let open = 0;
    for (const { builder } of this.#open) if (builder.count > 0) open += builder.lengthBytes;
    return this.#fullBytes + open;
  }

  get isEmpty(): boolean {
    return this.#full.length === 0 && this.#open.every(({ builder }) => builder.count === 0);
  }

  /** All batches so far, in their order. */
  take(): EncodedBatch[] {
    for (const open of this.#open) if (open.builder.count > 0) this.#close(open);
    const batches = this.#full;
    this.#full = [];
    this.#fullBytes = 0;
    return batches;
  }
}
