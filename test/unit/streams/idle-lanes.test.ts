// Which lanes hold event time up: those of which nothing has come for long do not, and what is known to lie in the log is waited for
// only so long.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { IdleLanes } from '../../../streams/idle-lanes.ts';
import { InputPartition } from '../../../streams/input-partition.ts';
import { FOREVER_MS, Lane, NEVER_MS } from '../../../streams/lane.ts';
import { Merge } from '../../../streams/merge.ts';
import { Timers } from '../../../streams/timers.ts';

const IDLE_MS = 10;

function input(lane: Lane, offset: number, eventTimeMs: number) {
  const at = { topic: lane.topic, partition: lane.partition };
  return {
    record: { ...at, offset, timestampMs: eventTimeMs, key: null, value: null, headers: [] },
    ...{ lane: lane.lane, eventTimeMs, value: null },
  };
}

/** One partition of each topic, with so many lanes each. */
function made(...counts: readonly number[]) {
  const partitions = counts.map(
    (count, topic) =>
      new InputPartition(
        Array.from({ length: count }, (_, lane) => new Lane(`topic-${topic}`, 0, lane, true, -1)),
        0,
      ),
  );
  const timers = new Timers();
  return { partitions, timers, merge: new Merge(partitions, timers, NEVER_MS), idle: new IdleLanes(partitions) };
}

test('what is known to lie in the log is waited for as long as the partition is read on, and once nothing comes, not for ever', () => {
  const { partitions, merge, idle } = made(1, 1);
  const [rows, orders] = partitions;
  const lane = orders?.lanes[0];
  assert.ok(rows !== undefined && orders !== undefined && lane !== undefined);
  lane.push(input(lane, 0, 100));
  orders.moveTo(1);
  orders.endsAt(1);
  idle.look(0, IDLE_MS);
  assert.equal(merge.next(FOREVER_MS), null, 'nobody knows yet how far the rows go');
  rows.endsAt(1000);
  // what is read is of no concern to the task, but there may be more behind it
  for (let nowMs = 5; nowMs < 50; nowMs += 5) {
    rows.moveTo(nowMs);
    idle.look(nowMs, IDLE_MS);
    assert.equal(merge.next(FOREVER_MS), null);
  }
  idle.look(54, IDLE_MS);
  assert.equal(merge.next(FOREVER_MS), null);
  assert.ok(idle.look(55, IDLE_MS).isChanged);
  assert.equal(merge.next(FOREVER_MS)?.timeMs, 100);
});

test('a partition of which something is queued is not waited for: a full one is not read on', () => {
  const { partitions, merge } = made(2, 1);
  const [moved, orders] = partitions;
  const [one] = moved?.lanes ?? [];
  const lane = orders?.lanes[0];
  assert.ok(moved !== undefined && orders !== undefined && one !== undefined && lane !== undefined);
  for (const partition of partitions) partition.endsAt(1000);
  lane.push(input(lane, 0, 5));
  assert.equal(merge.next(FOREVER_MS), null);
  one.push(input(one, 0, 7));
  assert.equal(merge.next(FOREVER_MS)?.timeMs, 5);
  assert.equal(merge.next(FOREVER_MS), null, 'the orders are waited for now');
});

test('timers fire by the lanes that are heard of, without the idle ones; by none while all are idle', () => {
  const { partitions, timers, merge, idle } = made(2);
  const [partition] = partitions;
  const [heard, quiet] = partition?.lanes ?? [];
  assert.ok(partition !== undefined && heard !== undefined && quiet !== undefined);
  partition.endsAt(0);
  timers.set('key', 50);
  quiet.mark({ eventTimeMs: 20, offset: 0, live: true });
  const look = (nowMs: number) => {
    const found = idle.look(nowMs, IDLE_MS);
    if (found.isChanged) merge.passOverIdle();
    return found.isAll;
  };
  look(0);
  heard.mark({ eventTimeMs: 60, offset: 0, live: true });
  assert.ok(!look(9));
  assert.deepEqual([merge.next(FOREVER_MS), merge.knownMs(FOREVER_MS)], [null, 20]);
  assert.ok(!look(10));
  assert.equal(merge.next(FOREVER_MS)?.timeMs, 50);
  assert.equal(merge.knownMs(FOREVER_MS), 60);

  timers.set('key', 70);
  assert.ok(look(20), 'all are idle');
  assert.equal(merge.next(FOREVER_MS), null);
  for (const lane of partition.lanes) lane.goOnTo(70);
  assert.equal(merge.next(FOREVER_MS)?.timeMs, 70);

  // who comes back holds event time up again
  timers.set('key', 90);
  quiet.mark({ eventTimeMs: 80, offset: 0, live: true });
  assert.ok(!look(21));
  assert.equal(merge.knownMs(FOREVER_MS), 80);
  heard.mark({ eventTimeMs: 95, offset: 0, live: true });
  look(22);
  assert.equal(merge.next(FOREVER_MS), null);
});

test('while its time is held, no lane becomes idle; it begins anew then', () => {
  const { partitions, idle } = made(1);
  partitions[0]?.endsAt(0);
  for (const nowMs of [0, 20, 40]) assert.ok(!idle.look(nowMs, IDLE_MS, true).isAll);
  assert.ok(!idle.look(49, IDLE_MS).isAll);
  assert.ok(idle.look(50, IDLE_MS).isAll);
});

test('a lane whose partition is not read on, because another lane of it is queued, is not idle', () => {
  const { partitions, idle } = made(2);
  const [partition] = partitions;
  const [full, other] = partition?.lanes ?? [];
  assert.ok(partition !== undefined && full !== undefined && other !== undefined);
  partition.endsAt(1000);
  full.push(input(full, 0, 5));
  idle.look(0, IDLE_MS);
  assert.ok(!idle.look(1000, IDLE_MS).isAll);
  assert.ok(!other.isIdle);
  full.shift();
  idle.look(2000, IDLE_MS);
  assert.ok(other.isIdle, 'what does not come at all is waited for only so long');
});
