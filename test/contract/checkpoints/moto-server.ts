// An S3 server for tests: moto from PyPI, in a virtual environment of its own that is made once and kept in the cache.
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const REQUIREMENTS = new URL('./moto-requirements.txt', import.meta.url).pathname;

/** The environment's folder, as the bootstrap makes those of the product: in place, marked when whole. */
function environment(): string {
  const { MILLRACE_CACHE_DIR, XDG_CACHE_HOME } = process.env;
  const cache = MILLRACE_CACHE_DIR ?? join(XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'millrace');
  const folder = join(
    cache,
    `moto-${createHash('sha256').update(readFileSync(REQUIREMENTS)).digest('hex').slice(0, 16)}`,
  );
  const whole = join(folder, '.whole');
  if (existsSync(whole)) return folder;
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(cache, { recursive: true });
  run('python3', ['-m', 'venv', folder]);
  run(join(folder, 'bin', 'pip'), ['install', '-q', '--disable-pip-version-check', '-r', REQUIREMENTS]);
  writeFileSync(whole, '');
  return folder;
}

function run(command: string, args: readonly string[]): void {
  const { status, stderr, error } = spawnSync(command, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} failed: ${error?.message ?? stderr}`);
}

export interface MotoServer {
  readonly endpoint: string;
  stop(): Promise<void>;
}

/** On loopback, on a port that the system chooses. */
export async function startMoto(): Promise<MotoServer> {
  const args = ['-H', '127.0.0.1', '-p', '0'];
  const child = spawn(join(environment(), 'bin', 'moto_server'), args, { stdio: ['ignore', 'ignore', 'pipe'] });
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const endpoint = await new Promise<string>((resolve, reject) => {
    let said = '';
    child.once('error', reject);
    child.once('exit', () => reject(new Error(`moto ended: ${said}`)));
    // read to the end: a full pipe would stop the server
    createInterface({ input: child.stderr }).on('line', (line) => {
      said = `${said}${line}\n`.slice(-2_000);
      const [found] = /http:\/\/127\.0\.0\.1:\d+/.exec(line) ?? [];
      if (found !== undefined) resolve(found);
    });
  });
  return {
    endpoint,
    async stop() {
      child.kill('SIGTERM');
      await ended;
    },
  };
}
