// Starting, watching and stopping one child process.
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync } from 'node:fs';
import { createConnection, createServer } from 'node:net';
import { dirname } from 'node:path';
import { Failure } from '../../schemas/failure.ts';
import { systemClock } from '../clock.ts';

export interface ChildOptions {
  readonly command: string;
  readonly arguments: readonly string[];
  readonly logFile: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
}

const STEP_MS = 50;
const CONNECT_WITHIN_MS = 1000;

export class Child {
  readonly #process: ChildProcess;
  readonly exited: Promise<number | null>;
  #ended = false;

  constructor(options: ChildOptions) {
    mkdirSync(dirname(options.logFile), { recursive: true });
    const log = openSync(options.logFile, 'a');
    // a process group of its own: Ctrl-C reaches only us, and we stop the children in the right order
    this.#process = spawn(options.command, [...options.arguments], {
      stdio: ['ignore', log, log],
      detached: true,
      env: { ...process.env, ...options.env },
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    });
    closeSync(log);
    this.exited = new Promise((resolve) => {
      this.#process.once('error', () => {
        this.#ended = true;
        resolve(null);
      });
      this.#process.once('exit', (code) => {
        this.#ended = true;
        resolve(code);
      });
    });
  }

  get pid(): number {
    return this.#process.pid ?? -1;
  }

  get ended(): boolean {
    return this.#ended;
  }

  kill(): void {
    if (!this.#ended) this.#process.kill('SIGKILL');
  }

  /** Asks to end, and ends it by force when it does not within the bound. */
  async stop(graceMs: number): Promise<void> {
    if (this.#ended) return;
    this.#process.kill('SIGTERM');
    const forced = new AbortController();
    const force = systemClock.sleep(graceMs, forced.signal).then(() => {
      if (!forced.signal.aborted) this.kill();
    });
    await this.exited;
    forced.abort();
    await force;
  }
}

/** What kept a port from being opened. */
export function portFailure(host: string, port: number, setting: string, cause: Error & { code?: string }): Failure {
  if (cause.code === 'EACCES')
    return new Failure('port_in_use', `Port ${port} on ${host} may not be opened by this user.`, {
      field: setting,
      fix: `Set ${setting} to a port from 1024 on.`,
      cause,
    });
  if (cause.code === 'EADDRNOTAVAIL' || cause.code === 'ENOTFOUND')
    return new Failure('port_in_use', `This machine has no address ${host}.`, {
      field: 'MILLRACE_HOST',
      fix: 'Set MILLRACE_HOST to 127.0.0.1.',
      cause,
    });
  return new Failure('port_in_use', `Port ${port} on ${host} is taken by another program.`, {
    field: setting,
    fix: `Set ${setting} to a free port, or stop that program.`,
    cause,
  });
}

/** @throws Failure `port_in_use` naming the setting */
export async function requireFreePort(host: string, port: number, setting: string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const server = createServer();
    server.once('error', (cause: Error & { code?: string }) => reject(portFailure(host, port, setting, cause)));
    server.listen(port, host, () => server.close(() => resolve()));
  });
}

export async function freePort(host = '127.0.0.1'): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, host, () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}

/** Whether somebody listens there. */
export function connects(host: string, port: number, withinMs: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection({ host, port, timeout: withinMs });
    const answer = (yes: boolean) => (): void => {
      socket.destroy();
      resolve(yes);
    };
    socket.once('connect', answer(true));
    socket.once('error', answer(false));
    socket.once('timeout', answer(false));
  });
}

/** @throws Failure `not_ready` when the child ends or nothing listens within `waitMs` */
export async function waitForPort(
  child: Child,
  host: string,
  port: number,
  waitMs: number,
  name: string,
  logFile: string,
): Promise<void> {
  const untilMs = systemClock.monotonicMs() + waitMs;
  while (!(await connects(host, port, CONNECT_WITHIN_MS))) {
    if (child.ended) throw new Failure('not_ready', `${name} ended while starting.`, { fix: `See ${logFile}.` });
    if (systemClock.monotonicMs() > untilMs)
      throw new Failure('not_ready', `${name} did not answer within ${waitMs / 1000} s.`, { fix: `See ${logFile}.` });
    await systemClock.sleep(STEP_MS);
  }
}
