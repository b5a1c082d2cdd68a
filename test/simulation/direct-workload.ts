// Declared windows, processed directly: what comes out of a partition is told by going through its events one by one.
import { type LogRecord } from '../../streams/log.ts';
import { DEFAULT_POLICIES } from '../../streams/failure-policies.ts';
import { partitionOfKey } from '../../streams/murmur2.ts';
import { DEAD_LETTERS } from './instance.ts';
import { type CountedEvent, expectedWindows, windowsStage } from './counted-windows.ts';
import { type Random } from './random.ts';
import {
  ExactCheck,
  type OutputCheck,
  type SourceRecord,
  type Workload,
  byPartition,
  changelogOfStore,
} from './workload.ts';
import { Violation } from './world.ts';

const [EVENTS, WINDOWS] = ['events', 'windows'] as const;

interface Event extends CountedEvent {
  readonly amount: number;
}

export interface DirectOptions {
  readonly random: Random;
  readonly startMs: number;
  readonly spanMs: number;
  readonly guarantee: Workload['guarantee'];
}

export function directWorkload({ random, startMs, spanMs, guarantee }: DirectOptions): Workload {
  const partitions = random.int(1, 4);
  const keys = Array.from({ length: random.int(1, 12) }, (_, index) => `key-${index}`);
  // what is too late hangs on the state, and at least once a zombie may put an older one in the place of a newer
  const disorderMs = guarantee === 'exactly-once' ? (random.pick([0, 200, 1000]) ?? 0) : 0;
  const malformed = random.pick([0, 0.1]);
  const events: Event[] = Array.from({ length: random.int(10, 200) }, (_, number) => number)
    .map((number) => ({ number, at: random.int(0, spanMs), key: random.pick(keys) ?? '' }))
    .sort((a, b) => a.at - b.at)
    .map(({ at, key }, number) => ({
      ...{ number, key, partition: partitionOfKey(Buffer.from(key), partitions) },
      ...{ amount: random.int(1, 1000), malformed: random.chance(malformed) },
      timeMs: startMs + at - random.int(0, disorderMs),
    }));
  const { rows, letters } = expectedWindows(EVENTS, events);
  const letterCheck = new ExactCheck(DEAD_LETTERS, letters, placeOf, stageOf);
  return {
    name: `direct, ${guarantee}`,
    topics: [
      { name: EVENTS, partitions, config: {} },
      { name: WINDOWS, partitions, config: {} },
      { name: 'changelog.windows', partitions, config: { 'cleanup.policy': 'compact' } },
    ],
    spec: () => ({
      id: 'direct',
      subTopologies: [windowsStage({ input: EVENTS, output: WINDOWS, partitions, time: 'time', value: 'amount' })],
    }),
    sources: new Map([[EVENTS, partitions]]),
    inputs: events.map(recordOf),
    endMs: startMs + spanMs,
    live: true,
    idleTimeoutMs: null,
    guarantee,
    // small enough that rows come and go; with 7000 they are packed, and stay
    cacheBytesMax: random.pick([0, 7000, 1_000_000]) ?? 0,
    policies: DEFAULT_POLICIES,
    prepare: async () => undefined,
    // at least once a zombie may still write to a changelog: what the store of its successor is the fold of is less
    changelogOf: guarantee === 'exactly-once' ? changelogOfStore('direct') : () => null,
    checks: new Map<string, OutputCheck>(
      guarantee === 'exactly-once'
        ? [
            [WINDOWS, new ExactCheck(WINDOWS, rows, byPartition, ({ value }) => value?.toString() ?? '')],
            [DEAD_LETTERS, letterCheck],
          ]
        : [[WINDOWS, new AtLeastOnceCheck(events, rows)]],
    ),
  };
}

function recordOf({ number, key, timeMs, amount, partition, malformed }: Event): SourceRecord {
  const value = Buffer.from(malformed === true ? '{ no JSON' : JSON.stringify({ number, time: timeMs, amount }));
  return { topic: EVENTS, partition, timestampMs: timeMs, key: Buffer.from(key), value };
}

const stageOf = ({ value }: LogRecord): string => (JSON.parse(value?.toString() ?? '') as { stage: string }).stage;
const placeOf = (record: LogRecord): string => {
  const { topic, partition, offset } = JSON.parse(record.value?.toString() ?? '') as Record<string, string | number>;
  return `${topic}/${partition}/${offset}`;
};

/** Nothing is missing, and what comes for the first time comes in order; what comes again may count more. */
class AtLeastOnceCheck implements OutputCheck {
  readonly #wanted: ReadonlyMap<string, readonly number[]>;
  readonly #taken = new Map<string, number>();

  constructor(events: readonly Event[], rows: ReadonlyMap<string, readonly string[]>) {
    const numberOf = (row: string): number => (JSON.parse(row) as Event).number;
    this.#wanted = new Map([...rows].map(([part, texts]) => [part, texts.map(numberOf)]));
    if (events.length === 0) throw new Violation('there are no events');
  }

  take(record: LogRecord): void {
    const part = byPartition(record);
    const { number } = JSON.parse(record.value?.toString() ?? '') as Event;
    const taken = this.#taken.get(part) ?? 0;
    const wanted = this.#wanted.get(part) ?? [];
    const place = wanted.indexOf(number);
    if (place < 0 || place > taken)
      throw new Violation(`${WINDOWS} ${part} at ${record.offset}: event ${number}, before ${wanted[taken]} came`);
    if (place === taken) this.#taken.set(part, taken + 1);
  }

  get complete(): boolean {
    return [...this.#wanted].every(([part, numbers]) => this.#taken.get(part) === numbers.length);
  }

  missing(): string {
    return [...this.#wanted]
      .map(([part, numbers]) => `${WINDOWS} ${part}: ${this.#taken.get(part) ?? 0} of ${numbers.length}`)
      .join('; ');
  }
}
