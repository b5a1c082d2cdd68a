// A state whose rows may outgrow a record: the input that makes one too large is set aside, all others count once, in their order.
// What must come out is told by adding up the sizes.
import { type DeclaredTopology } from '../../streams/builder/declaration.ts';
import { type Format, json } from '../../streams/builder/format.ts';
import { topology } from '../../streams/builder/topology.ts';
import { DEFAULT_POLICIES } from '../../streams/failure-policies.ts';
import { type LogRecord } from '../../streams/log.ts';
import { partitionOfKey } from '../../streams/murmur2.ts';
import { type Expected, InstantsCheck, byKey, declaredParts } from './declared-parts.ts';
import { DEAD_LETTERS } from './instance.ts';
import { type Random } from './random.ts';
import { ExactCheck, type OutputCheck, type SourceRecord, type Workload } from './workload.ts';

const [NOTES, SIZES] = ['notes', 'sizes'] as const;
/** As text in the row. Four of them, with whatever is kept beside, are more than a record may have; three are far less. */
const BLOCK = 'x'.repeat(250_000);
const BLOCKS_MAX = 3;

interface Note {
  readonly id: number;
  readonly key: string;
  readonly blocks: number;
}

interface TimedNote extends Note {
  readonly timeMs: number;
  readonly partition: number;
  readonly isMalformed: boolean;
}

/** Grows only: what is too large stays so until it is written. */
interface Kept {
  readonly count: number;
  readonly blocks: number;
}

export interface OversizedOptions {
  readonly random: Random;
  readonly startMs: number;
  readonly spanMs: number;
}

export function oversizedWorkload({ random, startMs, spanMs }: OversizedOptions): Workload {
  const partitions = random.int(1, 3);
  // through an internal topic
  const isMoved = random.chance(0.5);
  const malformed = random.pick([0, 0.1]);
  const keys = Array.from({ length: random.int(1, 8) }, (_, index) => `key-${index}`);
  const notes: TimedNote[] = Array.from({ length: random.int(5, 60) }, () => startMs + random.int(0, spanMs))
    .sort((a, b) => a - b)
    .map((timeMs, id) => {
      const key = random.pick(keys) ?? '';
      const blocks = random.chance(0.15) ? random.int(1, BLOCKS_MAX + 1) : 0;
      const partition = isMoved ? random.int(0, partitions - 1) : partitionOfKey(Buffer.from(key), partitions);
      return { timeMs, id, key, blocks, partition, isMalformed: random.chance(malformed) };
    });
  const { rows, letters } = expected(notes, isMoved);
  const isFlaky = random.chance(0.5);
  const parts = declaredParts(
    () => growing(isMoved, isFlaky ? flaky() : () => undefined),
    new Map([
      [NOTES, partitions],
      [SIZES, partitions],
    ]),
  );
  return {
    ...parts,
    // rows of such a size are dear to compare
    changelogOf: random.chance(0.3) ? parts.changelogOf : () => null,
    policies: { ...DEFAULT_POLICIES, retries: 2, retryBackoffMs: 30 },
    name: `rows that grow too large${isMoved ? ', moved by key' : ''}`,
    sources: new Map([[NOTES, partitions]]),
    inputs: notes.map(recordOf),
    endMs: startMs + spanMs + 1,
    isBusy: random.chance(0.6),
    cacheBytesMax: random.pick([0, 1_500_000, 10_000_000]) ?? 0,
    checks: new Map<string, OutputCheck>([
      [SIZES, new ExactCheck(SIZES, rows, byKey, ({ value }) => value?.toString() ?? '')],
      [DEAD_LETTERS, new InstantsCheck(DEAD_LETTERS, letters, () => 'letters', letterText)],
    ]),
  };
}

/** Throws once for every fourth note, as long as the process lives. */
function flaky(): (id: number) => void {
  const seen = new Set<number>();
  return (id) => {
    if (id % 4 !== 0 || seen.has(id)) return;
    seen.add(id);
    throw new Error(`note ${id} fails once`);
  };
}

const kept: Format<Kept> = {
  encode: ({ count, blocks }) => Buffer.from(`${count} ${blocks} ${BLOCK.repeat(blocks)}`),
  decode: (bytes) => {
    const [count, blocks] = bytes.toString('latin1', 0, 30).split(' ').map(Number);
    return { count: count ?? 0, blocks: blocks ?? 0 };
  },
};

function growing(isMoved: boolean, attempt: (id: number) => void): DeclaredTopology {
  return topology('growing', ({ stream }) => {
    const notes = stream(NOTES, json<Note>());
    (isMoved ? notes.keyBy(({ key }) => key) : notes)
      .process<Kept, object>('grows', {
        state: kept,
        each: ({ id, blocks }, { state = { count: 0, blocks: 0 }, setState, emit }) => {
          const grown = { count: state.count + 1, blocks: state.blocks + blocks };
          setState(grown);
          emit({ id, ...grown });
          attempt(id);
        },
      })
      .to(SIZES, json());
  });
}

function recordOf({ id, key, blocks, timeMs, partition, isMalformed }: TimedNote): SourceRecord {
  return {
    ...{ topic: NOTES, partition, timestampMs: timeMs, key: Buffer.from(key) },
    value: Buffer.from(isMalformed ? '{ no JSON' : JSON.stringify({ id, key, blocks })),
  };
}

function letterText({ value }: LogRecord): string {
  const { topic, partition, offset, stage } = JSON.parse(value?.toString() ?? '') as Record<string, string | number>;
  // where it lies in an internal topic is up to the engine
  return topic === NOTES ? `${stage} ${topic}/${partition}/${offset}` : `${stage} internal`;
}

interface Wanted {
  /** by key */
  readonly rows: Map<string, string[]>;
  readonly letters: Expected[];
}

/** Of one key in the order of time, partition and offset. */
function expected(notes: readonly TimedNote[], isMoved: boolean): Wanted {
  const rows = new Map<string, string[]>();
  const letters: Expected[] = [];
  const letter = (text: string): number => letters.push({ part: 'letters', atMs: 0, text });
  const keptOf = new Map<string, Kept>();
  const offsets = new Map<number, number>();
  const placed = notes.map((note) => {
    const offset = offsets.get(note.partition) ?? 0;
    offsets.set(note.partition, offset + 1);
    return { ...note, place: `${NOTES}/${note.partition}/${offset}` };
  });
  // sorting keeps the order within a partition
  for (const { id, key, blocks, isMalformed, place } of placed.sort(
    (a, b) => a.timeMs - b.timeMs || a.partition - b.partition,
  )) {
    const before = keptOf.get(key) ?? { count: 0, blocks: 0 };
    const grown = { count: before.count + 1, blocks: before.blocks + blocks };
    if (isMalformed) letter(`decode ${place}`);
    else if (grown.blocks > BLOCKS_MAX) letter(isMoved ? 'produce internal' : `produce ${place}`);
    else {
      keptOf.set(key, grown);
      rows.set(key, [...(rows.get(key) ?? []), JSON.stringify({ id, ...grown })]);
    }
  }
  return { rows, letters };
}
