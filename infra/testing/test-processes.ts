// What a suite has started, and all that those have started: they carry a mark in their environment, so that a test that hangs or is
// killed leaves no broker behind.
import { randomUUID } from 'node:crypto';
import { readFileSync, readdirSync } from 'node:fs';
import { systemClock } from '../clock.ts';
import { signal } from '../supervisor/processes.ts';

const VARIABLE = 'MILLRACE_TEST_RUN';
const GRACE_MS = 5_000;
const STEP_MS = 100;

export interface MarkedProcess {
  readonly pid: number;
  /** its command line, cut to one line of a terminal */
  readonly command: string;
}

export class TestProcesses {
  readonly #mark = randomUUID();

  /** What the environment of a suite needs. */
  get environment(): Readonly<Record<string, string>> {
    return { [VARIABLE]: this.#mark };
  }

  /** Those that run; none where the system has no /proc. */
  running(): MarkedProcess[] {
    return numbersIn('/proc').flatMap((pid) => {
      const isMarked = read(pid, 'environ').split('\0').includes(`${VARIABLE}=${this.#mark}`);
      return isMarked ? [{ pid, command: read(pid, 'cmdline').replaceAll('\0', ' ').slice(0, 120) }] : [];
    });
  }

  /** Ends those that do not end by themselves within some seconds. @returns them */
  async end(graceMs = GRACE_MS): Promise<MarkedProcess[]> {
    await this.#wait(graceMs);
    const left = this.running();
    for (const { pid } of this.running()) signal(pid, 'SIGKILL');
    await this.#wait(GRACE_MS);
    return left;
  }

  async #wait(forMs: number): Promise<void> {
    const untilMs = systemClock.monotonicMs() + forMs;
    while (this.running().length > 0 && systemClock.monotonicMs() < untilMs) await systemClock.sleep(STEP_MS);
  }
}

function numbersIn(folder: string): number[] {
  try {
    return readdirSync(folder)
      .filter((name) => /^\d+$/.test(name))
      .map(Number);
  } catch {
    return [];
  }
}

/** '' for what has ended, or is somebody else's. A zombie has no environment any more: it is not counted. */
function read(pid: number, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8');
  } catch {
    return '';
  }
}
