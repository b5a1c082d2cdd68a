// Every setting, read and checked in one place: the environment first, then millrace.yaml in the working folder.
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { isIP } from 'node:net';
import { join, resolve } from 'node:path';
import type { parse as parseYaml } from 'yaml';
import { Failure } from '../schemas/failure.ts';
import { nearest } from '../schemas/reading.ts';

export interface Settings {
  readonly dataDir: string;
  readonly host: string;
  readonly httpPort: number;
  readonly kafkaPort: number;
  readonly registryPort: number;
  readonly clickhousePort: number;
  /** null: the embedded part is started */
  readonly kafkaBrokers: readonly string[] | null;
  readonly kafkaTls: {
    readonly ca?: string;
    readonly cert?: string;
    readonly key?: string;
    readonly rejectUnauthorized: boolean;
  } | null;
  readonly kafkaSasl: {
    readonly mechanism: 'PLAIN' | 'SCRAM-SHA-256' | 'SCRAM-SHA-512';
    readonly username: string;
    readonly password: string;
  } | null;
  readonly schemaRegistryUrl: string | null;
  readonly clickhouseUrl: string | null;
  readonly topicPrefix: string;
  readonly partitions: number;
  readonly featureWorkers: number;
  readonly scoringWorkers: number;
  readonly commitIntervalMs: number;
  /** names this machine, or pod, among others that run the same; '' where there is only one */
  readonly instance: string;
  /** copies of each state besides the one that is worked on; null: as Kafka has it for the group */
  readonly standbyReplicas: number | null;
  /** decoded state that an application keeps in memory, in each of its processes */
  readonly stateCacheMb: number;
  /** where checkpoints of states go; null: nowhere */
  readonly checkpoints: CheckpointSettings | null;
  /** where other machines read the states of this one's instances; null: nowhere, they are read in this data folder only */
  readonly stateListener: StateListenerSettings | null;
  /** what other machines must show to read states here, and are shown; null: none are asked */
  readonly stateToken: string | null;
  /** event: inputs are merged by event time (replay); live: taken as they arrive */
  readonly time: 'event' | 'live';
  readonly device: 'cpu' | 'cuda';
  readonly logLevel: string;
  readonly workspace: string;
  readonly java: string;
  readonly python: string;
  readonly kafkaLibs: string;
  readonly registryHome: string;
  readonly kafkaHeapMb: number;
}

export interface CheckpointSettings {
  /** `file:///path` or `s3://bucket/prefix` */
  readonly place: string;
  /** another server than Amazon's; null: as the SDK finds it */
  readonly s3Endpoint: string | null;
  readonly intervalMs: number;
}

export interface StateListenerSettings {
  /** the host by which others reach this machine */
  readonly advertisedHost: string;
  /** where it listens; null: on all addresses of this machine */
  readonly host: string | null;
  /** the first that is tried; 0: one that the system chooses */
  readonly port: number;
}

interface Known {
  readonly name: string;
  readonly otherwise: string;
}

export const KNOWN = [
  { name: 'MILLRACE_DATA_DIR', otherwise: '.millrace' },
  { name: 'MILLRACE_CACHE_DIR', otherwise: '' },
  { name: 'MILLRACE_HOST', otherwise: '127.0.0.1' },
  { name: 'MILLRACE_HTTP_PORT', otherwise: '8080' },
  { name: 'MILLRACE_GRPC_PORT', otherwise: '8001' },
  { name: 'MILLRACE_KAFKA_PORT', otherwise: '9092' },
  { name: 'MILLRACE_REGISTRY_PORT', otherwise: '8081' },
  { name: 'MILLRACE_CLICKHOUSE_PORT', otherwise: '8123' },
  { name: 'MILLRACE_TOPIC_PREFIX', otherwise: 'millrace.' },
  { name: 'MILLRACE_PARTITIONS', otherwise: '4' },
  { name: 'MILLRACE_FEATURE_WORKERS', otherwise: '1' },
  { name: 'MILLRACE_SCORING_WORKERS', otherwise: '1' },
  { name: 'MILLRACE_COMMIT_INTERVAL_MS', otherwise: '100' },
  { name: 'MILLRACE_TIME', otherwise: 'live' },
  { name: 'MILLRACE_DEVICE', otherwise: 'cpu' },
  { name: 'MILLRACE_LOG_LEVEL', otherwise: 'info' },
  { name: 'MILLRACE_WORKSPACE', otherwise: 'default' },
  { name: 'MILLRACE_JAVA', otherwise: 'java' },
  { name: 'MILLRACE_PYTHON', otherwise: 'python3' },
  { name: 'MILLRACE_KAFKA_LIBS', otherwise: '' },
  { name: 'MILLRACE_REGISTRY_HOME', otherwise: '' },
  { name: 'MILLRACE_KAFKA_HEAP_MB', otherwise: '768' },
  { name: 'MILLRACE_INSTALL_S', otherwise: '' },
  { name: 'MILLRACE_INSTANCE', otherwise: '' },
  { name: 'MILLRACE_STANDBY_REPLICAS', otherwise: '' },
  { name: 'MILLRACE_STATE_CACHE_MB', otherwise: '64' },
  { name: 'MILLRACE_CHECKPOINTS', otherwise: '' },
  { name: 'MILLRACE_CHECKPOINTS_S3_ENDPOINT', otherwise: '' },
  { name: 'MILLRACE_CHECKPOINT_INTERVAL_MS', otherwise: '300000' },
  { name: 'MILLRACE_ADVERTISED_HOST', otherwise: '' },
  { name: 'MILLRACE_STATE_HOST', otherwise: '' },
  { name: 'MILLRACE_STATE_PORT', otherwise: '0' },
  { name: 'MILLRACE_STATE_TOKEN', otherwise: '' },
  { name: 'KAFKA_BROKERS', otherwise: '' },
  { name: 'KAFKA_TLS', otherwise: 'false' },
  { name: 'KAFKA_TLS_CA_FILE', otherwise: '' },
  { name: 'KAFKA_TLS_CERT_FILE', otherwise: '' },
  { name: 'KAFKA_TLS_KEY_FILE', otherwise: '' },
  { name: 'KAFKA_TLS_INSECURE', otherwise: 'false' },
  { name: 'KAFKA_SASL_MECHANISM', otherwise: '' },
  { name: 'KAFKA_SASL_USERNAME', otherwise: '' },
  { name: 'KAFKA_SASL_PASSWORD', otherwise: '' },
  { name: 'SCHEMA_REGISTRY_URL', otherwise: '' },
  { name: 'CLICKHOUSE_URL', otherwise: '' },
] as const satisfies readonly Known[];

type Name = (typeof KNOWN)[number]['name'];

function wrong(name: string, problem: string, fix: string): Failure {
  return new Failure('invalid_field', `${name} ${problem}`, { field: name, fix });
}

/** An address as it may be shown: without its user and password. */
export function shownUrl(address: string): string {
  return address.replace(/\/\/[^/]*@/, '//***@');
}

class Reading {
  readonly #environment: Readonly<Record<string, string | undefined>>;
  readonly #file: Readonly<Record<string, unknown>>;

  constructor(environment: Readonly<Record<string, string | undefined>>, file: Readonly<Record<string, unknown>>) {
    this.#environment = environment;
    this.#file = file;
  }

  text(name: Name): string {
    const given = this.#environment[name] ?? this.#file[name];
    if (given === undefined || given === null || given === '')
      return KNOWN.find((known) => known.name === name)?.otherwise ?? '';
    return typeof given === 'string' ? given : JSON.stringify(given);
  }

  integer(name: Name, min: number, max: number): number {
    const text = this.text(name);
    const value = Number(text);
    if (!Number.isInteger(value) || value < min || value > max)
      throw wrong(name, `is ${text}.`, `Give a whole number from ${min} to ${max}.`);
    return value;
  }

  choice<T extends string>(name: Name, choices: readonly T[]): T {
    const text = this.text(name);
    const chosen = choices.find((choice) => choice === text);
    if (chosen === undefined) throw wrong(name, `is ${text}.`, `Give one of: ${choices.join(', ')}.`);
    return chosen;
  }

  url(name: Name): string | null {
    const text = this.text(name);
    if (text === '') return null;
    if (!URL.canParse(text) || !/^https?:/.test(text))
      throw wrong(name, `is ${shownUrl(text)}, no address.`, 'Give http://host:port or https://host:port.');
    return text.replace(/\/$/, '');
  }

  fileText(name: Name): string | null {
    const path = this.text(name);
    if (path === '') return null;
    if (!existsSync(path)) throw wrong(name, `names ${path}, which does not exist.`, 'Give the path of a PEM file.');
    return readFileSync(path, 'utf8');
  }
}

function readFile(path: string): Readonly<Record<string, unknown>> {
  if (!existsSync(path)) return {};
  // its 70 modules are loaded only by who has such a file
  const { parse } = createRequire(import.meta.url)('yaml') as { parse: typeof parseYaml };
  let value: unknown;
  try {
    value = parse(readFileSync(path, 'utf8'));
  } catch (cause) {
    throw wrong(path, `is no YAML: ${String(cause).split('\n')[0]}`, 'Write lines such as `MILLRACE_HTTP_PORT: 8080`.');
  }
  if (value === null || value === undefined) return {};
  if (typeof value !== 'object' || Array.isArray(value))
    throw wrong(path, 'holds no settings.', 'Write lines such as `MILLRACE_HTTP_PORT: 8080`.');
  return value as Readonly<Record<string, unknown>>;
}

function checkNames(names: readonly string[], from: string): void {
  const known: readonly string[] = KNOWN.map(({ name }) => name);
  for (const name of names) {
    if (known.includes(name)) continue;
    const near = nearest(name, known);
    throw wrong(
      name,
      `(in ${from}) is no setting.`,
      near === null ? 'Remove it; `millrace doctor` lists the settings.' : `Did you mean ${near}?`,
    );
  }
}

/** @throws Failure naming the setting and the fix */
export function readSettings(
  environment: Readonly<Record<string, string | undefined>> = process.env,
  folder = process.cwd(),
): Settings {
  const path = join(folder, 'millrace.yaml');
  const file = readFile(path);
  checkNames(Object.keys(file), path);
  // the bootstrap and the entry need it before there is anything that reads YAML (infra/setup/cache-folder.mjs)
  if ('MILLRACE_CACHE_DIR' in file)
    throw wrong('MILLRACE_CACHE_DIR', `stands in ${path}, which is not read for it.`, 'Set it in the environment.');
  checkNames(
    Object.keys(environment).filter((name) => name.startsWith('MILLRACE_') && !name.startsWith('MILLRACE_TEST_')),
    'the environment',
  );
  const read = new Reading(environment, file);
  const brokers = read.text('KAFKA_BROKERS');
  const settings: Settings = {
    dataDir: resolve(folder, read.text('MILLRACE_DATA_DIR')),
    host: read.text('MILLRACE_HOST'),
    httpPort: read.integer('MILLRACE_HTTP_PORT', 1, 65535),
    kafkaPort: read.integer('MILLRACE_KAFKA_PORT', 1, 65535),
    registryPort: read.integer('MILLRACE_REGISTRY_PORT', 1, 65535),
    clickhousePort: read.integer('MILLRACE_CLICKHOUSE_PORT', 1, 65535),
    kafkaBrokers: brokers === '' ? null : brokers.split(',').map((broker) => broker.trim()),
    kafkaTls: readTls(read),
    kafkaSasl: readSasl(read),
    schemaRegistryUrl: read.url('SCHEMA_REGISTRY_URL'),
    clickhouseUrl: read.url('CLICKHOUSE_URL'),
    topicPrefix: read.text('MILLRACE_TOPIC_PREFIX'),
    partitions: read.integer('MILLRACE_PARTITIONS', 1, 1000),
    featureWorkers: read.integer('MILLRACE_FEATURE_WORKERS', 1, 64),
    scoringWorkers: read.integer('MILLRACE_SCORING_WORKERS', 1, 64),
    commitIntervalMs: read.integer('MILLRACE_COMMIT_INTERVAL_MS', 1, 60_000),
    instance: readInstance(read),
    standbyReplicas:
      read.text('MILLRACE_STANDBY_REPLICAS') === '' ? null : read.integer('MILLRACE_STANDBY_REPLICAS', 0, 10),
    stateCacheMb: read.integer('MILLRACE_STATE_CACHE_MB', 1, 65_536),
    checkpoints: readCheckpoints(read),
    ...readStateAccess(read),
    time: read.choice('MILLRACE_TIME', ['live', 'event']),
    device: read.choice('MILLRACE_DEVICE', ['cpu', 'cuda']),
    logLevel: read.choice('MILLRACE_LOG_LEVEL', ['trace', 'debug', 'info', 'warn', 'error', 'silent']),
    workspace: read.text('MILLRACE_WORKSPACE'),
    java: read.text('MILLRACE_JAVA'),
    python: read.text('MILLRACE_PYTHON'),
    kafkaLibs: read.text('MILLRACE_KAFKA_LIBS'),
    registryHome: read.text('MILLRACE_REGISTRY_HOME'),
    kafkaHeapMb: read.integer('MILLRACE_KAFKA_HEAP_MB', 256, 65_536),
  };
  // nothing listens there yet, but a wrong value is told of all the same
  const grpcPort = read.integer('MILLRACE_GRPC_PORT', 1, 65535);
  requireLoopback(settings);
  requireOwnPorts(settings, grpcPort);
  return settings;
}

function readCheckpoints(read: Reading): CheckpointSettings | null {
  const place = read.text('MILLRACE_CHECKPOINTS');
  const s3Endpoint = read.url('MILLRACE_CHECKPOINTS_S3_ENDPOINT');
  // two must be taken while one is young enough to be used, which is a day at most
  const intervalMs = read.integer('MILLRACE_CHECKPOINT_INTERVAL_MS', 100, 36_000_000);
  if (place === '') return null;
  if (!/^(file:\/\/\/.|s3:\/\/.)/.test(place))
    throw wrong('MILLRACE_CHECKPOINTS', `is ${place}.`, 'Give file:///path or s3://bucket/prefix.');
  return { place, s3Endpoint, intervalMs };
}

// No message holds the token.
function readStateAccess(read: Reading): Pick<Settings, 'stateListener' | 'stateToken'> {
  const advertisedHost = read.text('MILLRACE_ADVERTISED_HOST');
  const host = read.text('MILLRACE_STATE_HOST');
  const port = read.integer('MILLRACE_STATE_PORT', 0, 65535);
  const token = read.text('MILLRACE_STATE_TOKEN');
  // it travels in a header
  if (token !== '' && !/^[\x21-\x7e]{16,}$/.test(token))
    throw wrong(
      'MILLRACE_STATE_TOKEN',
      'is too short, or has blanks or other than ASCII in it.',
      'Give 16 characters or more, such as `openssl rand -hex 32` prints.',
    );
  if (advertisedHost === '') return { stateListener: null, stateToken: token === '' ? null : token };
  if (!/^[\w.:-]+$/.test(advertisedHost))
    throw wrong('MILLRACE_ADVERTISED_HOST', `is ${advertisedHost}.`, 'Give a name or an address, without a port.');
  if (token === '')
    throw wrong(
      'MILLRACE_STATE_TOKEN',
      'is missing, and MILLRACE_ADVERTISED_HOST lets others reach the states here.',
      'Give the same token to all instances, such as `openssl rand -hex 32` prints.',
    );
  // a name may mean an address that only this machine knows
  const listensAt = host !== '' ? host : isIP(advertisedHost) > 0 ? advertisedHost : null;
  return { stateListener: { advertisedHost, host: listensAt, port }, stateToken: token };
}

// part of folder names, transactional ids and group instance ids
function readInstance(read: Reading): string {
  const name = read.text('MILLRACE_INSTANCE');
  if (!/^[\w.-]{0,100}$/.test(name))
    throw wrong('MILLRACE_INSTANCE', `is ${name}.`, 'Give letters, digits, dots, dashes and underscores, at most 100.');
  return name;
}

/** @param copy tells copies apart that run on one machine */
export function instanceName({ instance }: Pick<Settings, 'instance'>, copy: string): string {
  return instance === '' ? copy : `${instance}-${copy}`;
}

function readTls(read: Reading): Settings['kafkaTls'] {
  if (read.choice('KAFKA_TLS', ['false', 'true']) === 'false') return null;
  const [ca, cert, key] = [
    read.fileText('KAFKA_TLS_CA_FILE'),
    read.fileText('KAFKA_TLS_CERT_FILE'),
    read.fileText('KAFKA_TLS_KEY_FILE'),
  ];
  return {
    rejectUnauthorized: read.choice('KAFKA_TLS_INSECURE', ['false', 'true']) === 'false',
    ...(ca === null ? {} : { ca }),
    ...(cert === null ? {} : { cert }),
    ...(key === null ? {} : { key }),
  };
}

function readSasl(read: Reading): Settings['kafkaSasl'] {
  if (read.text('KAFKA_SASL_MECHANISM') === '') return null;
  const mechanism = read.choice('KAFKA_SASL_MECHANISM', ['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512']);
  const [username, password] = [read.text('KAFKA_SASL_USERNAME'), read.text('KAFKA_SASL_PASSWORD')];
  if (username === '' || password === '')
    throw wrong(
      'KAFKA_SASL_USERNAME',
      'or KAFKA_SASL_PASSWORD is missing.',
      'Give both, since KAFKA_SASL_MECHANISM is set.',
    );
  return { mechanism, username, password };
}

/** Two parts on one port: the second would say that another program has it. */
function requireOwnPorts(settings: Settings, grpcPort: number): void {
  const ports: readonly (readonly [Name, number, boolean])[] = [
    ['MILLRACE_HTTP_PORT', settings.httpPort, true],
    ['MILLRACE_GRPC_PORT', grpcPort, true],
    ['MILLRACE_KAFKA_PORT', settings.kafkaPort, settings.kafkaBrokers === null],
    ['MILLRACE_REGISTRY_PORT', settings.registryPort, settings.schemaRegistryUrl === null],
    ['MILLRACE_CLICKHOUSE_PORT', settings.clickhousePort, settings.clickhouseUrl === null],
  ];
  const taken = new Map<number, Name>();
  for (const [name, port, isUsed] of ports) {
    const other = taken.get(port);
    if (isUsed && other !== undefined)
      throw wrong(name, `is ${port}, which is ${other} too.`, 'Give each its own port.');
    if (isUsed) taken.set(port, name);
  }
}

// There is no authentication yet: reaching it from elsewhere would let anybody promote a model.
function requireLoopback({ host }: Settings): void {
  if (!['127.0.0.1', 'localhost', '::1'].includes(host)) {
    throw wrong(
      'MILLRACE_HOST',
      `is ${host}, which others can reach, and no authentication is configured.`,
      'Use 127.0.0.1, and put an authenticating proxy in front where others need access.',
    );
  }
}

export function brokersOf(settings: Settings): readonly string[] {
  return settings.kafkaBrokers ?? [`${settings.host}:${settings.kafkaPort}`];
}

export function registryUrlOf(settings: Settings): string {
  return settings.schemaRegistryUrl ?? `http://${settings.host}:${settings.registryPort}/apis/ccompat/v7`;
}

export function clickhouseUrlOf(settings: Settings): string {
  return settings.clickhouseUrl ?? `http://${settings.host}:${settings.clickhousePort}`;
}

export const SETTING_NAMES: readonly string[] = KNOWN.map(({ name }) => name);
