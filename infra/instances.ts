// The processes of the platform on this machine, by the files in the run folder that say where each answers.
import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type InstanceReport } from '../serving/console/topology.ts';

/** What a process says of itself once it is ready. */
export interface InstanceFile {
  readonly role: string;
  readonly instance: string;
  readonly pid: number;
  /** of its health, its metrics and its applications, on loopback */
  readonly port: number;
}

/** One that does not answer is busy or gone: others should not wait for it. */
const ANSWER_WITHIN_MS = 2000;

export function writeInstanceFile(path: string, instance: InstanceFile): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(`${path}.part`, JSON.stringify(instance));
  renameSync(`${path}.part`, path);
}

export function removeInstanceFile(path: string): void {
  rmSync(path, { force: true });
}

/** File of an instance of a user's topology; that of a role is the supervisor's to name. */
export function streamFile(dataDir: string, application: string, instance: string): string {
  return join(dataDir, 'run', `stream-${application}-${instance}.json`);
}

export function instancesIn(dataDir: string): InstanceFile[] {
  const folder = join(dataDir, 'run');
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((file) => file.endsWith('.json'))
    .sort()
    .flatMap((file) => {
      const told = JSON.parse(readFileSync(join(folder, file), 'utf8')) as Partial<InstanceFile>;
      return told.port === undefined ? [] : [told as InstanceFile];
    });
}

/** What each process tells of its applications; those that do not answer, and those that run none, are left out. */
export async function reportsOf(dataDir: string): Promise<InstanceReport[]> {
  const answers = await Promise.all(instancesIn(dataDir).map(({ port }) => reportAt(port)));
  return answers.filter((report) => report !== null && report.applications.length > 0) as InstanceReport[];
}

async function reportAt(port: number): Promise<InstanceReport | null> {
  try {
    const answer = await fetch(`http://127.0.0.1:${port}/applications`, {
      signal: AbortSignal.timeout(ANSWER_WITHIN_MS),
    });
    return answer.ok ? ((await answer.json()) as InstanceReport) : null;
  } catch {
    return null;
  }
}
