// How far the committed state of one task stands, and those who read it or wait for it to go on. A task that closes waits for the
// reads that are under way: its store must not close before.
import { type CommittedOffset, type PartitionOffset } from '../log.ts';
import { type Position } from './question.ts';

export class Standing {
  readonly #next = new Map<string, Map<number, number>>();
  readonly #reads = new Set<Promise<unknown>>();
  #moved = Promise.withResolvers<void>();
  #closed = false;

  /** @param inputs with the first offset that is not part of the state */
  constructor(inputs: readonly PartitionOffset[]) {
    this.#note(inputs);
  }

  #note(offsets: readonly PartitionOffset[]): void {
    for (const { topic, partition, offset } of offsets) {
      const partitions = this.#next.get(topic) ?? new Map<number, number>();
      partitions.set(partition, offset);
      this.#next.set(topic, partitions);
    }
  }

  /** The first offset of each input that is not part of the state: committed, none before it is read again. */
  get next(): readonly PartitionOffset[] {
    return [...this.#next].flatMap(([topic, partitions]) =>
      Array.from(partitions, ([partition, offset]) => ({ topic, partition, offset })),
    );
  }

  get position(): Position {
    return Object.fromEntries(
      [...this.#next].map(([topic, partitions]) => [
        topic,
        Object.fromEntries([...partitions].map(([partition, next]) => [partition, next - 1])),
      ]),
    );
  }

  /** The local store has the changes of a commit. */
  moved(offsets: readonly CommittedOffset[]): void {
    this.#note(offsets);
    this.#wake();
  }

  #wake(): void {
    this.#moved.resolve();
    this.#moved = Promise.withResolvers();
  }

  #contains(atLeast: Position): boolean {
    return [...this.#next].every(([topic, partitions]) =>
      [...partitions].every(([partition, next]) => (atLeast[topic]?.[partition] ?? -1) < next),
    );
  }

  /** Waits until the state contains these records, the task closes, or `late` resolves. */
  async reached(atLeast: Position, late: Promise<unknown>): Promise<'reached' | 'closed' | 'late'> {
    for (let isLate = false; ;) {
      if (this.#closed) return 'closed';
      if (this.#contains(atLeast)) return 'reached';
      if (isLate) return 'late';
      isLate = await Promise.race([this.#moved.promise.then(() => false), late.then(() => true)]);
    }
  }

  /** @returns null: the task has closed */
  async read<T>(action: () => Promise<T>): Promise<T | null> {
    if (this.#closed) return null;
    const read = action();
    const ended = read.catch(() => undefined);
    this.#reads.add(ended);
    try {
      return await read;
    } finally {
      this.#reads.delete(ended);
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#wake();
    await Promise.all(this.#reads);
  }
}
