// Declared joins against their definitions, computed from all records: in the test driver, on two partitions, with restarts between.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type DeclaredTopology } from '../../../../streams/builder/declaration.ts';
import { json, text } from '../../../../streams/builder/format.ts';
import { topology } from '../../../../streams/builder/topology.ts';
import { TestDriver, type TestRecord } from '../../../../streams/testing/test-driver.ts';

const TOPICS = ['a', 'b', 't', 'u'] as const;
type Topic = (typeof TOPICS)[number];
const TABLES: readonly Topic[] = ['t', 'u'];

interface Row {
  readonly id: string;
  readonly ref: string | null;
}

interface Event {
  readonly topic: Topic;
  readonly key: string;
  readonly timeMs: number;
  /** names it; null: a deletion */
  readonly value: Row | null;
}

interface Chunk {
  readonly events: readonly Event[];
  readonly restart: boolean;
}

const KEYS = ['k', 'l', 'ü', ''];
const CHUNK_MS = 40;

/** Chunk by chunk in time, so that none is late; equal times within a chunk are likely. */
const history: fc.Arbitrary<readonly Chunk[]> = fc
  .array(
    fc.record({
      events: fc.array(
        fc.record({
          topic: fc.constantFrom(...TOPICS),
          key: fc.constantFrom(...KEYS),
          afterMs: fc.nat(CHUNK_MS - 1),
          deletes: fc.integer({ min: 0, max: 3 }).map((drawn) => drawn === 0),
          ref: fc.constantFrom(null, ...KEYS),
        }),
        { maxLength: 14, size: 'max' },
      ),
      restart: fc.boolean(),
    }),
    { minLength: 1, maxLength: 4 },
  )
  .map((chunks) =>
    chunks.map(({ events, restart }, chunk) => ({
      restart,
      events: events
        .map(({ topic, key, afterMs, deletes, ref }, index): Event => {
          const value = deletes && TABLES.includes(topic) ? null : { id: `${topic}${chunk}.${index}`, ref };
          return { topic, key, timeMs: 1000 + chunk * CHUNK_MS + afterMs, value };
        })
        .sort((one, other) => one.timeMs - other.timeMs),
    })),
  );

const recordOf = ({ key, value, timeMs }: Event): TestRecord => ({
  key,
  value: value === null ? null : JSON.stringify(value),
  timestampMs: timeMs,
});

async function play(
  spec: DeclaredTopology,
  chunks: readonly Chunk[],
  partitions: Readonly<Record<string, number>>,
): Promise<TestDriver> {
  const driver = await TestDriver.start({ spec, partitions, defaultPartitions: 2 });
  for (const [index, { events, restart }] of chunks.entries()) {
    for (const topic of TOPICS) {
      const own = events.filter((event) => event.topic === topic);
      if (own.length > 0) await driver.pipe(topic, own.map(recordOf));
    }
    await driver.advanceTo(1000 + (index + 1) * CHUNK_MS - 1);
    if (restart) await driver.restart();
  }
  await driver.advanceTo(10_000);
  assert.deepEqual(driver.deadLetters(), []);
  return driver;
}

const lines = (driver: TestDriver, topic: string): string[] =>
  driver.outputs(topic).map(({ key, value, timestampMs }) => `${key?.toString()} ${timestampMs} ${value?.toString()}`);

/** The last value of each key. */
function rowsOf(driver: TestDriver, topic: string): ReadonlyMap<string, string> {
  const rows = new Map<string, string>();
  for (const { key, value } of driver.outputs(topic)) {
    if (value === null) rows.delete(key?.toString() ?? '');
    else rows.set(key?.toString() ?? '', value.toString());
  }
  return rows;
}

const pairOf = (left: Row | null, right: Row | null): string => `${left?.id ?? '-'}+${right?.id ?? '-'}`;
const kind = 'outer';
const LATENESS = '0s';

const joins = topology('all', ({ stream, table }) => {
  const [a, b] = [stream('a', json<Row>()), stream('b', json<Row>())];
  const [t, u] = [table('t', json<Row>()), table('u', json<Row>())];
  a.flatMap((row) => [row, row])
    .asOf('as-of', t, { kind: 'left', lateness: LATENESS, join: pairOf })
    .to('as-of', text);
  a.joinWithin('near', b, { kind, before: '5ms', after: '12ms', lateness: LATENESS, join: pairOf }).to('near', text);
  a.joinLabels('labels', b, { kind: 'left', horizon: '25ms', lateness: LATENESS, join: pairOf }).to('labels', text);
  const both = t.join('both', u, { kind, lateness: LATENESS, join: (left, right) => ({ id: pairOf(left, right) }) });
  both.to('both', json());
  // a joined table joined again
  both
    .map((row) => row, json<{ id: string }>())
    .join(
      'three',
      u.map((row) => row, json<Row>()),
      { kind: 'inner', lateness: '1s', join: (left, right) => `${left.id}|${right.id}` },
    )
    .to('three', text);
});

/** The newest row of the key among these that hold at or before a time. */
function rowAt(events: readonly Event[], topic: Topic, key: string, timeMs: number): Row | null {
  return (
    events.findLast((event) => event.topic === topic && event.key === key && event.timeMs <= timeMs)?.value ?? null
  );
}

function expectedPairs(events: readonly Event[]): { asOf: string[]; near: string[]; labels: string[] } {
  const of = (topic: Topic): Event[] => events.filter((event) => event.topic === topic);
  const line = ({ key }: Event, timeMs: number, left: Row | null, right: Row | null): string =>
    `${key} ${timeMs} ${pairOf(left, right)}`;
  const asOf = of('a').flatMap((left) => {
    const joined = line(left, left.timeMs, left.value, rowAt(events, 't', left.key, left.timeMs));
    return [joined, joined];
  });
  const isNear = (left: Event, right: Event): boolean =>
    left.key === right.key && right.timeMs >= left.timeMs - 5 && right.timeMs <= left.timeMs + 12;
  const near = [
    ...of('a').flatMap((left) => {
      const partners = of('b').filter((right) => isNear(left, right));
      if (partners.length === 0) return [line(left, left.timeMs, left.value, null)];
      return partners.map((right) => line(left, Math.max(left.timeMs, right.timeMs), left.value, right.value));
    }),
    ...of('b')
      .filter((right) => !of('a').some((left) => isNear(left, right)))
      .map((right) => line(right, right.timeMs, null, right.value)),
  ];
  return { asOf, near, labels: of('a').flatMap((left) => labelled(left, of('b'), line)) };
}

function labelled(
  prediction: Event,
  labels: readonly Event[],
  line: (event: Event, timeMs: number, left: Row | null, right: Row | null) => string,
): string[] {
  const own = labels.filter(
    ({ key, timeMs }) => key === prediction.key && timeMs >= prediction.timeMs && timeMs <= prediction.timeMs + 25,
  );
  if (own.length === 0) return [line(prediction, prediction.timeMs + 25, prediction.value, null)];
  // of its own instant the prediction comes last, behind the table that it is joined with as of then: it meets the newest label
  const before = own.filter(({ timeMs }) => timeMs === prediction.timeMs);
  return own
    .slice(Math.max(0, before.length - 1))
    .map((label) => line(prediction, label.timeMs, prediction.value, label.value));
}

test('joins by key are their definitions, across restarts', async () => {
  await fc.assert(
    fc.asyncProperty(history, async (chunks) => {
      const driver = await play(joins, chunks, {});
      const events = chunks.flatMap((chunk) => chunk.events);
      const { asOf, near, labels } = expectedPairs(events);
      assert.deepEqual(lines(driver, 'as-of').sort(), asOf.sort());
      assert.deepEqual(lines(driver, 'near').sort(), near.sort());
      assert.deepEqual(lines(driver, 'labels').sort(), labels.sort());
      const both = new Map<string, string>();
      const three = new Map<string, string>();
      for (const key of KEYS) {
        const [left, right] = [rowAt(events, 't', key, Infinity), rowAt(events, 'u', key, Infinity)];
        if (left !== null || right !== null) both.set(key, JSON.stringify({ id: pairOf(left, right) }));
        if (right !== null) three.set(key, `${pairOf(left, right)}|${right.id}`);
      }
      assert.deepEqual(sorted(rowsOf(driver, 'both')), sorted(both));
      assert.deepEqual(sorted(rowsOf(driver, 'three')), sorted(three));
      await driver.close();
    }),
    { numRuns: 100 },
  );
});

const sorted = (rows: ReadonlyMap<string, string>): [string, string][] =>
  [...rows].sort(([one], [other]) => (one < other ? -1 : 1));

for (const [partitions, joinKind] of [
  [3, 'inner'],
  [1, 'left'],
] as const)
  test(`a foreign-key join (${joinKind}) ends as the join of the last rows, across restarts, with ${partitions} partitions on the right`, async () => {
    const spec = topology('named', ({ table }) => {
      table('t', json<Row>())
        .joinForeignKey('named', table('u', json<Row>()), {
          kind: joinKind,
          lateness: LATENESS,
          foreignKey: ({ ref }) => ref,
          join: pairOf,
        })
        .to('named', text);
    });
    await fc.assert(
      fc.asyncProperty(history, async (chunks) => {
        const driver = await play(spec, chunks, { t: 2, u: partitions });
        const events = chunks.flatMap((chunk) => chunk.events);
        const expected = new Map<string, string>();
        for (const key of KEYS) {
          const left = rowAt(events, 't', key, Infinity);
          const right = left?.ref === undefined || left.ref === null ? null : rowAt(events, 'u', left.ref, Infinity);
          if (left !== null && (right !== null || joinKind === 'left')) expected.set(key, pairOf(left, right));
        }
        assert.deepEqual(sorted(rowsOf(driver, 'named')), sorted(expected));
        await driver.close();
      }),
      { numRuns: 100 },
    );
  });
