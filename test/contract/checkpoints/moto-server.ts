// An S3 server for tests: moto from PyPI, in a virtual environment of its own that is made once and kept in the cache.
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { systemClock } from '../../../infra/clock.ts';
import { cacheFolder } from '../../../infra/setup/cache-folder.mjs';

const REQUIREMENTS = new URL('./moto-requirements.txt', import.meta.url).pathname;

/** Whoever has held the lock for longer is dead. */
const LOCK_TIMEOUT_MS = 180_000;
const STEP_MS = 200;

/** The environment's folder, as the bootstrap makes those of the product: in place, marked when whole; by one process at a time. */
async function environment(): Promise<string> {
  const cache = cacheFolder(process.env);
  const folder = join(
    cache,
    `moto-${createHash('sha256').update(readFileSync(REQUIREMENTS)).digest('hex').slice(0, 16)}`,
  );
  const whole = join(folder, '.whole');
  mkdirSync(cache, { recursive: true });
  const lock = `${folder}.lock`;
  while (!existsSync(whole) && !takesLock(lock)) await systemClock.sleep(STEP_MS);
  if (existsSync(whole)) return folder;
  try {
    rmSync(folder, { recursive: true, force: true });
    run('python3', ['-m', 'venv', folder]);
    run(join(folder, 'bin', 'pip'), ['install', '-q', '--disable-pip-version-check', '-r', REQUIREMENTS]);
    writeFileSync(whole, '');
  } finally {
    rmSync(lock, { recursive: true, force: true });
  }
  return folder;
}

function takesLock(lock: string): boolean {
  try {
    mkdirSync(lock);
    return true;
  } catch {
    const heldSinceMs = statSync(lock, { throwIfNoEntry: false })?.mtimeMs;
    if (heldSinceMs !== undefined && systemClock.nowMs() - heldSinceMs > LOCK_TIMEOUT_MS)
      rmSync(lock, { recursive: true, force: true });
    return false;
  }
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
  const child = spawn(join(await environment(), 'bin', 'moto_server'), args, { stdio: ['ignore', 'ignore', 'pipe'] });
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
