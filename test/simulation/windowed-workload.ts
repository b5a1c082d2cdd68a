// Windows of a stream that are closed by event time, and windows of their results behind another keyBy. What must come out is told by
// going through all possible windows of each account and counting anew.
import { type DeclaredTopology } from '../../streams/builder/declaration.ts';
import { json } from '../../streams/builder/format.ts';
import { topology } from '../../streams/builder/topology.ts';
import { type WindowKind } from '../../streams/builder/windowed.ts';
import { type LogRecord } from '../../streams/log.ts';
import { type Expected, InstantsCheck, byKey, declaredParts, drawTimes, noLetters } from './declared-parts.ts';
import { DEAD_LETTERS } from './instance.ts';
import { type Random } from './random.ts';
import { type OutputCheck, type SourceRecord, type Workload } from './workload.ts';

const [CLICKS, VISITS, TOTALS] = ['clicks', 'visits', 'totals'] as const;
/** Results are counted again by the time at which they were made. */
const TOTAL_MS = 200;

interface Click {
  readonly account: string;
  readonly amount: number;
}

interface TimedClick extends Click {
  readonly timeMs: number;
  readonly partition: number;
}

type Windows =
  | { readonly kind: 'session'; readonly gapMs: number }
  | { readonly kind: 'aligned'; readonly sizeMs: number; readonly advanceMs: number }
  | { readonly kind: 'sliding'; readonly sizeMs: number; readonly stepMs: number; readonly isExpiryTold: boolean };

interface Rules {
  readonly windows: Windows;
  readonly latenessMs: number;
  readonly regions: number;
}

export interface WindowedOptions {
  readonly random: Random;
  readonly startMs: number;
  readonly spanMs: number;
  /** more windows close at one instant than a task takes as one */
  readonly isCrowded?: boolean;
}

export function windowedWorkload({ random, startMs, spanMs, isCrowded = false }: WindowedOptions): Workload {
  const [clickPartitions, visitPartitions, totalPartitions] = [random.int(1, 3), random.int(1, 3), random.int(1, 2)];
  const disorderMs = random.pick([0, 0, 80]) ?? 0;
  const latenessMs = disorderMs + (random.pick([0, 50, 300]) ?? 0);
  const rules: Rules = { windows: drawWindows(random), latenessMs, regions: random.int(1, 3) };
  const accounts = Array.from(
    { length: isCrowded ? random.int(1100, 2500) : random.int(1, random.pick([5, 30])) },
    (_, index) => `account-${index}`,
  );
  const times = drawTimes(random, startMs, isCrowded ? random.int(0, 100) : spanMs, disorderMs);
  const clicks: TimedClick[] = times(isCrowded ? accounts.length : random.int(5, 100)).map(({ timeMs }, index) => ({
    ...{ timeMs, account: (isCrowded ? accounts[index] : random.pick(accounts)) ?? '', amount: random.int(1, 9) },
    partition: random.int(0, clickPartitions - 1),
  }));
  const results = [...Map.groupBy(clicks, ({ account }) => account)].flatMap(([account, own]) =>
    closedWindows(account, own, rules),
  );
  return {
    ...declaredParts(
      () => windowed(rules),
      new Map([
        [CLICKS, clickPartitions],
        [VISITS, visitPartitions],
        [TOTALS, totalPartitions],
      ]),
    ),
    name: `windows of a stream, ${JSON.stringify(rules)}, disorder ${disorderMs} ms`,
    sources: new Map([[CLICKS, clickPartitions]]),
    inputs: clicks.map(recordOf),
    endMs: startMs + spanMs + 5000,
    isBusy: random.chance(0.6),
    cacheBytesMax: random.pick([0, 2000, 1_000_000]) ?? 0,
    checks: new Map<string, OutputCheck>([
      [VISITS, new InstantsCheck(VISITS, results.map(visitOf), byKey, textOf)],
      [TOTALS, new InstantsCheck(TOTALS, totalsOf(results, rules), byKey, textOf)],
      [DEAD_LETTERS, noLetters()],
    ]),
  };
}

function drawWindows(random: Random): Windows {
  const sizeMs = random.pick([100, 300, 1000]) ?? 100;
  const kind = random.pick<Windows['kind']>(['session', 'aligned', 'sliding']);
  if (kind === 'session') return { kind, gapMs: random.pick([1, 50, 150]) ?? 1 };
  // the last one leaves gaps between windows of 100 ms
  if (kind === 'aligned') return { kind, sizeMs, advanceMs: random.pick([sizeMs, 50, 150]) ?? sizeMs };
  return { kind, sizeMs, stepMs: random.pick([0, 20, sizeMs]) ?? 0, isExpiryTold: random.chance(0.7) };
}

function declarationOf(windows: Windows): WindowKind {
  const ms = (value: number): string => `${value}ms`;
  if (windows.kind === 'session') return { kind: 'session', gap: ms(windows.gapMs) };
  if (windows.kind === 'sliding')
    return {
      ...{ kind: 'sliding', size: ms(windows.sizeMs), step: ms(windows.stepMs) },
      expiry: windows.isExpiryTold ? 'emit' : 'none',
    };
  const { sizeMs, advanceMs } = windows;
  return sizeMs === advanceMs
    ? { kind: 'tumbling', size: ms(sizeMs) }
    : { kind: 'hopping', size: ms(sizeMs), advance: ms(advanceMs) };
}

interface Visit {
  readonly startMs: number;
  readonly endMs: number;
  readonly count: number;
  readonly sum: number | null;
  readonly max: number | null;
  readonly distinct: number;
  readonly sinceMs: number | null;
}

function windowed({ windows, latenessMs, regions }: Rules): DeclaredTopology {
  return topology('windowed', ({ stream }) => {
    const visits = stream(CLICKS, json<Click>())
      .keyBy(({ account }) => account)
      .windowed('visit', {
        windows: declarationOf(windows),
        lateness: `${latenessMs}ms`,
        features: {
          count: { function: 'count' },
          sum: { function: 'sum', field: 'amount' },
          max: { function: 'max', field: 'amount' },
          distinct: { function: 'distinct', field: 'amount' },
          sinceMs: { function: 'time_since_last' },
        },
      })
      .map(({ startMs, endMs, values }, key) => ({
        visit: { startMs, endMs, ...values },
        ...{ amount: values.count, region: regionOf(key, regions) },
      }));
    visits.map(({ visit }): Visit => visit).to(VISITS, json());
    visits
      .map(({ amount, region }) => ({ amount, region }), json<{ readonly amount: number; readonly region: string }>())
      .keyBy(({ region }) => region)
      .windowed('total', {
        windows: { kind: 'tumbling', size: `${TOTAL_MS}ms` },
        // results come in the order of their event time, whatever the clicks did
        lateness: '0ms',
        features: { count: { function: 'count' }, sum: { function: 'sum', field: 'amount' } },
      })
      .map(({ startMs, endMs, values: { count, sum } }) => ({ startMs, endMs, count, sum }))
      .to(TOTALS, json());
  });
}

function regionOf(account: string, regions: number): string {
  return `region-${Number(account.slice('account-'.length)) % regions}`;
}

function recordOf({ account, amount, timeMs, partition }: TimedClick): SourceRecord {
  return {
    ...{ topic: CLICKS, partition, timestampMs: timeMs, key: null },
    value: Buffer.from(JSON.stringify({ account, amount })),
  };
}

function textOf({ timestampMs, value }: LogRecord): string {
  return `${timestampMs} ${value?.toString() ?? ''}`;
}

interface Result {
  readonly account: string;
  /** when it is final */
  readonly atMs: number;
  readonly visit: Visit;
}

function visitOf({ account, atMs, visit }: Result): Expected {
  return { part: account, atMs, text: `${atMs} ${JSON.stringify(visit)}` };
}

/** Of one account, whatever the order of its clicks. */
function closedWindows(account: string, clicks: readonly TimedClick[], { windows, latenessMs }: Rules): Result[] {
  const result = (atMs: number, startMs: number, endMs: number, inside: readonly TimedClick[]): Result => {
    const amounts = inside.map(({ amount }) => amount);
    const visit = {
      ...{ startMs, endMs, count: inside.length },
      sum: inside.length === 0 ? null : amounts.reduce((one, other) => one + other, 0),
      max: inside.length === 0 ? null : Math.max(...amounts),
      distinct: new Set(amounts).size,
      sinceMs: inside.length === 0 ? null : endMs - Math.max(...inside.map(({ timeMs }) => timeMs)),
    };
    return { account, atMs, visit };
  };
  if (windows.kind === 'session')
    return sessionsOf(clicks, windows.gapMs).map((inside) => {
      const [startMs, endMs] = [inside[0]?.timeMs ?? 0, inside.at(-1)?.timeMs ?? 0];
      return result(endMs + windows.gapMs + latenessMs + 1, startMs, endMs, inside);
    });
  if (windows.kind === 'aligned') {
    const { sizeMs, advanceMs } = windows;
    return alignedStarts(clicks, sizeMs, advanceMs).map((startMs) => {
      const endMs = startMs + sizeMs;
      const inside = clicks.filter(({ timeMs }) => timeMs >= startMs && timeMs < endMs);
      return result(endMs + latenessMs, startMs, endMs, inside);
    });
  }
  const { sizeMs, stepMs, isExpiryTold } = windows;
  const leavesMs = ({ timeMs }: TimedClick): number =>
    stepMs === 0 ? timeMs + sizeMs : Math.ceil((timeMs + sizeMs) / stepMs) * stepMs;
  const instants = new Set([...clicks.map(({ timeMs }) => timeMs), ...(isExpiryTold ? clicks.map(leavesMs) : [])]);
  return [...instants].map((endMs) => {
    const inside = clicks.filter((click) => click.timeMs <= endMs && leavesMs(click) > endMs);
    return result(endMs + latenessMs + 1, endMs - sizeMs, endMs, inside);
  });
}

function sessionsOf(clicks: readonly TimedClick[], gapMs: number): TimedClick[][] {
  const sessions: TimedClick[][] = [];
  for (const click of clicks.toSorted((a, b) => a.timeMs - b.timeMs)) {
    const open = sessions.at(-1);
    if (open !== undefined && click.timeMs - (open.at(-1)?.timeMs ?? 0) <= gapMs) open.push(click);
    else sessions.push([click]);
  }
  return sessions;
}

/** Of the windows that hold a click. */
function alignedStarts(clicks: readonly TimedClick[], sizeMs: number, advanceMs: number): number[] {
  const starts = new Set<number>();
  for (const { timeMs } of clicks)
    for (let hop = Math.floor(timeMs / advanceMs); hop * advanceMs > timeMs - sizeMs; hop -= 1)
      starts.add(hop * advanceMs);
  return [...starts];
}

function totalsOf(results: readonly Result[], { regions }: Rules): Expected[] {
  const windowOf = ({ account, atMs }: Result): string =>
    `${regionOf(account, regions)} ${Math.floor(atMs / TOTAL_MS) * TOTAL_MS}`;
  return [...Map.groupBy(results, windowOf)].map(([window, own]) => {
    const [region = '', start] = window.split(' ');
    const [startMs, endMs] = [Number(start), Number(start) + TOTAL_MS];
    const sum = own.reduce((before, { visit }) => before + visit.count, 0);
    return {
      part: region,
      atMs: endMs,
      text: `${endMs} ${JSON.stringify({ startMs, endMs, count: own.length, sum })}`,
    };
  });
}
