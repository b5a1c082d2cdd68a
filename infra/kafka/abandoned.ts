// Transactions that their instance does not end any more. Until somebody does, everybody waits for them: who reads what they wrote,
// and who takes over the partitions whose offsets are in them.
import { type Cluster, COORDINATOR } from './cluster.ts';
import { initProducerIdV5, listTransactionsV1 } from './library.ts';

const ANY_DURATION = -1n;
const TIMEOUT_MS = 60_000;

/**
 * Ends the open transactions whose ids are `prefix` and the name of an instance that is not among those present. An instance that is
 * no member of its group cannot commit, whatever it believes: nothing is taken from anybody.
 * @param present asked once what is open is known, for an instance begins a transaction only when it is a member; null: nobody can tell
 */
export async function endAbandoned(
  cluster: Cluster,
  prefix: string,
  present: () => Promise<ReadonlySet<string> | null>,
): Promise<void> {
  const open = await openTransactionsOf(cluster, prefix);
  if (open.length === 0) return;
  const names = await present();
  if (names === null) return;
  for (const transactionalId of open) {
    if (names.has(transactionalId.slice(prefix.length))) continue;
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

async function openTransactionsOf(cluster: Cluster, prefix: string): Promise<string[]> {
  const open: string[] = [];
  for (const nodeId of cluster.nodeIds) {
    const connection = await cluster.connection(nodeId);
    const { transactionStates } = await listTransactionsV1.api.async(connection, ['Ongoing'], [], ANY_DURATION, null);
    open.push(...transactionStates.map(({ transactionalId }) => transactionalId).filter((id) => id.startsWith(prefix)));
  }
  return open;
}
