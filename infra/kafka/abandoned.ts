// Transactions that their instance does not end any more. Until somebody does, everybody waits for them: who reads what they wrote,
// and who takes over the partitions whose offsets are in them.
import { type Cluster, COORDINATOR } from './cluster.ts';
import { initProducerIdV5, listTransactionsV1 } from './library.ts';

const ANY_DURATION = -1n;
const TIMEOUT_MS = 60_000;

/**
 * Ends the open transactions whose ids are `prefix` and the name of an instance that is not among `present`. An instance that is no
 * member of its group cannot commit, whatever it believes: nothing is taken from anybody.
 */
export async function endAbandoned(cluster: Cluster, prefix: string, present: ReadonlySet<string>): Promise<void> {
  for (const nodeId of cluster.nodeIds) {
    const connection = await cluster.connection(nodeId);
    const { transactionStates } = await listTransactionsV1.api.async(connection, ['Ongoing'], [], ANY_DURATION, null);
    for (const { transactionalId } of transactionStates) {
      if (!transactionalId.startsWith(prefix) || present.has(transactionalId.slice(prefix.length))) continue;
      // a fresh epoch ends what was open, and fences whoever comes back
      await cluster.retrying(
        `Ending what ${transactionalId} left open`,
        async () =>
          initProducerIdV5.api.async(
            await cluster.coordinator(COORDINATOR.transaction, transactionalId),
            transactionalId,
            TIMEOUT_MS,
            -1n,
            -1,
          ),
        () => cluster.forgetCoordinator(COORDINATOR.transaction, transactionalId),
      );
    }
  }
}
