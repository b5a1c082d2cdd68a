// Runs a declared topology against the log that the settings name: one instance per call, in this thread.
import { join } from 'node:path';
import { Application } from '../streams/application.ts';
import { requirePartitions } from '../streams/check-topics.ts';
import { type CompiledTopology, compile } from '../streams/builder/compile.ts';
import { type DeclaredTopology } from '../streams/builder/declaration.ts';
import { type LogAdmin, type MemberAddress } from '../streams/log.ts';
import { controlTopics } from '../streams/topology.ts';
import { type FailurePolicies, readPolicies } from '../streams/failure-policies.ts';
import { Failure } from '../schemas/failure.ts';
import { type Connections } from './connect.ts';
import { engineOptions } from './roles/engine-options.ts';
import { type Settings, instanceName } from './settings.ts';
import { systemClock } from './clock.ts';

export interface RunOptions {
  /** tells instances apart, and names the state folder; the same again after a restart */
  readonly instance: string;
  readonly guarantee: 'exactly-once' | 'at-least-once';
  /** makes the sources and outputs that are not there, with as many partitions as the settings say; absent: refuses */
  readonly createTopics?: boolean;
  /** where other machines reach this process's states; null, or absent: nowhere */
  readonly address?: MemberAddress | null;
  /** instead of what the topology declares, for this run */
  readonly failures?: Partial<FailurePolicies>;
  /** told what the one who runs it may want to know */
  notice?(text: string): void;
  /** told how long each commit took */
  committed?(tookMs: number): void;
}

/** What a thread of a topology is given. */
export interface TopologyThread extends Omit<RunOptions, 'address' | 'committed' | 'notice'> {
  /** address of the module whose default export is the topology */
  readonly module: string;
}

/** The topology that a module exports. @throws Failure where it exports none, or imports what is not there */
export async function loadTopology(module: string): Promise<DeclaredTopology> {
  const { default: declared } = await imported(module);
  if (declared?.id === undefined || declared.sources === undefined)
    throw new Failure('invalid_definition', `${module} exports no topology.`, {
      field: 'FILE',
      fix: 'Write `export default topology(…)`.',
    });
  return declared;
}

/** Topics that others read: what it writes but for its internal topics. */
function outputsOf({ spec, topics }: CompiledTopology): string[] {
  const internal = new Set(topics.map(({ name }) => name));
  const written = spec.subTopologies.flatMap(({ outputTopics = [] }) => outputTopics);
  return [...new Set(written)].filter((topic) => !internal.has(topic));
}

/** @param made partitions of those that are not there, and are made; null: none is. @throws Failure `unknown_name` */
async function partitionsOf(
  admin: LogAdmin,
  topics: readonly string[],
  made: number | null,
): Promise<ReadonlyMap<string, number>> {
  if (made !== null) await admin.ensureTopics(topics.map((name) => ({ name, partitions: made, config: {} })));
  const partitions = await admin.partitionsOf(topics);
  const missing = topics.find((topic) => !partitions.has(topic));
  if (missing === undefined) return partitions;
  throw new Failure('unknown_name', `The topic ${missing} does not exist.`, {
    field: 'topic',
    fix: 'Create it, or say --create-topics: without it only internal topics are made for you.',
  });
}

async function imported(module: string): Promise<{ default?: DeclaredTopology }> {
  try {
    return (await import(module)) as { default?: DeclaredTopology };
  } catch (cause) {
    if (!(cause instanceof Error && 'code' in cause && cause.code === 'ERR_MODULE_NOT_FOUND')) throw cause;
    throw new Failure('invalid_definition', `${cause.message}.`, {
      field: 'FILE',
      fix: 'Outside of the folder of Millrace: `npm install FOLDER_OF_MILLRACE` there, and import from `millrace/streams/…`.',
      cause,
    });
  }
}

/** Makes the internal topics, joins the group, and comes back when the instance runs. @throws Failure where a topic is missing */
export async function runTopology(
  declared: DeclaredTopology,
  connections: Connections,
  settings: Settings,
  { instance, guarantee, createTopics = false, address = null, failures = {}, notice, committed }: RunOptions,
): Promise<Application> {
  const { log, codec, topics } = connections;
  const name = instanceName(settings, instance);
  const admin = log.admin();
  const made = createTopics ? settings.partitions : null;
  const sources = [
    ...declared.sources.filter(({ isInternal }) => !isInternal).map(({ topic }) => topic),
    ...declared.direct.flatMap(({ topic, outputTopic }) => [topic, outputTopic]),
  ];
  const partitions = await partitionsOf(admin, sources, made);
  const compiled = compile(declared, {
    partitions,
    internalTopic: (name) => topics.repartition(name),
    changelogTopic: (application, store) => topics.changelog(application, store),
  });
  requirePartitions(compiled.topics, await admin.partitionsOf(compiled.topics.map(({ name }) => name)));
  await partitionsOf(admin, outputsOf(compiled), made);
  const shared: readonly string[] = [topics.watermarks, topics.deadLetters];
  await admin.ensureTopics([...compiled.topics, ...controlTopics(topics).filter(({ name }) => shared.includes(name))]);
  await admin.close();
  const options = await engineOptions(
    {
      log,
      clock: systemClock,
      codec,
      names: topics,
      stateDir: join(settings.dataDir, 'state', `${declared.id}-${name}`),
      role: declared.id,
      instance: name,
      standbyReplicas: settings.standbyReplicas,
      address,
      stateCacheMb: settings.stateCacheMb,
      commitIntervalMs: settings.commitIntervalMs,
      live: settings.time === 'live',
      checkpoints: settings.checkpoints,
      policies: readPolicies('failures', failures, declared.failures),
      ...(notice === undefined ? {} : { notice }),
      ...(committed === undefined ? {} : { committed }),
    },
    compiled.spec,
  );
  const application = new Application({ ...options, guarantee, schemas: connections.registry });
  await application.start();
  return application;
}
