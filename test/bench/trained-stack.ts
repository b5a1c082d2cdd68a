// A data folder with a trained model: a slice of the demo, played until its first version serves.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../../infra/embedded/child.ts';
import { root, until } from './bench-stack.ts';
import { say } from './outcome.ts';

const UNTIL = '2013-04-08';
const WITHIN_MS = 400_000;

/** Gives the folder; whoever asked removes it. */
export async function trainedFolder(): Promise<string> {
  say('training a model first: the demo with --quick, until its first version serves …');
  const folder = mkdtempSync(join(tmpdir(), 'millrace-bench-trained-'));
  const ports = await Promise.all([freePort(), freePort(), freePort(), freePort()]);
  const child = spawn(
    process.execPath,
    [join(root, 'infra/cli/millrace.ts'), 'demo', '--quick', '--once', '--until', UNTIL],
    {
      cwd: folder,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        ...process.env,
        MILLRACE_DATA_DIR: folder,
        MILLRACE_HTTP_PORT: String(ports[0]),
        MILLRACE_KAFKA_PORT: String(ports[1]),
        MILLRACE_REGISTRY_PORT: String(ports[2]),
        MILLRACE_CLICKHOUSE_PORT: String(ports[3]),
      },
    },
  );
  let text = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (text += chunk.toString()));
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const interrupted = (): void => {
    child.kill('SIGTERM');
    void ended.then(() => {
      rmSync(folder, { recursive: true, force: true });
      process.exit(130);
    });
  };
  process.once('SIGINT', interrupted).once('SIGTERM', interrupted);
  try {
    const isServing = (): boolean => /is champion from/.test(text) && /events are produced/.test(text);
    await until('a version serves', () => isServing() || child.exitCode !== null, WITHIN_MS, 200);
    if (!isServing()) throw new Error(`The demo ended early:\n${text}`);
  } finally {
    child.kill('SIGTERM');
    await ended;
    process.off('SIGINT', interrupted).off('SIGTERM', interrupted);
  }
  return folder;
}

/** Runs with the folder that is given, or with one that is made and removed. */
export async function withTrained<T>(given: string | null, run: (folder: string) => Promise<T>): Promise<T> {
  if (given !== null) return run(given);
  const folder = await trainedFolder();
  try {
    return await run(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
