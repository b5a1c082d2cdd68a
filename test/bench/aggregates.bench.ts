// Nanoseconds of the aggregates' inner loops: a value added, panes folded, a result read.
import { parseAggregate } from '../../schemas/aggregate-declaration.ts';
import { type AnySketch, type NumericAggregate } from '../../streams/aggregates/aggregate.ts';
import { aggregateOf } from '../../streams/aggregates/catalogue.ts';
import { type Run, finish, readOptions, rounded, say, tell } from './outcome.ts';

const options = readOptions();
const RUNS = options.quick ? 1 : 3;
/** Of each loop; shorter ones show how the compiler warms up. */
const LOOP_MS = options.quick ? 20 : 100;
/** An hour of minutes. */
const PANES = 60;
const VALUES = 1024;
const START_MS = 1_363_000_000_000;

const numeric: readonly unknown[] = [
  { function: 'count' },
  { function: 'sum' },
  { function: 'stddev' },
  { function: 'max' },
  { function: 'last' },
  { function: 'share', at_least: 15 },
  { function: 'ratio', denominator: 'other' },
  { function: 'decayed_mean', half_life: '1h' },
  { function: 'time_since_last' },
];
const sketches: readonly unknown[] = [
  { function: 'last_k', k: 5 },
  { function: 'distinct' },
  { function: 'distinct_approx' },
  { function: 'quantile', q: 0.99 },
  { function: 'top_k', k: 10 },
  { function: 'histogram', bounds: [0, 15, 60, 240] },
];

/** Delays in minutes, skewed; the same in each run. */
const values = Float64Array.from({ length: VALUES }, (_, at) => Math.round(600 * ((at * 0.6180339887) % 1) ** 4) - 10);

/** Time of this thread on a core: cores here are shared, and the clock on the wall tells of others' work too. */
function threadMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}

/** ns per unit; `work` does so many units a call. */
function nsPer(units: number, work: () => void): number {
  // warm, as it is in a role that runs for days
  for (const untilMs = threadMs() + LOOP_MS / 4; threadMs() < untilMs;) work();
  const startMs = threadMs();
  let calls = 0;
  let spentMs = 0;
  while (spentMs < LOOP_MS) {
    for (let times = 0; times < 64; times += 1) work();
    calls += 64;
    spentMs = threadMs() - startMs;
  }
  return rounded((spentMs * 1e6) / (calls * units));
}

/** A ring's row: in each pane its number, then the slots of all aggregates, some values in each. */
function rowOf(aggregates: readonly NumericAggregate[]): { data: Float64Array; stride: number; slots: number[] } {
  const slots: number[] = [];
  let stride = 1;
  for (const { slots: wide } of aggregates) {
    slots.push(stride);
    stride += wide;
  }
  const data = new Float64Array((PANES + 1) * stride);
  for (let pane = 0; pane <= PANES; pane += 1)
    aggregates.forEach((aggregate, index) => {
      const at = pane * stride + (slots[index] ?? 0);
      aggregate.init(data, at);
      for (let times = 0; pane < PANES && times < 20; times += 1)
        aggregate.add(data, at, values[pane * 16 + times] ?? 0, START_MS + pane * 60_000 + times, 1);
    });
  return { data, stride, slots };
}

/** Folds all panes of each aggregate, and reads the results. */
function folder(aggregates: readonly NumericAggregate[]): () => void {
  const { data, stride, slots } = rowOf(aggregates);
  const into = new Float64Array(stride);
  return () => {
    for (let index = 0; index < aggregates.length; index += 1) {
      const aggregate = aggregates[index];
      if (aggregate === undefined) continue;
      const slot = slots[index] ?? 0;
      aggregate.init(into, slot);
      aggregate.fold(into, slot, data, slot, stride, PANES);
      kept += aggregate.result(into, slot, START_MS) ?? 0;
    }
  };
}

// what is computed is used, so that nothing is left away
let kept = 0;

function numericRun(aggregate: NumericAggregate): Run {
  const { data, slots } = rowOf([aggregate]);
  const at = slots[0] ?? 0;
  return {
    add_ns: nsPer(VALUES, () => {
      for (let index = 0; index < VALUES; index += 1)
        aggregate.add(data, at, values[index] as number, START_MS + index * 1000, 1);
      kept += data[at] ?? 0;
    }),
    fold_ns_per_pane: nsPer(PANES, folder([aggregate])),
  };
}

function sketchRun(sketch: AnySketch): Run {
  const full = sketch.create();
  let added = 0;
  const add = (): void => {
    for (let index = 0; index < VALUES; index += 1)
      sketch.add(full, (values[index] as number) + (added % 7), START_MS + (added += 1) * 1000);
  };
  const addNs = nsPer(VALUES, add);
  const pane = sketch.create();
  for (const value of values.subarray(0, 100)) sketch.add(pane, value, START_MS);
  const bytes = sketch.encode(pane);
  return {
    add_ns: addNs,
    merge_60_panes_us: rounded(
      nsPer(1, () => {
        const into = sketch.create();
        for (let times = 0; times < PANES; times += 1) sketch.merge(into, pane);
      }) / 1000,
    ),
    result_us: rounded(nsPer(1, () => (kept += sketch.result(full, START_MS) === null ? 0 : 1)) / 1000),
    encode_us: rounded(nsPer(1, () => (kept += sketch.encode(pane).length)) / 1000),
    decode_us: rounded(nsPer(1, () => (kept += sketch.decode(bytes) === null ? 0 : 1)) / 1000),
    bytes_of_100_values: bytes.length,
  };
}

const ring = [{ function: 'count' }, { function: 'sum' }, { function: 'max' }].flatMap((declaration) => {
  const aggregate = aggregateOf(parseAggregate(declaration));
  return aggregate.kind === 'numeric' ? [aggregate] : [];
});
const variants: Record<string, Run[]> = {};
for (let count = 0; count < RUNS; count += 1) {
  for (const declaration of [...numeric, ...sketches]) {
    const aggregate = aggregateOf(parseAggregate(declaration));
    const run = aggregate.kind === 'numeric' ? numericRun(aggregate) : sketchRun(aggregate);
    (variants[aggregate.name] ??= []).push(run);
    say(`${aggregate.name}: ${tell(run)}`);
  }
  // after the others, so that each call has many targets, as in a role with many features
  const run = { fold_60_panes_ns: nsPer(1, folder(ring)) };
  (variants['count + sum + max'] ??= []).push(run);
  say(`count + sum + max: ${tell(run)}`);
}
if (!Number.isFinite(kept)) throw new Error('a result was not finite');
finish(options, {
  measures:
    'Inner loops alone, in one process, warm, in CPU time of the thread: a value added to a numeric partial result; partial results of 60 panes folded, with init and result (count + sum + max: of all three, from one row); sketches added to, 60 panes of 100 values merged, read, and stored. Not measured: finding the row and the pane, decoding events, anything cold.',
  settings: { panes: PANES, values: VALUES, loop_ms: LOOP_MS, runs: RUNS },
  variants,
});
