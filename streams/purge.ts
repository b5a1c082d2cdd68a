// Internal topics are kept for ever but for this: what all tasks have committed of them is deleted now and then, since nobody will read
// it again. Only committed offsets count, so whoever deletes, a zombie too, takes nothing that its successor needs.
import { type Clock } from './clock.ts';
import { type LogAdmin, type PartitionOffset, partitionId } from './log.ts';
import { type ApplicationSpec } from './processor.ts';
import { type Standing } from './queries/standing.ts';

/**
 * Of internal topics. Records go with the segments that they lie in, and only segments that are full go: small ones, as Kafka Streams
 * makes them.
 */
export const INTERNAL_TOPIC = { 'retention.ms': '-1', 'segment.bytes': String(50 * 1024 * 1024) };

/** As Kafka Streams: `repartition.purge.interval.ms`. */
const PURGE_INTERVAL_MS = 30_000;

export interface PurgeOptions {
  readonly spec: ApplicationSpec;
  readonly admin: Pick<LogAdmin, 'deleteRecords'>;
  readonly clock: Clock;
  /** default: half a minute */
  readonly purgeIntervalMs?: number;
  /** Told once that it does not succeed. */
  notice(text: string): void;
}

export class Purge {
  readonly #options: PurgeOptions;
  readonly #topics: ReadonlySet<string>;
  readonly #deletedTo = new Map<string, number>();
  readonly #intervalMs: number;
  #lastMs: number;
  #isUnderWay = false;
  #isTold = false;

  constructor(options: PurgeOptions) {
    const { spec, clock, purgeIntervalMs = PURGE_INTERVAL_MS } = options;
    this.#options = options;
    this.#topics = new Set(
      spec.subTopologies.flatMap((one) => (one.kind === 'direct' ? [] : (one.internalTopics ?? []))),
    );
    this.#intervalMs = purgeIntervalMs;
    this.#lastMs = clock.monotonicMs();
  }

  /** Begins to delete, beside everything else, what these tasks have committed, once the interval is over. */
  whenDue(tasks: readonly { readonly standing: Standing }[]): void {
    if (this.#topics.size === 0 || this.#isUnderWay) return;
    const nowMs = this.#options.clock.monotonicMs();
    if (nowMs - this.#lastMs < this.#intervalMs) return;
    this.#lastMs = nowMs;
    const before = tasks
      .flatMap(({ standing }) => standing.next)
      .filter((at) => this.#topics.has(at.topic) && at.offset > (this.#deletedTo.get(partitionId(at)) ?? 0));
    if (before.length === 0) return;
    this.#isUnderWay = true;
    void this.#delete(before);
  }

  /** Processing does not depend on it: what fails is tried again after the interval. */
  async #delete(before: readonly PartitionOffset[]): Promise<void> {
    try {
      await this.#options.admin.deleteRecords(before);
      for (const at of before) this.#deletedTo.set(partitionId(at), at.offset);
      this.#isTold = false;
    } catch (error) {
      if (!this.#isTold)
        this.#options.notice(
          `What was read of internal topics could not be deleted, and takes space until it can be: ${String(error)}`,
        );
      this.#isTold = true;
    }
    this.#isUnderWay = false;
  }
}
