// StreamsGroupHeartbeat and StreamsGroupDescribe (KIP-1071, both version 0), which the library does not have.
import { type AssignmentUnit, type KeptState, type MemberAddress, type UnitPartition } from '../../streams/log.ts';
import { type Connection, type Reader, Writer } from './library.ts';

const HEARTBEAT = 88;
const DESCRIBE = 89;
const VERSION = 0;
/** What the group's topology is compared by; Kafka cannot change the topology of a group yet, so that there is only one. */
const TOPOLOGY_EPOCH = 0;

export interface StreamsHeartbeat {
  readonly group: string;
  readonly memberId: string;
  readonly epoch: number;
  readonly instanceId: string | null;
  readonly rebalanceTimeoutMs: number | null;
  /** only when joining */
  readonly topology: readonly AssignmentUnit[] | null;
  /** null: as before */
  readonly active: readonly UnitPartition[] | null;
  /** given whenever `active` is */
  readonly standbys: readonly UnitPartition[] | null;
  readonly processId: string | null;
  /** where this member is reached; null: as before, or nowhere */
  readonly endpoint: MemberAddress | null;
  /** of all members' endpoints, as it was told last: of the same the broker does not tell them again */
  readonly endpointEpoch: number;
  readonly kept: readonly KeptState[] | null;
}

export interface StreamsTasks {
  readonly active: readonly UnitPartition[];
  /** and those that warm up: they are followed alike */
  readonly standbys: readonly UnitPartition[];
}

export interface StreamsHeartbeatAnswer {
  readonly epoch: number;
  readonly intervalMs: number;
  readonly status: readonly { readonly code: number; readonly detail: string }[];
  /** null: as before */
  readonly tasks: StreamsTasks | null;
  readonly endpointEpoch: number;
}

export interface StreamsMember {
  readonly memberId: string;
  readonly epoch: number;
  readonly instanceId: string | null;
  readonly processId: string;
  readonly endpoint: MemberAddress | null;
  readonly tasks: StreamsTasks;
}

function call<T>(connection: Connection, key: number, request: () => Writer, parse: (reader: Reader) => T): Promise<T> {
  return new Promise((resolve, reject) => {
    connection.send(
      key,
      VERSION,
      request,
      (_correlationId, _key, _version, reader) => parse(reader),
      true,
      true,
      (error, answer) => (error === null ? resolve(answer as T) : reject(error)),
    );
  });
}

/** An error code of the broker, as `codeOf` finds it. */
class StreamsGroupError extends Error {
  readonly apiCode: number;

  constructor(apiCode: number, message: string | null) {
    super(message ?? `Kafka answered ${apiCode}`);
    this.apiCode = apiCode;
  }
}

export function streamsHeartbeat(connection: Connection, request: StreamsHeartbeat): Promise<StreamsHeartbeatAnswer> {
  return call(connection, HEARTBEAT, () => heartbeatRequest(request), parseHeartbeat);
}

function heartbeatRequest(request: StreamsHeartbeat): Writer {
  const writer = Writer.create()
    .appendString(request.group)
    .appendString(request.memberId)
    .appendInt32(request.epoch)
    .appendInt32(request.endpointEpoch)
    .appendString(request.instanceId)
    .appendString(null)
    .appendInt32(request.rebalanceTimeoutMs ?? -1);
  appendTopology(writer, request.topology);
  appendTasks(writer, request.active);
  appendTasks(writer, request.standbys);
  appendTasks(writer, request.active === null ? null : []);
  writer.appendString(request.processId);
  appendEndpoint(writer, request.endpoint);
  writer.appendArray(null, none);
  writer.appendArray(request.kept === null ? null : [...request.kept], (one, { unit, partition, position }) => {
    one.appendString(unit).appendInt32(partition).appendInt64(BigInt(position));
  });
  return writer.appendArray(null, none).appendBoolean(false).appendTaggedFields();
}

function none(): void {
  // for arrays that have no entries
}

function appendEndpoint(writer: Writer, endpoint: MemberAddress | null): void {
  if (endpoint === null) writer.appendInt8(-1);
  else writer.appendInt8(1).appendString(endpoint.host).appendUnsignedInt16(endpoint.port).appendTaggedFields();
}

function appendTopology(writer: Writer, units: readonly AssignmentUnit[] | null): void {
  if (units === null) {
    writer.appendInt8(-1);
    return;
  }
  writer.appendInt8(1).appendInt32(TOPOLOGY_EPOCH);
  writer.appendArray([...units], (unit, { name, topics, changelogs, isCopartitioned }) => {
    unit
      .appendString(name)
      .appendArray([...topics], (one, topic) => one.appendString(topic), true, false)
      .appendArray([], none)
      // the changelogs are there already: no partitions, replicas or settings are asked for
      .appendArray([...changelogs], (one, changelog) => {
        one.appendString(changelog).appendInt32(0).appendInt16(0).appendArray([], none);
      })
      .appendArray([], none)
      .appendArray([], none)
      .appendArray(isCopartitioned && topics.length > 1 ? [topics] : [], (group, together) => {
        group
          .appendArray([...together.keys()], (one, index) => one.appendInt16(index), true, false)
          .appendArray([], none)
          .appendArray([], none);
      });
  });
  writer.appendTaggedFields();
}

function appendTasks(writer: Writer, tasks: readonly UnitPartition[] | null): void {
  const byUnit = tasks === null ? null : [...Map.groupBy(tasks, ({ unit }) => unit)];
  writer.appendArray(byUnit, (one, [unit, parts]) => {
    one.appendString(unit).appendArray(parts, (part, { partition }) => part.appendInt32(partition), true, false);
  });
}

function parseHeartbeat(reader: Reader): StreamsHeartbeatAnswer {
  reader.readInt32();
  const errorCode = reader.readInt16();
  const message = reader.readNullableString();
  if (errorCode !== 0) throw new StreamsGroupError(errorCode, message);
  reader.readString();
  const epoch = reader.readInt32();
  const intervalMs = reader.readInt32();
  // lag at which a copy counts as caught up, and how often its position is wanted
  reader.readInt32();
  reader.readInt32();
  const status = reader.readNullableArray((one) => ({ code: one.readInt8(), detail: one.readString() })) ?? [];
  const [active, standbys, warmups] = [readTasks(reader), readTasks(reader), readTasks(reader)];
  const tasks = active === null ? null : { active, standbys: [...(standbys ?? []), ...(warmups ?? [])] };
  return { epoch, intervalMs, status, tasks, endpointEpoch: reader.readInt32() };
}

function readTasks(reader: Reader): UnitPartition[] | null {
  const units = reader.readNullableArray((one) => {
    const unit = one.readString();
    return one.readArray((part) => ({ unit, partition: part.readInt32() }), true, false);
  });
  return units?.flat() ?? null;
}

/** The members of the group as the broker knows them now. */
export function streamsMembers(connection: Connection, group: string): Promise<StreamsMember[]> {
  return call(
    connection,
    DESCRIBE,
    () =>
      Writer.create()
        .appendArray([group], (one, name) => one.appendString(name), true, false)
        .appendBoolean(false)
        .appendTaggedFields(),
    parseDescribe,
  );
}

function parseDescribe(reader: Reader): StreamsMember[] {
  reader.readInt32();
  const groups = reader.readArray((group) => {
    const errorCode = group.readInt16();
    const message = group.readNullableString();
    if (errorCode !== 0) throw new StreamsGroupError(errorCode, message);
    group.readString();
    group.readString();
    group.readInt32();
    group.readInt32();
    if (group.readInt8() >= 0) skipTopology(group);
    const members = group.readArray(readMember);
    group.readInt32();
    return members;
  });
  return groups.flat();
}

function skipTopology(reader: Reader): void {
  const strings = (): unknown => reader.readArray((one) => one.readString(), true, false);
  const topicInfos = (one: Reader): unknown =>
    one.readArray((topic) => {
      topic.readString();
      topic.readInt32();
      topic.readInt16();
      topic.readArray((config) => [config.readString(), config.readString()]);
    });
  reader.readInt32();
  reader.readNullableArray((one) => {
    one.readString();
    strings();
    strings();
    topicInfos(one);
    topicInfos(one);
  });
  reader.readTaggedFields();
}

function readMember(reader: Reader): StreamsMember {
  const memberId = reader.readString();
  const epoch = reader.readInt32();
  const instanceId = reader.readNullableString();
  reader.readNullableString();
  reader.readString();
  reader.readString();
  reader.readInt32();
  const processId = reader.readString();
  const endpoint = readEndpoint(reader);
  reader.readArray((tag) => [tag.readString(), tag.readString()]);
  for (let list = 0; list < 2; list += 1)
    reader.readArray((offset) => [offset.readString(), offset.readInt32(), offset.readInt64()]);
  const assigned = readAssignment(reader);
  readAssignment(reader);
  reader.readBoolean();
  return { memberId, epoch, instanceId, processId, endpoint, tasks: assigned };
}

function readEndpoint(reader: Reader): MemberAddress | null {
  if (reader.readInt8() < 0) return null;
  const endpoint = { host: reader.readString(), port: reader.readUnsignedInt16() };
  reader.readTaggedFields();
  return endpoint;
}

function readAssignment(reader: Reader): StreamsTasks {
  const [active, standbys, warmups] = [readTasks(reader), readTasks(reader), readTasks(reader)];
  reader.readTaggedFields();
  return { active: active ?? [], standbys: [...(standbys ?? []), ...(warmups ?? [])] };
}
