// What every application of the engine shares in this process: log, clock, stores, codecs of the engine's own events.
import { join } from 'node:path';
import { type EventCodec } from '../../schemas/codec.ts';
import { type Watermarks } from '../../schemas/events.generated.ts';
import { Failure } from '../../schemas/failure.ts';
import { type TopicNames } from '../../schemas/topics.ts';
import { Application, type ApplicationOptions } from '../../streams/application.ts';
import { type Clock } from '../../streams/clock.ts';
import { headerMaker } from '../../streams/event-headers.ts';
import { type Log, type MemberAddress } from '../../streams/log.ts';
import { type ApplicationSpec } from '../../streams/processor.ts';
import { DEFAULT_POLICIES, type FailurePolicies } from '../../streams/failure-policies.ts';
import { type DeadLettered } from '../../streams/task-commit.ts';
import { storageAt } from '../checkpoints/storage-place.ts';
import { rocksStores } from '../rocksdb/rocksdb-stores.ts';
import { type CheckpointSettings } from '../settings.ts';

export interface EngineParts {
  readonly log: Log;
  readonly clock: Clock;
  readonly codec: EventCodec;
  readonly names: TopicNames;
  /** `<dataDir>/state/<role>-<instance>` */
  readonly stateDir: string;
  readonly role: string;
  readonly instance: string;
  readonly standbyReplicas: number | null;
  /** where other machines reach this process's states; null: nowhere */
  readonly address: MemberAddress | null;
  /** decoded state in memory, per application and process (streams/README.md, "What is in memory") */
  readonly stateCacheMb: number;
  readonly checkpoints: CheckpointSettings | null;
  /** absent: what fails goes to the dead letters */
  readonly policies?: FailurePolicies;
  notice?(text: string): void;
  readonly commitIntervalMs: number;
  readonly live: boolean;
  /** told how long each commit took */
  committed?(tookMs: number): void;
}

/** Without replay, an input without news for this long lets windows go on by the wall clock. */
const IDLE_TIMEOUT_MS = 10_000;

export async function makeApplication(parts: EngineParts, spec: ApplicationSpec): Promise<Application> {
  return new Application(await engineOptions(parts, spec));
}

export async function engineOptions(parts: EngineParts, spec: ApplicationSpec): Promise<ApplicationOptions> {
  const { codec, names, clock } = parts;
  await codec.prepare(names.watermarks, ['Watermarks']);
  await codec.prepare(names.deadLetters, ['DeadLetter']);
  const letterHeaders = headerMaker('millrace.DeadLetter', `millrace/${parts.role}`);
  return {
    spec,
    log: parts.log,
    clock,
    stores: rocksStores(join(parts.stateDir)),
    instance: parts.instance,
    ...(parts.standbyReplicas === null ? {} : { standbyReplicas: parts.standbyReplicas }),
    ...(parts.address === null ? {} : { address: parts.address }),
    ...(parts.checkpoints === null ? {} : { checkpoints: await checkpointsAt(parts.checkpoints) }),
    notice: (text) => parts.notice?.(text),
    guarantee: 'exactly-once',
    cacheBytesMax: parts.stateCacheMb * 1024 * 1024,
    schemas: null,
    policies: parts.policies ?? DEFAULT_POLICIES,
    commitIntervalMs: parts.commitIntervalMs,
    live: parts.live,
    committed: (tookMs) => parts.committed?.(tookMs),
    idleTimeoutMs: parts.live ? IDLE_TIMEOUT_MS : null,
    watermarksTopic: names.watermarks,
    changelogTopic: (store) => names.changelog(spec.id, store),
    prepare: (values) => codec.reader.prepare(values),
    decodeWatermarks: (value) => marksOf(codec, value),
    deadLetterRecord: (letter) => deadLetterRecord(codec, names, letter, spec.id, letterHeaders, clock.nowMs()),
    watermarkRecord: (writer, marks) => ({
      topic: names.watermarks,
      partition: 0,
      timestampMs: clock.nowMs(),
      key: Buffer.from(writer),
      value: codec.encode('Watermarks', { writer, marks }),
    }),
  };
}

async function checkpointsAt({
  place,
  s3Endpoint,
  intervalMs,
}: CheckpointSettings): Promise<NonNullable<ApplicationOptions['checkpoints']>> {
  return { storage: await storageAt(place, { endpoint: s3Endpoint, region: null }), intervalMs };
}

/** A foreign record in the topic of marks says nothing. */
function marksOf(codec: EventCodec, value: Buffer): Watermarks['marks'] {
  try {
    const { name, value: event } = codec.reader.decode(value);
    return name === 'Watermarks' ? (event as Watermarks).marks : [];
  } catch (failure) {
    if (failure instanceof Failure && failure.code === 'undecodable_record') return [];
    throw failure;
  }
}

export function deadLetterRecord(
  codec: EventCodec,
  names: TopicNames,
  { record, failure, stage }: DeadLettered,
  processor: string,
  headers: ReturnType<typeof headerMaker>,
  nowMs: number,
) {
  const value = codec.encode('DeadLetter', {
    source_topic: record.topic,
    source_partition: record.partition,
    source_offset: record.offset,
    source_timestamp: record.timestampMs,
    key: record.key,
    value: record.value,
    headers: Object.fromEntries(record.headers.map((header) => [header.key, header.value])),
    stage,
    code: failure.code,
    field: failure.field,
    reason: failure.advice,
    processor,
  });
  const id = `${record.topic}/${record.partition}/${record.offset}`;
  return {
    topic: names.deadLetters,
    partition: 0,
    timestampMs: nowMs,
    key: Buffer.from(record.topic),
    value,
    headers: headers(id, nowMs),
  };
}
