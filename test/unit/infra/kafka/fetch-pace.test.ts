// Long waits only where nothing comes and nothing can be resumed meanwhile.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FetchPace } from '../../../../infra/kafka/fetch-pace.ts';

/** After so many answers without a record. */
function quiet(fetches = 50): FetchPace {
  const pace = new FetchPace();
  for (let count = 0; count < fetches; count += 1) pace.took(0);
  return pace;
}

const SHORT_MS = new FetchPace().waitMs(true);
const LONG_MS = quiet().waitMs(true);

test('a reader that gets nothing waits longer, but not for as long as a failover is felt', () => {
  assert.ok(SHORT_MS <= 100, String(SHORT_MS));
  assert.ok(LONG_MS > SHORT_MS && LONG_MS <= 500, String(LONG_MS));
});

test('a second without records has to go by first', () => {
  let waitedMs = 0;
  const pace = new FetchPace();
  while (pace.waitMs(true) === SHORT_MS) {
    waitedMs += SHORT_MS;
    pace.took(0);
  }
  assert.ok(waitedMs >= 1000, String(waitedMs));
});

test('what is paused will be resumed: no long wait', () => assert.equal(quiet().waitMs(false), SHORT_MS));

test('a record, or another assignment, ends it', () => {
  for (const end of [(pace: FetchPace) => pace.took(1), (pace: FetchPace) => pace.changed()]) {
    const pace = quiet();
    end(pace);
    assert.equal(pace.waitMs(true), SHORT_MS);
  }
});
