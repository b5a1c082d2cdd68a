// Records that are set aside are told of where the application runs: the first at once, the others now and then; and counted by code.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Failure, type FailureCode } from '../../../schemas/failure.ts';
import { Application } from '../../../streams/application.ts';
import { json } from '../../../streams/builder/format.ts';
import { topology } from '../../../streams/builder/topology.ts';
import { memoryStores } from '../../../streams/memory-store.ts';
import { SetAsideNotices } from '../../../streams/set-aside-notices.ts';
import { type DeadLettered } from '../../../streams/task-commit.ts';
import { MemoryBroker } from '../../../streams/testing/memory-broker.ts';
import { MemoryLog } from '../../../streams/testing/memory-log.ts';
import { SimulatedTime } from '../../../streams/testing/simulated-time.ts';
import { compiledOn, plainOptions } from '../../fakes/plain-engine.ts';

function letterOf(offset: number, code: FailureCode, message: string): DeadLettered {
  const record = { topic: 'payments', partition: 0, offset, timestampMs: 0, key: null, value: null, headers: [] };
  return { record, failure: new Failure(code, message), stage: 'process' };
}

test('the first is told at once, the others as counts by kind after ten seconds, the rest at the end', () => {
  let nowMs = 0;
  const told: string[] = [];
  const clock = { nowMs: () => nowMs, monotonicMs: () => nowMs, sleep: async () => undefined };
  const notices = new SetAsideNotices({ id: 'spending', clock, notice: (text) => told.push(text) });
  const hint =
    'See them with `millrace dead-letters`; once the cause is mended, `millrace dead-letters retry` puts them back.';
  notices.took([letterOf(3, 'internal', 'step a threw: Error: boom\n    at a stack')]);
  assert.deepEqual(told, [
    `spending: 1 record was set aside as dead letters: 1 of payments (process, internal), the last payments/0 at offset 3: step a threw: Error: boom. ${hint}`,
  ]);
  for (let offset = 4; offset < 1004; offset += 1) notices.took([letterOf(offset, 'internal', 'again.')]);
  notices.took([letterOf(1004, 'too_late', 'late')]);
  nowMs = 9999;
  notices.tellWhenDue();
  assert.equal(told.length, 1);
  nowMs = 10_000;
  notices.tellWhenDue();
  assert.equal(
    told[1],
    `spending: 1001 records were set aside as dead letters: 1000 of payments (process, internal), the last payments/0 at offset 1003: again; 1 of payments (process, too_late), the last payments/0 at offset 1004: late. ${hint}`,
  );
  nowMs = 30_000;
  notices.tellWhenDue();
  assert.equal(told.length, 2, 'nothing new, nothing told');
  notices.took([letterOf(1005, 'internal', 'x')]);
  notices.took([letterOf(1006, 'internal', 'y')]);
  notices.tell();
  assert.equal(told.length, 4);
  assert.deepEqual(
    [...notices.byCode],
    [
      ['internal', 1003],
      ['too_late', 1],
    ],
  );
});

test('an application tells of its step that threw, and counts it, once it is committed', () => {
  const time = new SimulatedTime({ startMs: 1_700_000_000_000 });
  const { clock } = time;
  return time.run(async () => {
    const broker = new MemoryBroker({ clock });
    const log = new MemoryLog({ broker, clock, clientId: 'test' });
    const declared = topology('failing', ({ stream }) => {
      stream('words', json<string>())
        .process('picky', {
          state: json<string>(),
          each: (word) => {
            throw new Error(`${word} is bad`);
          },
        })
        .to('out', json());
    });
    const partitions = new Map([
      ['words', 1],
      ['out', 1],
    ]);
    const { spec, topics } = compiledOn(declared, partitions, (store) => `changelog-${store}`);
    broker.createTopics([...topics, { name: 'letters', partitions: 1, config: {} }]);
    const notices: string[] = [];
    const application = new Application({
      ...plainOptions((store) => `changelog-${store}`),
      ...{ spec, log, clock, stores: memoryStores(), instance: '0', notice: (text: string) => notices.push(text) },
      deadLetterRecord: () => ({ topic: 'letters', timestampMs: 0, key: null, value: null }),
    });
    await application.start();
    const value = Buffer.from('"b"');
    await log.writer().append([{ topic: 'words', partition: 0, timestampMs: 1, key: Buffer.from('k'), value }]);
    while (application.status().setAside.size === 0) await clock.sleep(5);
    assert.deepEqual([...application.status().setAside], [['internal', 1]]);
    assert.equal(notices.length, 1);
    assert.match(
      notices[0] ?? '',
      /^failing: 1 record was .* words\/0 at offset 0: step picky threw: Error: b is bad\. /,
    );
    await application.stop();
  }, 60_000);
});
