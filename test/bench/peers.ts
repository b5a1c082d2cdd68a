// The peers' own harness (shared/peers/streams), so that a stranger measures them and us alike: its work folder is made once by
// `WORK=FOLDER shared/peers/streams/setup.sh`, which also starts the broker that all of them use.
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { root } from './bench-stack.ts';
import { writeProfileText } from './cpu-profile.ts';
import { type BenchOptions, type Run, say } from './outcome.ts';

const scripts = process.env['MILLRACE_TEST_PEERS'] ?? join(root, '../shared/peers/streams');
/** The broker that they and we use. */
export const BROKER = '127.0.0.1:29092';
export const work = process.env['MILLRACE_TEST_PEERS_WORK'] ?? join(scripts, 'work');

export function requirePeers(): void {
  if (existsSync(join(work, 'data/reference.json'))) return;
  say(`There is no peers' work folder at ${work}.`);
  say(`Make it with \`WORK=${work} ${join(scripts, 'setup.sh')}\` (it also starts the broker on ${BROKER}),`);
  say('or name another with MILLRACE_TEST_PEERS_WORK (and the scripts with MILLRACE_TEST_PEERS).');
  process.exit(2);
}

/** Our job's command line for the harness. @param more options, such as the format */
export function ourCommand(
  group: string,
  topics: { in: string; out: string },
  guarantee: 'alo' | 'eos',
  commitMs: number,
  state: string,
  more: readonly string[] = [],
): string[] {
  return [
    process.execPath,
    join(root, 'infra/cli/entry.mjs'),
    ...['bench', 'feature-job', '--group', group, '--in', topics.in, '--out', topics.out],
    ...['--guarantee', guarantee, '--commit-ms', String(commitMs), '--state', state],
    ...more,
  ];
}

export function freshState(name: string): string {
  const state = join(work, 'state', name);
  rmSync(state, { recursive: true, force: true });
  mkdirSync(state, { recursive: true });
  return state;
}

/** Theirs, hand-written (FeatApp's `papi-kv`), started directly rather than by `run_ks.sh`. */
export function kafkaStreamsCommand(
  group: string,
  topics: { in: string; out: string },
  guarantee: 'alo' | 'eos',
  commitMs: number,
  { stateFolder, threads = 1, java = [] }: { stateFolder: string; threads?: number; java?: readonly string[] },
): string[] {
  return [
    ...['java', ...java, '-Xmx1g', '-Dorg.slf4j.simpleLogger.defaultLogLevel=warn'],
    ...['-cp', 'java/classes:java/libs/*', 'FeatApp', 'papi-kv', guarantee, String(threads), group, stateFolder],
    ...[topics.in, topics.out, String(commitMs), '0'],
  ];
}

/** One run more, where a profile is asked for: every Node process that it starts, and that ends orderly, is profiled. */
export async function profileOnce({ profile }: BenchOptions, title: string, once: () => Promise<Run>): Promise<void> {
  if (profile === null) return;
  const folder = mkdtempSync(join(tmpdir(), 'millrace-bench-profile-'));
  process.env['NODE_OPTIONS'] = `--cpu-prof --cpu-prof-dir=${folder}`;
  try {
    await once();
    writeProfileText(folder, profile, `${title} Start and end are in the profile.`);
    say(`profile in ${profile}`);
  } finally {
    delete process.env['NODE_OPTIONS'];
    rmSync(folder, { recursive: true });
  }
}

/** Runs one of the peers' Python programs; gives the JSON of its last line that is JSON. */
export async function python(program: string, args: readonly string[]): Promise<Readonly<Record<string, unknown>>> {
  const text = await run(join(work, 'venv/bin/python'), [join(scripts, 'py', program), ...args]);
  return lastJson(text);
}

export async function script(name: string, args: readonly string[]): Promise<Readonly<Record<string, unknown>>> {
  return lastJson(await run(join(scripts, name), args));
}

function run(command: string, args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd: work,
      env: { ...process.env, WORK: work },
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    let output = '';
    child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
    child.once('error', reject);
    child.once('exit', () => resolve(output));
  });
}

function lastJson(output: string): Readonly<Record<string, unknown>> {
  const line = output
    .trim()
    .split('\n')
    .reverse()
    .find((one) => one.startsWith('{'));
  if (line === undefined) throw new Error(`no result: ${output.slice(-500)}`);
  return JSON.parse(line) as Readonly<Record<string, unknown>>;
}
