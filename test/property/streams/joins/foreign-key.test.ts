import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type ForeignKeyRules } from '../../../../streams/joins/foreign-key-left.ts';
import { leftKeyOf, subscribersOf, subscriptionKey } from '../../../../streams/joins/foreign-key-right.ts';
import { type Update } from '../../../../streams/joins/step.ts';
import { isBefore } from './histories.ts';
import { Platform } from './foreign-key-platform.ts';

const LEFT_KEYS = ['l0', 'l1', 'l2'];
const RIGHT_KEYS = ['r0', 'r1', 'r\0'];

const rules = fc.record<ForeignKeyRules>({
  kind: fc.constantFrom('inner', 'left'),
  latenessMs: fc.constantFrom(0, 5, 20),
});

const fromWatermarkMs = fc.integer({ min: -25, max: 15 });
const sides = fc.constantFrom('left' as const, 'right' as const);
const happenings = fc.array(
  fc.oneof(
    {
      weight: 5,
      arbitrary: fc.record({
        kind: fc.constant('left' as const),
        key: fc.constantFrom(...LEFT_KEYS),
        foreignKey: fc.option(fc.constantFrom(...RIGHT_KEYS), { freq: 6 }),
        value: fc.option(fc.constantFrom('own', 'same'), { freq: 5 }),
        fromWatermarkMs,
      }),
    },
    {
      weight: 4,
      arbitrary: fc.record({
        kind: fc.constant('right' as const),
        key: fc.constantFrom(...RIGHT_KEYS),
        value: fc.option(fc.constantFrom('own', 'same'), { freq: 4 }),
        fromWatermarkMs,
      }),
    },
    {
      weight: 9,
      arbitrary: fc.record({
        kind: fc.constant('deliver' as const),
        topic: fc.constantFrom('subscriptions' as const, 'responses' as const),
        choice: fc.nat(3),
        times: fc.constantFrom(1, 1, 2),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({
        kind: fc.constant('advance' as const),
        side: sides,
        byMs: fc.integer({ min: 0, max: 30 }),
      }),
    },
  ),
  { maxLength: 120, size: 'max' },
);

interface LeftRow extends Update {
  readonly foreignKey: string | null;
}

/** Both tables as they are, without partitions, subscriptions or lateness: the newest row of each key. */
class Naive {
  readonly rules: ForeignKeyRules;
  readonly left = new Map<string, LeftRow>();
  readonly right = new Map<string, Update>();
  /** by left key, each joined row that ever was true */
  readonly truths = new Map(LEFT_KEYS.map((key) => [key, new Set([NONE])]));

  constructor(one: ForeignKeyRules) {
    this.rules = one;
  }

  take<T extends Update>(table: Map<string, T>, key: string, row: T): void {
    const held = table.get(key);
    if (held !== undefined && !isBefore(held, row)) return;
    table.set(key, row);
    for (const leftKey of LEFT_KEYS) this.truths.get(leftKey)?.add(this.rowOf(leftKey));
  }

  rowOf(leftKey: string): string {
    const left = this.left.get(leftKey);
    if (left === undefined || left.value === null) return NONE;
    const right = left.foreignKey === null ? null : (this.right.get(left.foreignKey)?.value ?? null);
    return right === null && this.rules.kind === 'inner' ? NONE : show(left.value, right);
  }
}

const show = (left: Buffer | null, right: Buffer | null): string =>
  `${left?.toString() ?? '-'}|${right?.toString() ?? '-'}`;
const NONE = show(null, null);

type Happening = typeof happenings extends fc.Arbitrary<readonly (infer T)[]> ? T : never;

function happen(platform: Platform, naive: Naive, happening: Happening, offset: number): void {
  const { latenessMs } = naive.rules;
  switch (happening.kind) {
    case 'left': {
      const { key, value: text } = happening;
      const timeMs = platform.watermarkMs.left + happening.fromWatermarkMs;
      // a row that says the same names the same
      const foreignKey = text === 'same' ? 'r0' : happening.foreignKey;
      const value = text === null ? null : Buffer.from(text === 'own' ? `l${offset}` : text);
      const isLate = happening.fromWatermarkMs < -latenessMs;
      if (!isLate) naive.take(naive.left, key, { timeMs, offset, value, foreignKey });
      assert.equal(platform.takeLeft(key, { timeMs, offset, value }, foreignKey).length, isLate ? 1 : 0);
      break;
    }
    case 'right': {
      const { key, value: text } = happening;
      const timeMs = platform.watermarkMs.right + happening.fromWatermarkMs;
      const value = text === null ? null : Buffer.from(text === 'own' ? `r${offset}` : text);
      const isLate = happening.fromWatermarkMs < -latenessMs;
      if (!isLate) naive.take(naive.right, key, { timeMs, offset, value });
      assert.equal(platform.takeRight(key, { timeMs, offset, value }).length, isLate ? 1 : 0);
      break;
    }
    case 'deliver':
      platform.deliver(happening.topic, happening.choice, happening.times);
      break;
    case 'advance':
      platform.advance(happening.side, happening.byMs);
      break;
  }
}

test('in any order of delivery: each row was true at some moment, and the last rows are the join of the last rows', () => {
  let written = 0;
  fc.assert(
    fc.property(rules, happenings, fc.array(fc.nat(3), { minLength: 1 }), (one, history, choices) => {
      const naive = new Naive(one);
      const table = new Map<string, { row: string; timeMs: number }>();
      const platform = new Platform(one, ({ leftKey, row: { timeMs, left, right } }) => {
        const row = show(left?.value ?? null, right?.value ?? null);
        const before = table.get(leftKey);
        assert.ok(timeMs >= (before?.timeMs ?? -Infinity), 'the order by event time is the order of writing');
        assert.ok(naive.truths.get(leftKey)?.has(row), `${row} was never true for ${leftKey}`);
        assert.ok(row !== NONE || (before !== undefined && before.row !== NONE), 'a tombstone has a row to delete');
        // a left row that comes back after another one may find what it had before
        assert.ok(row !== before?.row || row.startsWith('same'), `${row} is written twice`);
        table.set(leftKey, { row, timeMs });
        written += 1;
      });
      history.forEach((happening, offset) => happen(platform, naive, happening, offset));

      const choiceOf = (turn: number): number => choices[turn % choices.length] ?? 0;
      for (let turn = 0, quiet = 0; quiet < 2; turn += 1) {
        const topic = choiceOf(turn) % 2 === quiet % 2 ? 'subscriptions' : 'responses';
        const moved = platform.deliver(topic, choiceOf(turn + 1));
        const other = topic === 'subscriptions' ? 'responses' : 'subscriptions';
        quiet = moved || platform.deliver(other, choiceOf(turn + 2)) ? 0 : quiet + 1;
      }
      for (const leftKey of LEFT_KEYS) assert.equal(table.get(leftKey)?.row ?? NONE, naive.rowOf(leftKey), leftKey);

      const expected = [...naive.left].flatMap(([leftKey, { value, foreignKey }]) =>
        value === null || foreignKey === null ? [] : [subscriptionKey(foreignKey, leftKey).toString('latin1')],
      );
      assert.deepEqual(
        [...platform.subscribers.keys()].sort(),
        expected.sort(),
        'nobody is subscribed who need not be',
      );
      platform.advance('left', 1_000);
      platform.advance('right', 1_000);
      const rowsOf = (rows: ReadonlyMap<string, Update>): string[] =>
        [...rows].flatMap(([key, { value }]) => (value === null ? [] : [key])).sort();
      assert.deepEqual([...platform.left.keys()].sort(), rowsOf(naive.left), 'deletions are forgotten in the end');
      assert.deepEqual([...platform.right.keys()].sort(), rowsOf(naive.right));
    }),
    { numRuns: 1_500 },
  );
  assert.ok(written > 1_500, 'the histories join something');
});

test('the keys of subscriptions give back the left key, and lie in the range of their right key alone', () => {
  const text = fc.string({ unit: 'binary' });
  fc.assert(
    fc.property(text, text, text, (foreignKey, leftKey, otherKey) => {
      const key = subscriptionKey(foreignKey, leftKey);
      assert.equal(leftKeyOf(key), Buffer.from(leftKey).toString());
      const isIn = (of: string): boolean =>
        key.compare(subscribersOf(of).from) >= 0 && key.compare(subscribersOf(of).to) < 0;
      assert.ok(isIn(foreignKey));
      assert.equal(isIn(otherKey), Buffer.from(otherKey).equals(Buffer.from(foreignKey)));
    }),
  );
});
