// Whose transactions are ended, while instances come.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { endAbandoned } from '../../../../infra/kafka/abandoned.ts';
import { SimulatedTime } from '../../../../streams/testing/simulated-time.ts';
import { API, AnsweringCluster, transactionsAnswer } from '../../../fakes/kafka-wire.ts';

/** What is asked of the brokers and of the group, in its order; a request that nobody answers has ended somebody's transaction. */
async function asked(open: readonly string[], present: ReadonlySet<string> | null): Promise<string[]> {
  const calls: string[] = [];
  const cluster = new AnsweringCluster(new SimulatedTime({ startMs: 0 }).clock, async (nodeId, apiKey) => {
    assert.equal(apiKey, API.listTransactions);
    calls.push(`transactions of ${nodeId}`);
    return transactionsAnswer(open);
  });
  await endAbandoned(cluster, 'app/', async () => {
    calls.push('members');
    return present;
  });
  return calls;
}

test('an instance that joins and begins a transaction meanwhile is among the members: they are asked for last', async () => {
  assert.deepEqual(await asked(['app/1', 'other/2'], new Set(['1'])), ['transactions of 1', 'members']);
});

test('nobody asks for members where nothing of the application is open', async () => {
  assert.deepEqual(await asked(['other/2'], new Set()), ['transactions of 1']);
});

test('where members cannot be told apart nothing is ended', async () => {
  assert.deepEqual(await asked(['app/1'], null), ['transactions of 1', 'members']);
});
