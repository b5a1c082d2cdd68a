// Processes that a killed supervisor has left behind. They are found by the files that it kept of them, and taken for ours only when
// their own arguments name this data folder: the number may belong to another program by now.
import { existsSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { systemClock } from '../clock.ts';
import { registryMark } from '../embedded/registry.ts';
import { signal } from './processes.ts';

/** In the order in which they are ended: who writes before what keeps. */
const LAST: readonly string[] = ['registry', 'clickhouse', 'kafka'];
const GRACE_MS = 10_000;
const STEP_MS = 50;

export interface Leftover {
  readonly name: string;
  readonly pid: number;
}

/** Told before the process is there for others, so that it is found even when the supervisor is killed the next moment. */
export function notePid(dataDir: string, name: string, pid: number): void {
  writeFileSync(join(dataDir, 'run', `${name}.pid`), String(pid));
}

/** An argument that a process of this folder has, and no other. */
function marksOf(dataDir: string, name: string): readonly string[] {
  return [
    join(dataDir, 'run', `${name}.json`),
    join(dataDir, 'kafka', 'server.properties'),
    join(dataDir, 'clickhouse'),
    registryMark(join(dataDir, 'logs', `${name}.log`)),
  ];
}

function isOurs(dataDir: string, { name, pid }: Leftover): boolean {
  try {
    const given = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
    return marksOf(dataDir, name).some((mark) => given.includes(mark));
  } catch {
    return false;
  }
}

export function leftoversIn(dataDir: string): Leftover[] {
  const folder = join(dataDir, 'run');
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((file) => file.endsWith('.pid'))
    .map((file) => ({ name: file.slice(0, -4), pid: Number(readFileSync(join(folder, file), 'utf8')) }))
    .filter((found) => isOurs(dataDir, found));
}

/** Ends them, in order; gives their names. Only for whoever knows that no supervisor runs. */
export async function endLeftovers(dataDir: string, graceMs = GRACE_MS): Promise<string[]> {
  const found = leftoversIn(dataDir);
  await endThose(
    dataDir,
    found.filter(({ name }) => !LAST.includes(name)),
    graceMs,
  );
  for (const last of LAST)
    await endThose(
      dataDir,
      found.filter(({ name }) => name === last),
      graceMs,
    );
  for (const { name } of found) rmSync(join(dataDir, 'run', `${name}.pid`), { force: true });
  return found.map(({ name }) => name).sort();
}

async function endThose(dataDir: string, those: readonly Leftover[], graceMs: number): Promise<void> {
  for (const { pid } of those) signal(pid, 'SIGTERM');
  const untilMs = systemClock.monotonicMs() + graceMs;
  for (let left = those; left.length > 0; left = left.filter((one) => isOurs(dataDir, one))) {
    // with what they started: each leads a group of its own
    if (systemClock.monotonicMs() > untilMs) for (const { pid } of left) signal(-pid, 'SIGKILL');
    await systemClock.sleep(STEP_MS);
  }
}
