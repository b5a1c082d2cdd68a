// Looks at the log after each step, as any read_committed reader could, and at what is written to disks.
import { type LogRecord, type TopicPartition, partitionId } from '../../streams/log.ts';
import { type Rows } from './disk.ts';
import { type OutputCheck, type Workload } from './workload.ts';
import { type World, Violation } from './world.ts';

interface Followed extends TopicPartition {
  readonly check: OutputCheck | null;
  /** for changelogs: all that became visible, compacted away later or not */
  readonly records: LogRecord[] | null;
  position: number;
  /** the log cleaner has been here: before this offset the changelog is no longer what it was */
  compactedTo: number;
}

interface Written {
  readonly disk: string;
  readonly store: string;
  readonly changelog: TopicPartition;
  readonly position: number;
  readonly rows: Rows;
}

const ALL_BYTES = Number.POSITIVE_INFINITY;

export class Observer {
  readonly #world: World;
  readonly #workload: Workload;
  readonly #followed: Followed[] = [];
  #written: Written[] = [];

  constructor(world: World, workload: Workload) {
    this.#world = world;
    this.#workload = workload;
    for (const { name, partitions } of workload.topics) {
      const check = workload.checks.get(name) ?? null;
      const records = name.startsWith('changelog.') ? [] : null;
      if (check === null && records === null) continue;
      for (let partition = 0; partition < partitions; partition += 1)
        this.#followed.push({
          topic: name,
          partition,
          check,
          records: records === null ? null : [],
          position: 0,
          compactedTo: 0,
        });
    }
  }

  /** What has become visible since the last look. @throws Violation */
  look(): void {
    for (const followed of this.#followed) {
      const log = this.#world.broker.partition(followed);
      if (log.stableEnd <= followed.position) continue;
      const { records, nextOffset } = log.read(followed.position, ALL_BYTES);
      followed.position = nextOffset;
      followed.records?.push(...records);
      for (const record of records) followed.check?.take(record);
    }
    this.#checkWritten();
  }

  /** Runs the log cleaner over a topic; what it takes away has been seen before. */
  compact(topic: string): void {
    this.look();
    this.#world.broker.compact(topic);
    for (const followed of this.#followed) if (followed.topic === topic) followed.compactedTo = followed.position;
  }

  /** A store was written: once its part of the changelog is decided, it must hold just that. */
  wrote(disk: string, store: string, rows: Rows): void {
    const changelog = this.#workload.changelogOf(store);
    if (changelog === null) return;
    const position = positionOf(rows);
    if (position !== null) this.#written.push({ disk, store, changelog, position, rows });
  }

  #checkWritten(): void {
    const left: Written[] = [];
    for (const written of this.#written) {
      const { changelog, position } = written;
      if (this.#world.broker.partition(changelog).stableEnd < position) left.push(written);
      else this.checkRows(written);
    }
    this.#written = left;
  }

  /** The rows of a store are the fold of its changelog up to its position. @throws Violation */
  checkRows({ disk, store, changelog, position, rows }: Written): void {
    const followed = this.#followed.find((one) => partitionId(one) === partitionId(changelog));
    // between changes that were left out it is no fold of all of them
    if (position < (followed?.compactedTo ?? 0)) return;
    const fold = new Map<string, string>();
    for (const { key, value, offset } of followed?.records ?? []) {
      if (offset >= position) break;
      const name = key?.toString('latin1') ?? '';
      if (value === null) fold.delete(name);
      else fold.set(name, value.toString('latin1'));
    }
    const held = [...rows]
      .filter(([key]) => !key.startsWith('\0'))
      .map(([key, value]) => [key, value.toString('latin1')]);
    const text = (pairs: Iterable<readonly (string | undefined)[]>): string => JSON.stringify([...pairs].sort());
    if (text(held) === text(fold)) return;
    throw new Violation(
      `${store} on ${disk}, at ${position} of ${partitionId(changelog)}:\n  holds  ${text(held)}\n  wanted ${text(fold)}`,
    );
  }

  /** All that must come has come. */
  get complete(): boolean {
    return [...this.#workload.checks.values()].every((check) => check.complete);
  }

  missing(): string {
    return [...this.#workload.checks.values()]
      .filter((check) => !check.complete)
      .map((check) => check.missing())
      .join('\n');
  }
}

/** The position that a store keeps for itself; null: none yet. */
export function positionOf(rows: Rows): number | null {
  const own = [...rows].find(([key]) => key.startsWith('\0'));
  return own === undefined ? null : Number(own[1].readBigInt64BE(0));
}
