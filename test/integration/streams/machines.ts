// Machines, as far as an instance can tell: data folders of their own, and one `millrace stream` process in each.
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { type Server, createServer } from 'node:http';
import { join } from 'node:path';
import { systemClock } from '../../../infra/clock.ts';
import { instancesIn } from '../../../infra/instances.ts';

const CLI = new URL('../../../infra/cli/millrace.ts', import.meta.url).pathname;

/** Gives every schema an id, as the platform's own events want. */
export async function startSchemaRegistry(): Promise<Server> {
  let ids = 0;
  const server = createServer((request, response) => {
    const isConfig = request.url?.startsWith('/config') === true;
    response.setHeader('Content-Type', 'application/json');
    request.resume();
    response.end(JSON.stringify(isConfig ? { compatibilityLevel: 'BACKWARD_TRANSITIVE' } : { id: (ids += 1) }));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

export class Machine {
  readonly #dataDir: string;
  readonly #environment: NodeJS.ProcessEnv;
  #child: ChildProcess | null = null;

  constructor(folder: string, name: string, environment: Readonly<Record<string, string>>) {
    this.#dataDir = join(folder, name);
    const own = { MILLRACE_DATA_DIR: this.#dataDir, MILLRACE_INSTANCE: name };
    this.#environment = { ...process.env, ...own, ...environment };
  }

  /** Resolves when the instance runs. */
  async start(topology: string): Promise<void> {
    const args = [CLI, 'stream', join(import.meta.dirname, topology), '--create-topics'];
    const child = spawn(process.execPath, args, { env: this.#environment, stdio: ['ignore', 'ignore', 'pipe'] });
    this.#child = child;
    let told = '';
    child.stderr.on('data', (chunk: Buffer) => (told += chunk.toString()));
    while (!told.includes('runs; Ctrl-C stops it')) {
      if (child.exitCode !== null) throw new Error(told);
      await systemClock.sleep(20);
    }
  }

  /** Of its loopback port. */
  get url(): string {
    return `http://127.0.0.1:${instancesIn(this.#dataDir)[0]?.port}`;
  }

  /** The command line there. @returns what it has written, standard error too */
  millrace(...args: readonly string[]): Promise<string> {
    return new Promise((resolve) => {
      execFile(process.execPath, [CLI, ...args], { env: this.#environment }, (_error, stdout, stderr) =>
        resolve(stdout + stderr),
      );
    });
  }

  async end(signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    const child = this.#child;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    child.kill(signal);
    await once(child, 'exit');
  }
}
