// The job that the peers run (shared/peers/streams), one instance of it. Declared (feature-topology.ts), not hand-written.
import { Application } from '../../streams/application.ts';
import { compile } from '../../streams/builder/compile.ts';
import { DEFAULT_POLICIES } from '../../streams/failure-policies.ts';
import type { NewRecord } from '../../streams/log.ts';
import type { DeadLettered } from '../../streams/task-commit.ts';
import type { SchemaRegistry } from '../../schemas/codec.ts';
import { Failure } from '../../schemas/failure.ts';
import { systemClock } from '../clock.ts';
import { KafkaLog } from '../kafka/kafka-log.ts';
import { rocksStores } from '../rocksdb/rocksdb-stores.ts';
import { type FeatureFormat, type FeatureTopology, featureRowSchema, featureTopology } from './feature-topology.ts';

export interface FeatureJobOptions extends FeatureTopology {
  readonly brokers: readonly string[];
  /** given: Avro in and out, with the schemas of the Confluent-compatible registry at this address; absent: JSON */
  readonly registryUrl?: string;
  readonly guarantee: 'exactly-once' | 'at-least-once';
  readonly commitMs: number;
  /** rows kept in memory, MiB, 64 unless given; the rest is read from RocksDB */
  readonly cacheMb?: number;
  readonly stateDir: string;
  /** the same again after a restart: it takes its predecessor's place and finds its state */
  readonly instance: string;
  readonly standbyReplicas?: number;
  notice?(text: string): void;
}

interface Encoding {
  readonly schemas: SchemaRegistry | null;
  readonly format: FeatureFormat;
}

/** Registers the rows' schema where there is a registry. @throws Failure `unreachable`, `unauthorized` or `conflict` */
async function encodingOf({ registryUrl, output }: FeatureJobOptions): Promise<Encoding> {
  if (registryUrl === undefined) return { schemas: null, format: { format: 'json' } };
  // its client is loaded only by who needs it
  const { HttpSchemaRegistry } = await import('../registry.ts');
  const schemas = new HttpSchemaRegistry(registryUrl, systemClock, '--registry');
  const schemaId = await schemas.register(`${output}-value`, featureRowSchema());
  return { schemas, format: { format: 'avro', schemaId } };
}

/** Without `lateness` a late event is kept beside the rows, as it came: at least once a crash makes some, which are read again. */
function lateRecord({ record, failure }: DeadLettered, topic: string): NewRecord {
  if (failure.code !== 'too_late') throw failure;
  const { timestampMs, key, value, headers } = record;
  return { topic, partition: 0, timestampMs, key, value, headers };
}

/** Starts one instance of the job. */
export async function startFeatureJob(
  options: FeatureJobOptions,
): Promise<{ application: Application; log: KafkaLog }> {
  const { brokers, group, input, output, guarantee, commitMs, stateDir, instance, standbyReplicas } = options;
  const log = new KafkaLog({ brokers, clientId: `feature-job-${instance}`, clock: systemClock });
  const changelogTopic = (store: string): string => `millrace.changelog.${group}.${store}`;
  const admin = log.admin();
  const partitions = await admin.partitionsOf([input, output]);
  if (!partitions.has(input)) throw new Failure('unknown_name', `The topic ${input} does not exist.`);
  const { schemas, format } = await encodingOf(options);
  const { spec, topics } = compile(featureTopology(options, format), {
    partitions,
    internalTopic: (name) => `millrace.repartition.${name}`,
    changelogTopic: (_application, store) => changelogTopic(store),
  });
  const tooLateTopic = `${output}.too-late`;
  await admin.ensureTopics([
    { name: output, partitions: partitions.get(input) ?? 1, config: {} },
    { name: tooLateTopic, partitions: 1, config: {} },
    ...topics,
  ]);
  await admin.close();
  const application = new Application({
    spec,
    log,
    clock: systemClock,
    stores: rocksStores(`${stateDir}/${instance}`),
    instance,
    ...(standbyReplicas === undefined ? {} : { standbyReplicas }),
    notice: (text) => options.notice?.(text),
    guarantee,
    commitIntervalMs: commitMs,
    live: true,
    idleTimeoutMs: null,
    cacheBytesMax: (options.cacheMb ?? 64) * 1024 * 1024,
    schemas,
    policies: { ...DEFAULT_POLICIES, decode: 'stop', process: 'stop' },
    watermarksTopic: null,
    changelogTopic,
    prepare: async () => undefined,
    decodeWatermarks: () => [],
    deadLetterRecord: (letter) => lateRecord(letter, tooLateTopic),
    watermarkRecord: () => {
      throw new Failure('internal', 'This job tells no watermarks.');
    },
  });
  await application.start();
  return { application, log };
}

/** Looks that often: a recovery is told to within it. */
const LOOK_MS = 20;

/** Says when the first tasks are given and when all that are given are at work, for who measures a recovery. */
export function tellRestore(application: Application, say: (line: string) => void): NodeJS.Timeout {
  let atWork = 0;
  let isTold = false;
  return setInterval(() => {
    const { tasks, starting, restoredRecords } = application.status();
    if (!isTold && tasks.length + starting.length > 0) {
      isTold = true;
      say(`restore begins: ${tasks.length + starting.length} tasks`);
    }
    if (starting.length > 0 || tasks.length === atWork) return;
    atWork = tasks.length;
    say(`at work: ${atWork} tasks, ${restoredRecords} changelog records restored`);
  }, LOOK_MS);
}
