// The topic of marks loses its tail between the question for its end and the reading of it: the instance starts all the same.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Application } from '../../../streams/application.ts';
import { type Log } from '../../../streams/log.ts';
import { memoryStores } from '../../../streams/memory-store.ts';
import { MemoryBroker } from '../../../streams/testing/memory-broker.ts';
import { MemoryLog } from '../../../streams/testing/memory-log.ts';
import { SimulatedTime } from '../../../streams/testing/simulated-time.ts';
import { compiledOn, counting, plainOptions } from '../../fakes/plain-engine.ts';

const changelogTopic = (store: string): string => `changelog-${store}`;
const LOST = 3;

test('an instance starts though the topic of marks ends before where it was said to end', () => {
  const time = new SimulatedTime({ startMs: 1_700_000_000_000 });
  const broker = new MemoryBroker({ clock: time.clock });
  const memory = new MemoryLog({ broker, clock: time.clock, clientId: 'test' });
  const words = new Map([
    ['words', 1],
    ['counts', 1],
  ]);
  const { spec, topics } = compiledOn(counting, words, changelogTopic);
  broker.createTopics([...topics, { name: 'marks', partitions: 1, config: {} }]);
  const admin = memory.admin();
  const offsets = admin.offsets.bind(admin);
  admin.offsets = async (of) =>
    (await offsets(of)).map((one) => (one.topic === 'marks' ? { ...one, end: one.end + LOST } : one));
  const log: Log = {
    reader: () => memory.reader(),
    writer: () => memory.writer(),
    transactions: (id, timeoutMs) => memory.transactions(id, timeoutMs),
    atLeastOnce: () => memory.atLeastOnce(),
    membership: (options) => memory.membership(options),
    admin: () => admin,
    close: () => memory.close(),
  };
  return time.run(async () => {
    const application = new Application({
      ...plainOptions(changelogTopic),
      ...{ watermarksTopic: 'marks', spec, log, clock: time.clock, instance: 'a', stores: memoryStores() },
    });
    await application.start();
    assert.equal(await application.stop(), true);
  }, 60_000);
});
