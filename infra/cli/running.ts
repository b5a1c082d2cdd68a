// The stack that runs in a data folder, found by the file that its supervisor keeps there.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Failure } from '../../schemas/failure.ts';
import { systemClock } from '../clock.ts';
import { type Settings } from '../settings.ts';
import { isAlive } from '../supervisor/stack.ts';

export interface Supervisor {
  readonly pid: number;
  readonly ready: boolean;
}

export function supervisorOf({ dataDir }: Settings): Supervisor | null {
  const path = join(dataDir, 'run', 'supervisor.json');
  if (!existsSync(path)) return null;
  const { pid, ready } = JSON.parse(readFileSync(path, 'utf8')) as { pid: number; ready?: boolean };
  return isAlive(pid) ? { pid, ready: ready === true } : null;
}

const STOP_WITHIN_MS = 60_000;
const STEP_MS = 100;

/** Asks the supervisor to stop and waits until it is gone. */
export async function stopSupervisor({ pid }: Supervisor): Promise<void> {
  process.kill(pid, 'SIGTERM');
  const untilMs = systemClock.monotonicMs() + STOP_WITHIN_MS;
  while (isAlive(pid)) {
    if (systemClock.monotonicMs() > untilMs)
      throw new Failure('internal', `The supervisor (process ${pid}) does not stop.`, {
        fix: `End it with \`kill -9 ${pid}\`; nothing committed is lost.`,
      });
    await systemClock.sleep(STEP_MS);
  }
}
