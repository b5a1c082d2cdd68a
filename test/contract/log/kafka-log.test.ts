// The same suite on Apache Kafka: one broker for all of it, the tests one after the other.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { systemClock } from '../../../infra/clock.ts';
import { type RunningBroker } from '../../../infra/embedded/broker.ts';
import { freePort } from '../../../infra/embedded/child.ts';
import { KafkaAdmin } from '../../../infra/kafka/admin.ts';
import { Cluster } from '../../../infra/kafka/cluster.ts';
import { KafkaLog } from '../../../infra/kafka/kafka-log.ts';
import { type Clock } from '../../../streams/clock.ts';
import { type Log } from '../../../streams/log.ts';
import { startTestBroker } from '../../integration/streams/test-broker.ts';
import { type LogWorld } from './log-world.ts';
import { membershipSuite } from './membership-suite.ts';
import { recordsSuite } from './records-suite.ts';
import { transactionsSuite } from './transactions-suite.ts';

const folder = mkdtempSync(join(tmpdir(), 'millrace-contract-'));
let broker: RunningBroker | null = null;

before(async () => {
  broker = await startTestBroker(folder, await freePort());
});

after(async () => {
  await broker?.stop();
  rmSync(folder, { recursive: true, force: true });
});

function client(clock: Clock): Log {
  return new KafkaLog({ brokers: [broker?.address ?? ''], clientId: 'contract', clock });
}

const world: LogWorld = {
  name: 'kafka',
  clock: systemClock,
  client,
  run: (body) => body(),
};

/** Has every topic forgotten as soon as it is found, as a caller does that was sent to a leader of before. */
class ForgetfulCluster extends Cluster {
  override async refresh(topics: readonly string[]): ReturnType<Cluster['refresh']> {
    const found = await super.refresh(topics);
    for (const name of topics) this.forget(name);
    return found;
  }
}

test('kafka: a topic is found that another caller has forgotten meanwhile', async () => {
  const options = { brokers: [broker?.address ?? ''], clientId: 'contract', clock: systemClock };
  const log = new KafkaLog(options);
  await log.admin().ensureTopics([{ name: 'forgotten', partitions: 3, config: {} }]);
  await log.close();
  const cluster = new ForgetfulCluster(options);
  try {
    assert.equal((await cluster.topic('forgotten')).leaders.length, 3);
    const admin = new KafkaAdmin(cluster);
    assert.deepEqual(await admin.partitionsOf(['forgotten', 'nowhere']), new Map([['forgotten', 3]]));
    await admin.ensureTopics([{ name: 'forgotten-too', partitions: 1, config: {} }]);
  } finally {
    await cluster.close();
  }
});

recordsSuite(world);
transactionsSuite(world);
membershipSuite(world);
