// Where members of streams groups say that they are reached (KIP-1071's user endpoints), as the brokers know it now.
import { type MemberAddress } from '../../streams/log.ts';
import { type Cluster, COORDINATOR } from './cluster.ts';
import { listGroupsV5 } from './library.ts';
import { CODE, codeOf } from './protocol-error.ts';
import { type StreamsMember, streamsMembers } from './streams-group.ts';
import { OF_THIS_PROGRAM, hasStreamsGroups } from './streams-protocol.ts';

/** @param only of this group; null: of all. @returns each address once */
export async function memberAddresses(cluster: Cluster, only: string | null): Promise<MemberAddress[]> {
  if (!(await hasStreamsGroups(cluster))) return [];
  const groups = only === null ? await streamsGroups(cluster) : [only];
  const members = (await Promise.all(groups.map((group) => membersOf(cluster, group)))).flat();
  const addresses = members.flatMap(({ processId, endpoint }): [string, MemberAddress][] =>
    endpoint === null || !processId.startsWith(OF_THIS_PROGRAM)
      ? []
      : [[`${endpoint.host}:${endpoint.port}`, endpoint]],
  );
  return [...new Map(addresses).values()];
}

async function streamsGroups(cluster: Cluster): Promise<string[]> {
  await cluster.refresh([]);
  const lists = cluster.nodeIds.map(async (nodeId) => {
    const { groups } = await listGroupsV5.api.async(await cluster.connection(nodeId), [], ['streams']);
    return groups.map(({ groupId }) => groupId);
  });
  // the groups of a broker that is away are with others
  const told = await Promise.allSettled(lists);
  return told.flatMap((list) => (list.status === 'fulfilled' ? list.value : []));
}

async function membersOf(cluster: Cluster, group: string): Promise<StreamsMember[]> {
  return cluster.retrying(
    `Asking for the members of ${group}`,
    async () => {
      try {
        return await streamsMembers(await cluster.coordinator(COORDINATOR.group, group), group);
      } catch (error) {
        // or it is a group of another kind
        if (codeOf(error) === CODE.groupIdNotFound) return [];
        throw error;
      }
    },
    () => cluster.forgetCoordinator(COORDINATOR.group, group),
  );
}
