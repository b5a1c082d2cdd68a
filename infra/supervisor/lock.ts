// One supervisor per data folder: run/supervisor.json says which process, and when that process was started, so that another
// program that got the same number later is not taken for it.
import { existsSync, linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Failure } from '../../schemas/failure.ts';
import { isAlive } from './processes.ts';

export interface Supervisor {
  readonly pid: number;
  readonly ready: boolean;
}

interface Held extends Supervisor {
  /** ticks since the machine's start; null where /proc does not say */
  readonly started: string | null;
}

const lockOf = (dataDir: string): string => join(dataDir, 'run', 'supervisor.json');

/** Field 22 of /proc/PID/stat; null where there is no such process, or no /proc. */
function startOf(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // the second field holds the program's name, which may hold anything
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? null;
  } catch {
    return null;
  }
}

/** The supervisor that runs in this folder, if one does. */
export function supervisorIn(dataDir: string): Supervisor | null {
  const path = lockOf(dataDir);
  if (!existsSync(path)) return null;
  try {
    const { pid, ready, started } = JSON.parse(readFileSync(path, 'utf8')) as Held;
    return isAlive(pid) && startOf(pid) === started ? { pid, ready } : null;
  } catch {
    // a crash or a full disk may have left half a file
    return null;
  }
}

/** @throws Failure `conflict` when another one has it */
export function takeLock(dataDir: string): void {
  mkdirSync(join(dataDir, 'run'), { recursive: true });
  const path = lockOf(dataDir);
  const aside = write(dataDir, false);
  try {
    if (supervisorIn(dataDir) === null) rmSync(path, { force: true });
    linkSync(aside, path);
  } catch (cause) {
    if ((cause as { code?: unknown }).code !== 'EEXIST') throw cause;
    throw new Failure(
      'conflict',
      `Millrace already runs in ${dataDir} (process ${supervisorIn(dataDir)?.pid ?? '?'}).`,
      {
        fix: 'Use it, stop it with `npx millrace down`, or set MILLRACE_DATA_DIR and the ports for a second one.',
      },
    );
  } finally {
    rmSync(aside, { force: true });
  }
}

/** Tells those who wait for it. */
export function tellReady(dataDir: string): void {
  renameSync(write(dataDir, true), lockOf(dataDir));
}

function write(dataDir: string, ready: boolean): string {
  const aside = `${lockOf(dataDir)}.${process.pid}`;
  const held: Held = { pid: process.pid, ready, started: startOf(process.pid) };
  writeFileSync(aside, JSON.stringify(held));
  return aside;
}
