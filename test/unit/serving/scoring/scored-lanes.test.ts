import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ScoredLanes } from '../../../../serving/scoring/scored-lanes.ts';

const TOPIC = 'card-fraud.predictions';

function mark(partition: number, live: boolean, lane = 0, topic = TOPIC) {
  return { topic, partition, lane, event_time: 0, offset: 0, live };
}

test('a replay is over when the live path of every partition says so', () => {
  const lanes = new ScoredLanes();
  assert.ok(!lanes.areLive(TOPIC, 2));
  lanes.apply([mark(0, true), mark(1, false)]);
  assert.ok(!lanes.areLive(TOPIC, 2), 'partition 1 is still scored');
  lanes.apply([mark(1, true, 1), mark(1, true, 0, 'other.predictions')]);
  assert.ok(!lanes.areLive(TOPIC, 2), 'neither the shadow nor another endpoint speaks for it');
  lanes.apply([mark(1, true)]);
  assert.ok(lanes.areLive(TOPIC, 2));
  assert.ok(!lanes.areLive(TOPIC, 3), 'a partition that nobody has spoken of');
  lanes.apply([mark(0, false)]);
  assert.ok(!lanes.areLive(TOPIC, 2), 'another replay has begun');
});
