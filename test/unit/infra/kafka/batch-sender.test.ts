// What a sender makes of the answers to its batches.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BatchSender } from '../../../../infra/kafka/batch-sender.ts';
import { type Appended } from '../../../../streams/log.ts';
import { SimulatedTime } from '../../../../streams/testing/simulated-time.ts';
import { API, AnsweringCluster, metadataAnswer, produceAnswer } from '../../../fakes/kafka-wire.ts';

const AT = { topic: 'topic', partition: 0 };
const TOPIC = { name: AT.topic, id: '00000000-0000-0000-0000-000000000001', leaders: [1] };
const OFFSET = 7;

/** Sends one record; its batch is answered with these codes, one after the other. */
async function sent(codes: readonly number[]): Promise<readonly Appended[]> {
  const time = new SimulatedTime({ startMs: 0 });
  const left = [...codes];
  const cluster = new AnsweringCluster(time.clock, async (_node, apiKey) => {
    if (apiKey === API.metadata) return metadataAnswer([TOPIC]);
    const errorCode = left.shift() ?? 0;
    return produceAnswer([{ ...AT, errorCode, baseOffset: errorCode === 0 ? OFFSET : -1 }]);
  });
  const sender = new BatchSender(cluster, { producerId: 1n, epoch: 0, transactionalId: null }, '/write');
  const record = { ...AT, timestampMs: 0, key: null, value: Buffer.from('value') };
  return time.run(() => sender.send(new Map([['topic/0', [record]]])), 10_000);
}

for (const [code, name] of [
  [9, 'a replica that is not available'],
  [41, 'another controller'],
  [72, 'a listener that the leader has not got yet'],
  [78, 'a leader that does not know the end yet'],
  [89, 'a quota'],
] as const)
  test(`${name} is waited for`, async () =>
    assert.deepEqual(await sent([code, code]), [{ ...AT, firstOffset: OFFSET, count: 1 }]));

test('a batch that the broker has taken before, it does not say where, is an error', async () =>
  assert.rejects(sent([46]), /DUPLICATE_SEQUENCE_NUMBER/));
