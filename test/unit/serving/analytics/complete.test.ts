// Waiting for the warehouse: by marks where a replay gives them, by the wall clock where nobody does.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { waitComplete } from '../../../../serving/analytics/complete.ts';
import { type Sql } from '../../../../serving/analytics/sql.ts';
import { type Clock } from '../../../../streams/clock.ts';

const WANTED = [
  { topic: 'a', places: 2 },
  { topic: 'b', places: 1 },
];

/** A clock that moves only while somebody sleeps. */
function handClock(): Clock & { ms: number } {
  const clock = {
    ms: 0,
    nowMs: () => clock.ms,
    monotonicMs: () => clock.ms,
    sleep: (ms: number) => {
      clock.ms += ms;
      return Promise.resolve();
    },
  };
  return clock;
}

/** Answers with each set of marks once, the last one for ever. */
function told(answers: { topic: string; places: number; complete_ms: number }[][]): { sql: Sql; asked: () => number } {
  let asked = 0;
  const query = <T>(): Promise<T[]> => {
    const answer = answers[Math.min(asked, answers.length - 1)] ?? [];
    asked += 1;
    return Promise.resolve(answer as T[]);
  };
  const none = (): never => assert.fail('only questions are asked');
  return { sql: { query, text: none, exec: none, insert: none }, asked: () => asked };
}

test('by marks: every partition of every topic has to have come to the time', async () => {
  const { sql, asked } = told([
    [],
    [{ topic: 'a', places: 1, complete_ms: 100 }],
    [
      { topic: 'a', places: 1, complete_ms: 100 },
      { topic: 'b', places: 1, complete_ms: 100 },
    ],
    [
      { topic: 'a', places: 2, complete_ms: 100 },
      { topic: 'b', places: 1, complete_ms: 99 },
    ],
    [
      { topic: 'a', places: 2, complete_ms: 100 },
      { topic: 'b', places: 1, complete_ms: 100 },
    ],
  ]);
  await waitComplete(sql, WANTED, 100, 'event', handClock(), new AbortController().signal);
  assert.equal(asked(), 5);
});

test('live, where nobody gives marks: a minute after the time by the wall clock', async () => {
  const { sql, asked } = told([[]]);
  const clock = handClock();
  await waitComplete(sql, WANTED, 5000, 'live', clock, new AbortController().signal);
  assert.equal(clock.ms, 65_000);
  assert.equal(asked(), 0);
});

test('a stopped process waits no longer', async () => {
  const stop = new AbortController();
  stop.abort();
  await waitComplete(told([[]]).sql, WANTED, 100, 'event', handClock(), stop.signal);
});
