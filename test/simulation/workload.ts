// What a simulated application is given, and what must come out of it.
import { type FailurePolicies } from '../../streams/failure-policies.ts';
import { type LogRecord, type NewRecord, type TopicPartition, type TopicSpec } from '../../streams/log.ts';
import { type ApplicationSpec } from '../../streams/processor.ts';
import { type StateStores } from '../../streams/store.ts';
import { type SimulatedProcess } from './simulated-process.ts';
import { Violation } from './world.ts';

export interface SourceRecord extends NewRecord {
  readonly partition: number;
}

/** Told of each record of one topic as it becomes visible, in the order of offsets in each partition. */
export interface OutputCheck {
  /** @throws Violation */
  take(record: LogRecord): void;
  /** whether everything that must come has come */
  readonly complete: boolean;
  /** what is still missing, for people */
  missing(): string;
}

export interface Workload {
  readonly name: string;
  readonly topics: readonly TopicSpec[];
  /** Each process makes its own. */
  spec(process: SimulatedProcess, stores: StateStores): ApplicationSpec;
  /** by source topic: how many partitions its marks speak of */
  readonly sources: ReadonlyMap<string, number>;
  /** in the order in which they are produced: by event time, which is the records' timestamp */
  readonly inputs: readonly SourceRecord[];
  /** event time to which the marks go at the end */
  readonly endMs: number;
  readonly live: boolean;
  readonly idleTimeoutMs: number | null;
  readonly guarantee: 'exactly-once' | 'at-least-once';
  readonly policies: FailurePolicies;
  /** decoded state that direct tasks, and tasks of declared topologies, keep in memory */
  readonly cacheBytesMax: number;
  /** processing takes time: a round ends before all that is ready is done. Absent: it takes none. */
  readonly isBusy?: boolean;
  /** every instance keeps copies of what others work on. Absent: nobody does */
  readonly hasStandbys?: boolean;
  /** how often checkpoints are written, to where all instances find them; machines are replaced by empty ones. Absent: there are none */
  readonly checkpointIntervalMs?: number;
  /** Fetches the schemas of these values. */
  prepare(values: readonly (Buffer | null)[]): Promise<void>;
  /** null: the store has none */
  changelogOf(store: string): TopicPartition | null;
  readonly checks: ReadonlyMap<string, OutputCheck>;
}

/** Each part of a topic holds exactly what was expected, in that order. */
export class ExactCheck implements OutputCheck {
  readonly #topic: string;
  readonly #expected: ReadonlyMap<string, readonly string[]>;
  readonly #partOf: (record: LogRecord) => string;
  readonly #textOf: (record: LogRecord) => string;
  readonly #taken = new Map<string, number>();
  #left: number;

  /** @param expected the records' texts by part: a partition, or a lane of one */
  constructor(
    topic: string,
    expected: ReadonlyMap<string, readonly string[]>,
    partOf: (record: LogRecord) => string,
    textOf: (record: LogRecord) => string,
  ) {
    this.#topic = topic;
    this.#expected = expected;
    this.#partOf = partOf;
    this.#textOf = textOf;
    this.#left = [...expected.values()].reduce((sum, texts) => sum + texts.length, 0);
  }

  take(record: LogRecord): void {
    const part = this.#partOf(record);
    const index = this.#taken.get(part) ?? 0;
    const wanted = this.#expected.get(part)?.[index];
    const text = this.#textOf(record);
    if (text !== wanted)
      throw new Violation(
        `${this.#topic} ${part}, number ${index} at offset ${record.offset}:\n  is     ${text}\n  wanted ${wanted ?? 'nothing more'}`,
      );
    this.#taken.set(part, index + 1);
    this.#left -= 1;
  }

  get complete(): boolean {
    return this.#left === 0;
  }

  missing(): string {
    const parts = [...this.#expected].filter(([part, texts]) => (this.#taken.get(part) ?? 0) < texts.length);
    return parts
      .map(([part, texts]) => `${this.#topic} ${part}: ${this.#taken.get(part) ?? 0} of ${texts.length}`)
      .join('; ');
  }
}

/** As the engine names stores and this simulation names changelogs. */
export function changelogOfStore(application: string): (store: string) => TopicPartition | null {
  const pattern = new RegExp(`^${application}\\.(.+)-(\\d+)$`);
  return (store) => {
    const [, name, partition] = pattern.exec(store) ?? [];
    return name === undefined ? null : { topic: `changelog.${name}`, partition: Number(partition) };
  };
}

export const byPartition = ({ partition }: LogRecord): string => `partition ${partition}`;
