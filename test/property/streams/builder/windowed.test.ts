// Windows of a stream against their definition: all accepted events of a key, cut or counted by hand, every aggregate of the catalogue
// computed from the list of a window's events. The task is stopped after random events, its state restored from the changelog.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Features } from '../../../../streams/builder/features.ts';
import { json } from '../../../../streams/builder/format.ts';
import { type DeclaredTopology } from '../../../../streams/builder/declaration.ts';
import { topology } from '../../../../streams/builder/topology.ts';
import { type WindowKind, type WindowResult } from '../../../../streams/builder/windowed.ts';
import { RunningStage } from '../../../unit/streams/builder/running-stage.ts';
import { ORACLES, type Oracle, type SourceEvent } from '../../aggregates/oracles.ts';

interface Event {
  readonly timeMs: number;
  readonly number: number | null;
  readonly mixed: number | string | null;
  readonly other: number | null;
}

interface Arrived {
  readonly key: string;
  readonly value: Event;
  readonly restart: boolean;
}

interface Span {
  readonly startMs: number;
  readonly endMs: number;
  holds(timeMs: number): boolean;
}

const fieldOf = ({ values }: Oracle): 'number' | 'mixed' => (values === 'number or text' ? 'mixed' : 'number');
/** About events, not about a field: these may name none. */
const OF_EVENTS: readonly string[] = ['count', 'time_since_last'];
const FEATURES = Object.fromEntries(
  Object.entries(ORACLES).map(([name, oracle]) => [
    name,
    { ...oracle.declaration, ...(OF_EVENTS.includes(name) ? {} : { field: fieldOf(oracle) }) },
  ]),
);

function declared(windows: WindowKind, latenessMs: number): DeclaredTopology {
  return topology('t', (builder) =>
    builder
      .stream('in', json<Event>(), { timeOf: ({ timeMs }) => timeMs })
      .windowed('w', { windows, lateness: `${latenessMs}ms`, features: FEATURES as Features<Event> })
      .to('out', json()),
  );
}

const history = fc.array(
  fc.record({
    key: fc.constantFrom('a', 'b', 'ü'),
    value: fc.record({
      timeMs: fc.integer({ min: 0, max: 220 }),
      number: fc.option(fc.integer({ min: -5, max: 5 })),
      mixed: fc.option(fc.oneof(fc.integer({ min: -3, max: 3 }), fc.constantFrom('', 'a', '€', '1'))),
      other: fc.option(fc.integer({ min: -5, max: 5 })),
    }),
    restart: fc.boolean(),
  }),
  { maxLength: 40, size: 'max' },
);
/** Mostly in order, with some far behind. */
const arrivals = fc
  .tuple(history, fc.boolean())
  .map(([events, isRising]) =>
    isRising ? events.map((event, at) => ({ ...event, value: rising(event.value, at) })) : events,
  );

function rising(event: Event, at: number): Event {
  return { ...event, timeMs: 8 * at + Math.round(event.timeMs / 8) };
}

const durationMs = (min: number, max: number): fc.Arbitrary<number> => fc.integer({ min, max });
const END_MS = 10_000;

async function run(events: readonly Arrived[], topologyOf: DeclaredTopology, restarts: boolean): Promise<RunningStage> {
  const stage = await RunningStage.of(topologyOf);
  for (const event of events) {
    stage.send([event]);
    if (!event.restart || !restarts) continue;
    await stage.commit();
    await stage.restart();
  }
  stage.idleTo(END_MS);
  await stage.commit();
  await stage.close();
  return stage;
}

/** @param spansOf the windows of these accepted times, by definition */
async function check(
  events: readonly Arrived[],
  windows: WindowKind,
  latenessMs: number,
  spansOf: (timesMs: readonly number[]) => readonly Span[],
): Promise<void> {
  const accepted: Arrived[] = [];
  const refused: Arrived[] = [];
  let watermarkMs = -Infinity;
  for (const event of events) {
    watermarkMs = Math.max(watermarkMs, event.value.timeMs);
    (event.value.timeMs < watermarkMs - latenessMs ? refused : accepted).push(event);
  }
  const stage = await run(events, declared(windows, latenessMs), true);
  assert.deepEqual(
    stage.letters.map(({ record, failure }) => [String(record.key), String(record.value), failure.code]),
    refused.map(({ key, value }) => [key, JSON.stringify(value), 'too_late']),
  );
  const found = stage.outputs.map(({ value }) => JSON.parse(String(value)) as WindowResult);
  const expected = ['a', 'b', 'ü'].flatMap((key) => {
    const own = accepted.filter((event) => event.key === key).map(({ value }) => value);
    return spansOf(own.map(({ timeMs }) => timeMs)).map((span) => ({ key, span, own }));
  });
  assert.deepEqual(
    found.map(placeOf).sort(),
    expected.map(({ key, span: { startMs, endMs } }) => placeOf({ key, startMs, endMs })).sort(),
  );
  for (const { key, span, own } of expected) {
    const result = found.find((one) => placeOf(one) === placeOf({ ...span, key }));
    const inside = own.filter(({ timeMs }) => span.holds(timeMs));
    for (const [name, oracle] of Object.entries(ORACLES))
      assertAnswer(name, oracle, inside, span.endMs, result?.values[name]);
  }
  assert.equal(stage.keys, 0, 'what is closed takes no room');
  const unbroken = await run(events, declared(windows, latenessMs), false);
  assert.deepEqual(stage.outputs, unbroken.outputs, 'a restart makes no difference, to the byte');
}

const placeOf = ({ key, startMs, endMs }: Pick<WindowResult, 'key' | 'startMs' | 'endMs'>): string =>
  `${key} ${startMs} ${endMs}`;

function assertAnswer(name: string, oracle: Oracle, inside: readonly Event[], nowMs: number, found: unknown): void {
  const events = inside.map((event): SourceEvent => ({
    timeMs: event.timeMs,
    value: event[fieldOf(oracle)],
    second: event.other,
  }));
  const asked = { events, gone: [], nowMs };
  const answer = oracle.answer(asked);
  const tolerance = oracle.tolerance?.(asked) ?? 0;
  if (typeof answer === 'number' && typeof found === 'number' && tolerance > 0)
    assert.ok(Math.abs(found - answer) <= tolerance, `${name}: ${found} is not ${answer} ± ${tolerance}`);
  // through JSON −0 is 0
  else assert.deepEqual(found, JSON.parse(JSON.stringify(answer)), name);
}

function sessions(timesMs: readonly number[], gapMs: number): Span[] {
  const cuts: { startMs: number; endMs: number }[] = [];
  for (const timeMs of timesMs.toSorted((a, b) => a - b)) {
    const newest = cuts.at(-1);
    if (newest !== undefined && timeMs - newest.endMs <= gapMs) newest.endMs = timeMs;
    else cuts.push({ startMs: timeMs, endMs: timeMs });
  }
  return cuts.map((cut) => ({ ...cut, holds: (timeMs) => timeMs >= cut.startMs && timeMs <= cut.endMs }));
}

function hopping(timesMs: readonly number[], sizeMs: number, advanceMs: number): Span[] {
  const spans: Span[] = [];
  // far more than any drawn event can lie in
  for (let hop = -500; hop <= 1000; hop += 1) {
    const startMs = hop * advanceMs;
    const endMs = startMs + sizeMs;
    const holds = (timeMs: number): boolean => timeMs >= startMs && timeMs < endMs;
    if (timesMs.some(holds)) spans.push({ startMs, endMs, holds });
  }
  return spans;
}

function sliding(timesMs: readonly number[], sizeMs: number, stepMs: number, expiry: 'emit' | 'none'): Span[] {
  const leavesMs = (timeMs: number): number => {
    for (let instantMs = timeMs + sizeMs; ; instantMs += 1)
      if (stepMs === 0 || instantMs % stepMs === 0) return instantMs;
  };
  const instants = new Set([...timesMs, ...(expiry === 'emit' ? timesMs.map(leavesMs) : [])]);
  return [...instants].map((endMs) => ({
    startMs: endMs - sizeMs,
    endMs,
    holds: (timeMs) => timeMs <= endMs && endMs < leavesMs(timeMs),
  }));
}

test('sessions of a stream are those of all accepted events, with any aggregate, across restarts', async () => {
  await fc.assert(
    fc.asyncProperty(arrivals, durationMs(1, 20), durationMs(0, 60), (events, gapMs, latenessMs) =>
      check(events, { kind: 'session', gap: `${gapMs}ms` }, latenessMs, (timesMs) => sessions(timesMs, gapMs)),
    ),
    { numRuns: 250 },
  );
});

test('tumbling windows of a stream hold the accepted events of their time, with any aggregate, across restarts', async () => {
  await fc.assert(
    fc.asyncProperty(arrivals, durationMs(1, 40), durationMs(0, 60), (events, sizeMs, latenessMs) =>
      check(events, { kind: 'tumbling', size: `${sizeMs}ms` }, latenessMs, (timesMs) =>
        hopping(timesMs, sizeMs, sizeMs),
      ),
    ),
    { numRuns: 150 },
  );
});

test('so do hopping windows: overlapping, uneven, or with pauses between', async () => {
  await fc.assert(
    fc.asyncProperty(
      arrivals,
      durationMs(1, 40),
      durationMs(1, 40),
      durationMs(0, 60),
      (events, sizeMs, advanceMs, latenessMs) =>
        check(events, { kind: 'hopping', size: `${sizeMs}ms`, advance: `${advanceMs}ms` }, latenessMs, (timesMs) =>
          hopping(timesMs, sizeMs, advanceMs),
        ),
    ),
    { numRuns: 150 },
  );
});

test('sliding windows are told at each instant at which they change, exactly or in steps, with or without expiry', async () => {
  await fc.assert(
    fc.asyncProperty(
      arrivals,
      durationMs(1, 40),
      durationMs(0, 15),
      fc.constantFrom('emit' as const, 'none' as const),
      durationMs(0, 60),
      (events, sizeMs, stepMs, expiry, latenessMs) =>
        check(events, { kind: 'sliding', size: `${sizeMs}ms`, step: `${stepMs}ms`, expiry }, latenessMs, (timesMs) =>
          sliding(timesMs, sizeMs, stepMs, expiry),
        ),
    ),
    { numRuns: 250 },
  );
});
