// When an instance with nothing else to do commits.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CommitClock } from '../../../streams/commit-clock.ts';

function clocks(seenAhead = false) {
  let nowMs = 0;
  const clock = { nowMs: () => nowMs, monotonicMs: () => nowMs, sleep: async () => undefined };
  const commits = new CommitClock(clock, 100, seenAhead);
  const pass = (ms: number): void => {
    nowMs += ms;
  };
  const commit = (tookMs: number): void => {
    commits.begin();
    pass(tookMs);
    commits.end();
  };
  return { commits, pass, commit };
}

test('an idle instance spends about a third of its time on commits, and the interval is the longest that it waits', () => {
  const { commits, pass, commit } = clocks();
  commit(10);
  assert.ok(!commits.isWorthIt());
  assert.equal(commits.waitMs(1000, true), 20);
  pass(20);
  assert.ok(commits.isWorthIt() && !commits.isDue());
  for (let count = 0; count < 20; count += 1) commit(90);
  assert.equal(commits.waitMs(1000, true), 10);
  pass(10);
  assert.ok(commits.isDue());
});

test('one slow commit does not hold up the next ones, one quick commit is believed at once', () => {
  const { commits, commit } = clocks();
  commit(4);
  commit(80);
  assert.equal(commits.waitMs(1000, true), 1, 'as usual: 3 × 23 ms, which the commit itself has taken');
  commit(4);
  assert.equal(commits.waitMs(1000, true), 8);
});

test('where results are visible ahead of commits, commits take less of the time', () => {
  const { commits, pass, commit } = clocks(true);
  commit(2);
  assert.equal(commits.waitMs(1000, true), 58);
  pass(57);
  assert.ok(!commits.isWorthIt());
  pass(1);
  assert.ok(commits.isWorthIt());
});
