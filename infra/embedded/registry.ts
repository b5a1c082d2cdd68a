// Apicurio Registry on this machine, its schemas kept in Kafka.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { systemClock } from '../clock.ts';
import { Failure } from '../../schemas/failure.ts';
import { Child, type ChildOptions, requireFreePort } from './child.ts';

export interface RegistryOptions {
  readonly home: string;
  readonly logFile: string;
  readonly host: string;
  readonly port: number;
  readonly java: string;
  readonly brokers: string;
  /** told apart from plain starting by whoever must know all its processes */
  readonly spawn?: (options: ChildOptions) => Child;
}

export interface RunningRegistry {
  readonly child: Child;
  ready(): Promise<void>;
  stop(): Promise<void>;
}

/** An argument that tells whose it is: it keeps its data in Kafka, so that no other names a folder of ours. */
export function registryMark(logFile: string): string {
  return `-Dmillrace.log=${logFile}`;
}

const START_WAIT_MS = 90_000;
const STEP_MS = 100;

/** @throws Failure `port_in_use` */
export async function startRegistry({
  home,
  logFile,
  host,
  port,
  java,
  brokers,
  spawn,
}: RegistryOptions): Promise<RunningRegistry> {
  await requireFreePort(host, port, 'MILLRACE_REGISTRY_PORT');
  const jar = readdirSync(home).find((name) => name.endsWith('-runner.jar'));
  if (jar === undefined)
    throw new Failure('missing_tool', `There is no schema registry in ${home}.`, {
      fix: 'Run `npm start` once: it fetches it.',
    });
  const child = (spawn ?? ((options) => new Child(options)))({
    command: java,
    arguments: [
      '-Xmx256m',
      '-XX:+UseSerialGC',
      '-XX:TieredStopAtLevel=1',
      `-Dquarkus.http.host=${host}`,
      `-Dquarkus.http.port=${port}`,
      '-Dquarkus.log.level=WARN',
      '-Dapicurio.storage.kind=kafkasql',
      `-Dapicurio.kafkasql.bootstrap.servers=${brokers}`,
      registryMark(logFile),
      '-jar',
      join(home, jar),
    ],
    logFile,
  });
  return { child, ready: () => ready(child, `http://${host}:${port}`, logFile), stop: () => child.stop(5000) };
}

async function ready(child: Child, url: string, logFile: string): Promise<void> {
  const untilMs = systemClock.monotonicMs() + START_WAIT_MS;
  for (;;) {
    const answer = await fetch(`${url}/apis/ccompat/v7/subjects`).catch(() => null);
    if (answer?.status === 200) return;
    if (child.ended || systemClock.monotonicMs() > untilMs)
      throw new Failure('not_ready', 'The schema registry did not start.', { fix: `See ${logFile}.` });
    await systemClock.sleep(STEP_MS);
  }
}
