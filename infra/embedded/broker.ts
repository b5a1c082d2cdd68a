// Apache Kafka as one KRaft node on this machine, from its released jars.
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Failure } from '../../schemas/failure.ts';
import { diskFull, isDiskFull } from '../disk-space.ts';
import { Child, type ChildOptions, freePort, requireFreePort, waitForPort } from './child.ts';

export interface BrokerOptions {
  readonly dataDir: string;
  readonly libsDir: string;
  readonly logFile: string;
  readonly host: string;
  readonly port: number;
  readonly java: string;
  readonly heapMb: number;
  /** told apart from plain starting by whoever must know all its processes */
  readonly spawn?: (options: ChildOptions) => Child;
}

export interface RunningBroker {
  readonly address: string;
  readonly child: Child;
  stop(): Promise<void>;
}

const CLUSTER_ID = 'bWlsbHJhY2UtY2x1c3Rlcg';
/** On a busy machine up to 20 s were seen (FACTS.md). */
const START_WAIT_MS = 60_000;
const STOP_GRACE_MS = 15_000;

/** One classpath entry per jar, in a fixed order. */
function classpath(libsDir: string): string {
  return readdirSync(libsDir)
    .filter((name) => name.endsWith('.jar'))
    .sort()
    .map((name) => join(libsDir, name))
    .join(':');
}

function properties({ dataDir, host, port }: BrokerOptions, controllerPort: number): string {
  return Object.entries({
    'process.roles': 'broker,controller',
    'node.id': '1',
    'controller.quorum.voters': `1@127.0.0.1:${controllerPort}`,
    listeners: `PLAINTEXT://${host}:${port},CONTROLLER://127.0.0.1:${controllerPort}`,
    'advertised.listeners': `PLAINTEXT://${host}:${port}`,
    'inter.broker.listener.name': 'PLAINTEXT',
    'controller.listener.names': 'CONTROLLER',
    'listener.security.protocol.map': 'CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT',
    'log.dirs': join(dataDir, 'log'),
    'num.partitions': '4',
    'auto.create.topics.enable': 'false',
    // one node: without these transactions and groups fail
    'offsets.topic.replication.factor': '1',
    'offsets.topic.num.partitions': '8',
    'transaction.state.log.replication.factor': '1',
    'transaction.state.log.min.isr': '1',
    'transaction.state.log.num.partitions': '8',
    'share.coordinator.state.topic.replication.factor': '1',
    'share.coordinator.state.topic.min.isr': '1',
    // a killed broker's registration must expire before it is let in again
    'broker.session.timeout.ms': '2000',
    'broker.heartbeat.interval.ms': '500',
    'group.initial.rebalance.delay.ms': '0',
    // a killed instance is noticed within 6 s
    'group.consumer.heartbeat.interval.ms': '1000',
    'group.consumer.min.heartbeat.interval.ms': '500',
    'group.consumer.session.timeout.ms': '6000',
    'group.consumer.min.session.timeout.ms': '3000',
    'log.retention.ms': '-1',
    'group.streams.heartbeat.interval.ms': '1000',
    'group.streams.min.heartbeat.interval.ms': '500',
    'group.streams.session.timeout.ms': '6000',
    'group.streams.min.session.timeout.ms': '3000',
    'group.streams.initial.rebalance.delay.ms': '0',
    'group.streams.assignment.interval.ms': '0',
    'group.consumer.assignment.interval.ms': '0',
    // what a killed instance left open is aborted soon after its time is over
    'transaction.abort.timed.out.transaction.cleanup.interval.ms': '1000',
    // event times of years past: segments must not be rolled by them
    'log.roll.ms': '3153600000000',
    'log.message.timestamp.after.max.ms': '9223372036854775807',
    'log.segment.bytes': '268435456',
    'log.cleaner.dedupe.buffer.size': '33554432',
    'num.network.threads': '2',
    'num.io.threads': '4',
  })
    .map(([key, value]) => `${key}=${value}\n`)
    .join('');
}

const LOGGING = `Configuration:
  Appenders:
    Console:
      name: STDOUT
      PatternLayout: {pattern: "[%d] %p %m (%c)%n"}
  Loggers:
    Root:
      level: WARN
      AppenderRef: {ref: STDOUT}
`;

/** Starts the broker and waits until it listens. @throws Failure `port_in_use`, `missing_tool`, `not_ready` */
export async function startBroker(options: BrokerOptions): Promise<RunningBroker> {
  const { dataDir, libsDir, host, port, java } = options;
  await requireFreePort(host, port, 'MILLRACE_KAFKA_PORT');
  mkdirSync(dataDir, { recursive: true });
  const config = join(dataDir, 'server.properties');
  writeFileSync(config, properties(options, await freePort()));
  const logging = join(dataDir, 'log4j2.yaml');
  writeFileSync(logging, LOGGING);
  const jars = classpath(libsDir);
  if (!existsSync(join(dataDir, 'log', 'meta.properties'))) await format(java, jars, config, logging);
  const child = (options.spawn ?? ((child) => new Child(child)))({
    command: java,
    arguments: [
      `-Xmx${options.heapMb}m`,
      `-Xms${Math.min(256, options.heapMb)}m`,
      '-XX:+UseSerialGC',
      // the second compiler takes more of two cores in the first minutes than its code ever gives back (DECISIONS 28)
      '-XX:TieredStopAtLevel=1',
      '-Xshare:auto',
      `-Dlog4j2.configurationFile=file:${logging}`,
      '-cp',
      jars,
      'kafka.Kafka',
      config,
    ],
    logFile: options.logFile,
  });
  try {
    await waitForPort(child, host, port, START_WAIT_MS, 'Kafka', options.logFile);
  } catch (error) {
    await child.stop(1000);
    throw error;
  }
  return { address: `${host}:${port}`, child, stop: () => child.stop(STOP_GRACE_MS) };
}

async function format(java: string, jars: string, config: string, logging: string): Promise<void> {
  try {
    await promisify(execFile)(java, [
      '-XX:TieredStopAtLevel=1',
      '-XX:+UseSerialGC',
      `-Dlog4j2.configurationFile=file:${logging}`,
      '-cp',
      jars,
      'kafka.tools.StorageTool',
      'format',
      '-t',
      CLUSTER_ID,
      '-c',
      config,
    ]);
  } catch (cause) {
    if (isDiskFull(cause)) throw diskFull("Kafka's data", cause);
    throw new Failure('missing_tool', `Kafka's storage could not be formatted: ${String(cause)}.`, {
      fix: 'Check that Java 17 or newer runs (`java -version`) and that the data folder is writable.',
      cause,
    });
  }
}
