// A feature view, as the platform runs it; what must come out is told event by event, each window summed up anew.
import { AvroCodec, AvroReader } from '../../schemas/codec.ts';
import { type FeatureViewDefinition, type WindowFunction } from '../../schemas/definitions.ts';
import { featureRowSchema } from '../../schemas/parse-definitions.ts';
import { topicNames } from '../../schemas/topics.ts';
import { type FeatureRow, viewApplication } from '../../processors/features/view-application.ts';
import { headerMaker } from '../../streams/event-headers.ts';
import { type LogRecord } from '../../streams/log.ts';
import { DEFAULT_POLICIES } from '../../streams/failure-policies.ts';
import { partitionOfKey } from '../../streams/murmur2.ts';
import { MemoryRegistry } from '../../streams/testing/memory-registry.ts';
import { type Random } from './random.ts';
import { ExactCheck, type SourceRecord, type Workload, byPartition, changelogOfStore } from './workload.ts';

const SOURCE = 'flights';
const VIEW = 'plane';
const FUNCTIONS: readonly WindowFunction[] = ['count', 'sum', 'max', 'last'];
const SIZES_MS = [300, 1000] as const;

interface Flight {
  readonly tail: string;
  readonly timeMs: number;
  readonly delay: number;
  readonly partition: number;
  offset: number;
}

export interface ViewOptions {
  readonly random: Random;
  readonly startMs: number;
  readonly spanMs: number;
}

export function viewWorkload({ random, startMs, spanMs }: ViewOptions): Workload {
  const [sourcePartitions, viewPartitions] = [random.int(1, 3), random.int(1, 3)];
  const view = viewOf(random.pick([0, 50, 100]) ?? 0, random.chance(0.7) ? 'emit' : 'none');
  const tails = Array.from({ length: random.int(1, 5) }, (_, index) => `N${index}`);
  const flights: Flight[] = Array.from({ length: random.int(5, 60) }, () => ({
    ...{ tail: random.pick(tails) ?? '', delay: random.int(-20, 200), offset: 0 },
    ...{ timeMs: startMs + random.int(0, spanMs), partition: random.int(0, sourcePartitions - 1) },
  })).sort((a, b) => a.timeMs - b.timeMs);
  const ends = new Map<number, number>();
  for (const flight of flights) {
    flight.offset = ends.get(flight.partition) ?? 0;
    ends.set(flight.partition, flight.offset + 1);
  }
  const names = topicNames('');
  const rows = names.features(VIEW);
  const codec = new AvroCodec<FeatureRow>(1, featureRowSchema(view));
  return {
    name: `feature view, step ${view.step_ms} ms, expiry ${view.expiry}`,
    topics: [
      { name: SOURCE, partitions: sourcePartitions, config: {} },
      { name: names.repartition(`features.${VIEW}`), partitions: viewPartitions, config: {} },
      { name: 'changelog.windows', partitions: viewPartitions, config: { 'cleanup.policy': 'compact' } },
      { name: rows, partitions: viewPartitions, config: {} },
    ],
    spec: (process) =>
      viewApplication({
        ...{ view, names, sourcePartitions, viewPartitions, definitionHash: 'hash', rowCodec: codec },
        ...{ reader: new AvroReader(new MemoryRegistry()), headers: headerMaker('FeatureRow', 'simulation') },
        nowMs: () => process.clock.nowMs(),
      }),
    sources: new Map([[SOURCE, sourcePartitions]]),
    inputs: flights.map(recordOf),
    endMs: startMs + spanMs + SIZES_MS[1] + 1000,
    live: false,
    idleTimeoutMs: null,
    guarantee: 'exactly-once',
    cacheBytesMax: 0,
    policies: DEFAULT_POLICIES,
    prepare: async () => undefined,
    changelogOf: changelogOfStore(`features.${VIEW}`),
    checks: new Map([
      [rows, new ExactCheck(rows, expected(flights, view, viewPartitions), byPartition, (row) => textOf(codec, row))],
    ]),
  };
}

function viewOf(stepMs: number, expiry: FeatureViewDefinition['expiry']): FeatureViewDefinition {
  return {
    ...{ kind: 'feature_view', name: VIEW, entity: 'plane', lateness_ms: 0, step_ms: stepMs, expiry, description: '' },
    source: { topic: SOURCE, key_field: 'tail', event_time_field: 'time' },
    features: FUNCTIONS.flatMap((fn) =>
      SIZES_MS.map((window_ms) => ({
        name: `${fn}_${window_ms}`,
        function: fn,
        field: fn === 'count' ? '' : 'delay',
        window_ms,
      })),
    ),
  };
}

function recordOf({ tail, timeMs, delay, partition }: Flight): SourceRecord {
  const value = Buffer.from(JSON.stringify({ tail, time: timeMs, delay }));
  return { topic: SOURCE, partition, timestampMs: timeMs, key: null, value };
}

interface ExpectedRow {
  readonly timeMs: number;
  readonly tail: string;
  readonly untilMs: number | null;
  readonly source: readonly [partition: number, offset: number];
  readonly values: readonly (number | null)[];
}

function textOf(codec: AvroCodec<FeatureRow>, { value, key }: LogRecord): string {
  const row = codec.decode(value ?? Buffer.alloc(0));
  const expected: unknown = {
    ...{ timeMs: row['event_time'], tail: key?.toString(), untilMs: row['valid_until'] },
    source: [row['source_partition'], row['source_offset']],
    values: FUNCTIONS.flatMap((fn) => SIZES_MS.map((size) => row[`${fn}_${size}`])),
  };
  return JSON.stringify(expected);
}

/** By partition: the rows of all its planes, by time, then by plane. */
function expected(
  flights: readonly Flight[],
  view: FeatureViewDefinition,
  partitions: number,
): Map<string, readonly string[]> {
  const texts = new Map<string, readonly string[]>();
  for (let partition = 0; partition < partitions; partition += 1) {
    const tails = [...new Set(flights.map(({ tail }) => tail))].filter(
      (tail) => partitionOfKey(Buffer.from(tail), partitions) === partition,
    );
    const rows = tails.flatMap((tail) => rowsOf(tail, flights, view));
    rows.sort((a, b) => (a.timeMs === b.timeMs ? (a.tail < b.tail ? -1 : 1) : a.timeMs - b.timeMs));
    texts.set(
      `partition ${partition}`,
      rows.map((row) => JSON.stringify(row)),
    );
  }
  return texts;
}

function rowsOf(
  tail: string,
  all: readonly Flight[],
  { step_ms: stepMs, expiry }: FeatureViewDefinition,
): ExpectedRow[] {
  const leavesMs = ({ timeMs }: Flight, size: number): number =>
    stepMs === 0 ? timeMs + size : Math.ceil((timeMs + size) / stepMs) * stepMs;
  // what happens at the same instant comes lane by lane, a lane is a partition of the source
  const flights = all
    .filter((flight) => flight.tail === tail)
    .sort((a, b) => a.timeMs - b.timeMs || a.partition - b.partition || a.offset - b.offset);
  const instants = new Set(flights.map(({ timeMs }) => timeMs));
  if (expiry === 'emit')
    for (const flight of flights) for (const size of SIZES_MS) instants.add(leavesMs(flight, size));
  const rows: ExpectedRow[] = [];
  let last: string | null = null;
  for (const timeMs of [...instants].sort((a, b) => a - b)) {
    const inside = SIZES_MS.map((size) =>
      flights.filter((flight) => flight.timeMs <= timeMs && leavesMs(flight, size) > timeMs),
    );
    const values = FUNCTIONS.flatMap((fn) => inside.map((window) => valueOf(fn, window)));
    const arrived = flights.some((flight) => flight.timeMs === timeMs);
    const changed = JSON.stringify(values) !== last;
    last = JSON.stringify(values);
    if (!arrived && !changed) continue;
    const leaving = inside.flatMap((window, index) => window.map((flight) => leavesMs(flight, SIZES_MS[index] ?? 0)));
    const newest = flights.findLast((flight) => flight.timeMs <= timeMs);
    const untilMs = expiry === 'emit' && leaving.length > 0 ? Math.min(...leaving) : null;
    rows.push({ timeMs, tail, untilMs, source: [newest?.partition ?? -1, newest?.offset ?? -1], values });
  }
  return rows;
}

function valueOf(fn: WindowFunction, window: readonly Flight[]): number | null {
  const delays = window.map(({ delay }) => delay);
  if (fn === 'count') return delays.length;
  if (delays.length === 0) return null;
  if (fn === 'sum') return delays.reduce((one, other) => one + other, 0);
  return fn === 'max' ? Math.max(...delays) : (delays.at(-1) ?? null);
}
