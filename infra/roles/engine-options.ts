// What every application of the engine shares in this process: log, clock, stores, codecs of the engine's own events.
import { join } from 'node:path';
import { type EventCodec } from '../../schemas/codec.ts';
import { type Watermarks } from '../../schemas/events.generated.ts';
import { type TopicNames } from '../../schemas/topics.ts';
import { Application, type ApplicationOptions } from '../../streams/application.ts';
import { type Clock } from '../../streams/clock.ts';
import { headerMaker } from '../../streams/event-headers.ts';
import { type Log } from '../../streams/log.ts';
import { type ApplicationSpec } from '../../streams/processor.ts';
import { type DeadLettered } from '../../streams/task.ts';
import { rocksStores } from '../rocksdb/rocksdb-stores.ts';

export interface EngineParts {
  readonly log: Log;
  readonly clock: Clock;
  readonly codec: EventCodec;
  readonly names: TopicNames;
  /** `<dataDir>/state/<role>-<instance>` */
  readonly stateDir: string;
  readonly role: string;
  readonly instance: string;
  readonly commitIntervalMs: number;
  readonly live: boolean;
}

/** Without replay, an input without news for this long lets windows go on by the wall clock. */
const IDLE_TIMEOUT_MS = 10_000;

export async function makeApplication(parts: EngineParts, spec: ApplicationSpec): Promise<Application> {
  const { codec, names, clock } = parts;
  await codec.prepare(names.watermarks, ['Watermarks']);
  await codec.prepare(names.deadLetters, ['DeadLetter']);
  const letterHeaders = headerMaker('millrace.DeadLetter', `millrace/${parts.role}`);
  const options: ApplicationOptions = {
    spec,
    log: parts.log,
    clock,
    stores: rocksStores(join(parts.stateDir)),
    instance: parts.instance,
    commitIntervalMs: parts.commitIntervalMs,
    live: parts.live,
    idleTimeoutMs: parts.live ? IDLE_TIMEOUT_MS : null,
    watermarksTopic: names.watermarks,
    changelogTopic: (store) => names.changelog(spec.id, store),
    prepare: (values) => codec.reader.prepare(values),
    decodeWatermarks: (value) => (codec.reader.decode(value).value as Watermarks).marks,
    deadLetterRecord: (letter) => deadLetterRecord(codec, names, letter, spec.id, letterHeaders, clock.nowMs()),
    watermarkRecord: (writer, marks) => ({
      topic: names.watermarks,
      partition: 0,
      timestampMs: clock.nowMs(),
      key: Buffer.from(writer),
      value: codec.encode('Watermarks', { writer, marks }),
    }),
  };
  return new Application(options);
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
