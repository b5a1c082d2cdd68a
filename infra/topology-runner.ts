// Runs a declared topology against the log that the settings name: one instance per call, in this thread.
import { join } from 'node:path';
import { Application } from '../streams/application.ts';
import { requirePartitions } from '../streams/check-topics.ts';
import { compile } from '../streams/builder/compile.ts';
import { type DeclaredTopology } from '../streams/builder/declaration.ts';
import { Failure } from '../schemas/failure.ts';
import { type Connections } from './connect.ts';
import { engineOptions } from './roles/engine-options.ts';
import { type Settings, instanceName } from './settings.ts';
import { systemClock } from './clock.ts';

export interface RunOptions {
  /** tells instances apart, and names the state folder; the same again after a restart */
  readonly instance: string;
  readonly guarantee: 'exactly-once' | 'at-least-once';
  /** told what the one who runs it may want to know */
  notice?(text: string): void;
  /** told how long each commit took */
  committed?(tookMs: number): void;
}

/** What a thread of a topology is given. */
export interface TopologyThread extends Omit<RunOptions, 'committed' | 'notice'> {
  /** address of the module whose default export is the topology */
  readonly module: string;
}

/** The topology that a module exports. @throws Failure where it exports none */
export async function loadTopology(module: string): Promise<DeclaredTopology> {
  const { default: declared } = (await import(module)) as { default?: DeclaredTopology };
  if (declared?.id === undefined || declared.sources === undefined)
    throw new Failure('invalid_definition', `${module} exports no topology.`, {
      field: 'FILE',
      fix: 'Write `export default topology(…)`.',
    });
  return declared;
}

/** Makes the internal topics, joins the group, and comes back when the instance runs. @throws Failure where a topic is missing */
export async function runTopology(
  declared: DeclaredTopology,
  connections: Connections,
  settings: Settings,
  { instance, guarantee, notice, committed }: RunOptions,
): Promise<Application> {
  const { log, codec, topics } = connections;
  const name = instanceName(settings, instance);
  const admin = log.admin();
  const wanted = [
    ...declared.sources.filter(({ isInternal }) => !isInternal).map(({ topic }) => topic),
    ...declared.direct.flatMap(({ topic, outputTopic }) => [topic, outputTopic]),
  ];
  const partitions = await admin.partitionsOf(wanted);
  const missing = wanted.find((topic) => !partitions.has(topic));
  if (missing !== undefined)
    throw new Failure('unknown_name', `The topic ${missing} does not exist.`, {
      field: 'topic',
      fix: 'Create it first: only internal topics are made for you.',
    });
  const compiled = compile(declared, {
    partitions,
    internalTopic: (name) => topics.repartition(name),
    changelogTopic: (application, store) => topics.changelog(application, store),
  });
  requirePartitions(compiled.topics, await admin.partitionsOf(compiled.topics.map(({ name }) => name)));
  await admin.ensureTopics(compiled.topics);
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
      stateCacheMb: settings.stateCacheMb,
      commitIntervalMs: settings.commitIntervalMs,
      live: settings.time === 'live',
      checkpoints: settings.checkpoints,
      ...(notice === undefined ? {} : { notice }),
      ...(committed === undefined ? {} : { committed }),
    },
    compiled.spec,
  );
  const application = new Application({ ...options, guarantee, schemas: connections.registry });
  await application.start();
  return application;
}
