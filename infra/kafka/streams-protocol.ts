// The group protocol for applications with state (KIP-1071, Kafka 4.2 and newer): the broker knows the units and their changelogs,
// leaves units where their state is, and names who keeps standby copies.
import { randomUUID } from 'node:crypto';
import { Failure } from '../../schemas/failure.ts';
import { type HeartbeatAnswer, type HeartbeatRequest } from '../../streams/group-member.ts';
import {
  type AssignmentUnit,
  type MembershipOptions,
  type TopicPartition,
  type UnitPartition,
} from '../../streams/log.ts';
import { type Cluster, COORDINATOR } from './cluster.ts';
import { type KafkaGroupProtocol, groupProtocol } from './group-protocol.ts';
import {
  ConfigResourceTypes,
  IncrementalAlterConfigOperationTypes,
  apiVersionsV4,
  incrementalAlterConfigsV1,
  joinGroupV9,
  leaveGroupV5,
} from './library.ts';
import { CODE, codeOf } from './protocol-error.ts';
import { type StreamsMember, type StreamsTasks, streamsHeartbeat, streamsMembers } from './streams-group.ts';

const API_KEY = 88;
const FEATURE = 'streams.version';
/** A status that no waiting mends: topics that differ in their number of partitions. */
const INCORRECTLY_PARTITIONED = 2;
const EMPTY_JOIN_TIMEOUT_MS = 10_000;
/** Process ids begin so: what other programs advertise is not ours to ask. */
export const OF_THIS_PROGRAM = 'millrace/';

export type StatefulGroup = MembershipOptions & { readonly units: readonly AssignmentUnit[] };

/** Whether the brokers have such groups, and have them switched on. */
export async function hasStreamsGroups(cluster: Cluster): Promise<boolean> {
  const answer = await cluster.retrying('Asking what Kafka can do', async () =>
    apiVersionsV4.api.async(await cluster.anyConnection(), 'millrace', '1'),
  );
  const isKnown = answer.apiKeys.some(({ apiKey }) => apiKey === API_KEY);
  return (
    isKnown &&
    (answer.finalizedFeatures?.some(({ name, maxVersionLevel }) => name === FEATURE && maxVersionLevel > 0) ?? false)
  );
}

/** Does nothing where the number is left to the group. */
export async function setStandbyReplicas(
  cluster: Cluster,
  { group, standbyReplicas }: MembershipOptions,
): Promise<void> {
  if (standbyReplicas === undefined) return;
  await cluster.retrying(`Setting the standby replicas of ${group}`, async () =>
    incrementalAlterConfigsV1.api.async(
      await cluster.anyConnection(),
      [
        {
          resourceType: ConfigResourceTypes.GROUP,
          resourceName: group,
          configs: [
            {
              name: 'streams.num.standby.replicas',
              value: String(standbyReplicas),
              configOperation: IncrementalAlterConfigOperationTypes.SET,
            },
          ],
        },
      ],
      false,
    ),
  );
}

/**
 * An empty group forgets its protocol and its topology, but no offset, when somebody asks to join it the classic way; the asking
 * itself makes nobody a member.
 */
export async function resetEmptyGroup(cluster: Cluster, group: string): Promise<void> {
  const coordinator = await cluster.coordinator(COORDINATOR.group, group);
  const protocols = [{ name: 'none', metadata: Buffer.alloc(0) }];
  try {
    await joinGroupV9.api.async(
      coordinator,
      group,
      EMPTY_JOIN_TIMEOUT_MS,
      EMPTY_JOIN_TIMEOUT_MS,
      '',
      null,
      'consumer',
      protocols,
    );
  } catch (error) {
    const memberId = (error as { response?: { memberId?: string } }).response?.memberId;
    if (codeOf(error) !== CODE.memberIdRequired || memberId === undefined) return;
    await leaveGroupV5.api.async(coordinator, group, [{ memberId }]).catch(() => undefined);
  }
}

/** What of a heartbeat is the process's, and stays. */
interface Told {
  readonly processId: string;
  endpointEpoch: number;
}

export function streamsProtocol(cluster: Cluster, options: StatefulGroup): KafkaGroupProtocol {
  const { group } = options;
  const told = { processId: `${OF_THIS_PROGRAM}${randomUUID()}`, endpointEpoch: 0 };
  const members = async (): Promise<StreamsMember[]> =>
    streamsMembers(await cluster.coordinator(COORDINATOR.group, group), group);
  return groupProtocol(cluster, group, (request) => heartbeat(cluster, options, told, request), members);
}

async function heartbeat(
  cluster: Cluster,
  options: StatefulGroup,
  told: Told,
  request: HeartbeatRequest,
): Promise<HeartbeatAnswer> {
  const { group, units } = options;
  const { memberId, epoch, instanceId, rebalanceTimeoutMs } = request;
  const joining = epoch === 0;
  const active = request.owned === null ? null : unitsOwned(units, request.owned);
  const kept = joining ? ((await options.keptStates?.()) ?? null) : null;
  const coordinator = await cluster.coordinator(COORDINATOR.group, group);
  const answer = await streamsHeartbeat(coordinator, {
    ...{ group, memberId, epoch, instanceId, rebalanceTimeoutMs, active, kept },
    topology: joining ? units : null,
    standbys: active === null ? null : (request.standbys ?? []),
    processId: joining ? told.processId : null,
    endpoint: joining ? (options.address ?? null) : null,
    endpointEpoch: told.endpointEpoch,
  });
  told.endpointEpoch = answer.endpointEpoch;
  const wrong = answer.status.find(({ code }) => code === INCORRECTLY_PARTITIONED);
  if (wrong !== undefined)
    throw new Failure('conflict', `The topics of the group ${group} do not go together: ${wrong.detail}`, {
      fix: 'Give topics that are read together, and their changelogs, equally many partitions.',
    });
  let { tasks } = answer;
  // an assignment whose telling was lost is not told again: it has to be asked for
  if (tasks === null && request.topics !== null && epoch > 0) {
    const own = (await streamsMembers(coordinator, group)).find((member) => member.memberId === memberId);
    if (own !== undefined && own.epoch === answer.epoch) ({ tasks } = own);
  }
  return { epoch: answer.epoch, intervalMs: answer.intervalMs, ...(await assignmentOf(cluster, units, tasks)) };
}

async function assignmentOf(
  cluster: Cluster,
  units: readonly AssignmentUnit[],
  tasks: StreamsTasks | null,
): Promise<Pick<HeartbeatAnswer, 'assignment' | 'standbys'>> {
  if (tasks === null) return { assignment: null };
  const assignment: TopicPartition[] = [];
  for (const { unit, partition } of tasks.active) {
    for (const topic of units.find(({ name }) => name === unit)?.topics ?? []) {
      const { leaders } = await cluster.topic(topic);
      if (partition < leaders.length) assignment.push({ topic, partition });
    }
  }
  return { assignment, standbys: tasks.standbys };
}

/** A unit is had as long as one of its partitions is. */
function unitsOwned(units: readonly AssignmentUnit[], owned: readonly TopicPartition[]): UnitPartition[] {
  return units.flatMap(({ name, topics }) => {
    const numbers = new Set(owned.filter(({ topic }) => topics.includes(topic)).map(({ partition }) => partition));
    return [...numbers].map((partition) => ({ unit: name, partition }));
  });
}
