// What workloads of declared topologies have in common: the topics that they are compiled to, and checks of what comes out by key.
import { compile } from '../../streams/builder/compile.ts';
import { type DeclaredTopology } from '../../streams/builder/declaration.ts';
import { DEFAULT_POLICIES } from '../../streams/failure-policies.ts';
import { type LogRecord } from '../../streams/log.ts';
import { DEAD_LETTERS } from './instance.ts';
import { type Random } from './random.ts';
import { ExactCheck, type OutputCheck, type Workload, byPartition, changelogOfStore } from './workload.ts';
import { Violation } from './world.ts';

type Parts = Pick<
  Workload,
  'topics' | 'spec' | 'changelogOf' | 'live' | 'idleTimeoutMs' | 'guarantee' | 'policies' | 'prepare'
>;

/**
 * Merged by event time, exactly once.
 * @param declare makes the topology anew, for each process
 * @param partitions of its sources and outputs
 */
export function declaredParts(declare: () => DeclaredTopology, partitions: ReadonlyMap<string, number>): Parts {
  const compiled = () =>
    compile(declare(), {
      partitions,
      internalTopic: (name) => `internal.${name}`,
      changelogTopic: (_application, store) => `changelog.${store}`,
    });
  const { spec, topics } = compiled();
  return {
    topics: [...Array.from(partitions, ([name, count]) => ({ name, partitions: count, config: {} })), ...topics],
    spec: () => compiled().spec,
    changelogOf: changelogOfStore(spec.id),
    live: false,
    idleTimeoutMs: null,
    guarantee: 'exactly-once',
    policies: DEFAULT_POLICIES,
    prepare: async () => undefined,
  };
}

export const noLetters = (): OutputCheck =>
  new ExactCheck(DEAD_LETTERS, new Map(), byPartition, ({ value }) => value?.toString() ?? '');

export const byKey = ({ key }: LogRecord): string => key?.toString() ?? '';

/** By event time, but for some disorder: `arrivalMs` says when each is produced. */
export function drawTimes(random: Random, startMs: number, spanMs: number, disorderMs: number) {
  // often several at one instant
  const gridMs = random.pick([1, 50, 100]);
  return (count: number): { readonly timeMs: number; readonly arrivalMs: number }[] =>
    Array.from({ length: count }, () => startMs + gridMs * random.int(0, Math.floor(spanMs / gridMs)))
      .map((timeMs) => ({ timeMs, arrivalMs: timeMs + random.int(0, disorderMs) }))
      .sort((a, b) => a.arrivalMs - b.arrivalMs);
}

/** What is expected at one event time of the task: its order is free, for it is that of several inputs. */
export interface Expected {
  readonly part: string;
  /** those of one part come in its order */
  readonly atMs: number;
  readonly text: string;
}

/** Each part of a topic holds exactly what was expected, instant after instant. */
export class InstantsCheck implements OutputCheck {
  readonly #topic: string;
  readonly #partOf: (record: LogRecord) => string;
  readonly #textOf: (record: LogRecord) => string;
  /** by part: instants that are left, each with the texts that are left of it */
  readonly #left = new Map<string, string[][]>();

  constructor(
    topic: string,
    expected: readonly Expected[],
    partOf: (record: LogRecord) => string,
    textOf: (record: LogRecord) => string,
  ) {
    this.#topic = topic;
    this.#partOf = partOf;
    this.#textOf = textOf;
    for (const [part, rows] of Map.groupBy(expected, (one) => one.part)) {
      const instants = [...Map.groupBy(rows, ({ atMs }) => atMs)].sort(([a], [b]) => a - b);
      this.#left.set(
        part,
        instants.map(([, texts]) => texts.map(({ text }) => text)),
      );
    }
  }

  take(record: LogRecord): void {
    const part = this.#partOf(record);
    const text = this.#textOf(record);
    const instants = this.#left.get(part) ?? [];
    const now = instants[0] ?? [];
    const at = now.indexOf(text);
    if (at < 0)
      throw new Violation(
        `${this.#topic} ${part} at offset ${record.offset}:\n  is     ${text}\n  wanted ${now.length === 0 ? 'nothing more' : `one of ${now.join(' | ')}`}`,
      );
    now.splice(at, 1);
    if (now.length === 0) instants.shift();
  }

  get complete(): boolean {
    return [...this.#left.values()].every((instants) => instants.length === 0);
  }

  missing(): string {
    return [...this.#left]
      .filter(([, instants]) => instants.length > 0)
      .map(([part, instants]) => `${this.#topic} ${part}: ${instants.flat().join(' | ')}`)
      .join('; ');
  }
}
