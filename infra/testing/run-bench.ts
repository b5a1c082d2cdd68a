// `npm run bench [-- NAME…] [--quick]`: each benchmark of test/bench in a process of its own; results, with machine, commit and date,
// go to test/bench/results and from there into the README; those of --quick to the folder tmp, which git leaves out.
import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, release, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { systemClock } from '../clock.ts';
import { BENCHES, updateReadme } from './bench-table.ts';

const root = new URL('../../', import.meta.url).pathname;
/** Those whose hot path is kept as a text profile. */
const PROFILED: readonly string[] = [
  'features',
  'scoring',
  'feature-job',
  'feature-latency',
  'feature-growth',
  'recovery',
];
const USAGE = `npm run bench -- [${BENCHES.join('|')} …] [--quick] [--trained FOLDER] [--note TEXT] [--peer URL --peer-name TEXT]`;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    quick: { type: 'boolean' },
    trained: { type: 'string' },
    note: { type: 'string' },
    peer: { type: 'string' },
    'peer-name': { type: 'string' },
  },
});
const unknown = positionals.find((name) => !(BENCHES as readonly string[]).includes(name));
if (unknown !== undefined) {
  process.stderr.write(`There is no benchmark ${unknown}. Use: ${USAGE}\n`);
  process.exit(2);
}

function git(...args: readonly string[]): string {
  return spawnSync('git', args, { cwd: root, encoding: 'utf8' }).stdout.trim();
}

function machine() {
  return {
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: cpus().length,
    memory_gb: Math.round(totalmem() / 2 ** 30),
    kernel: release(),
    node: process.version,
    load_before: Number((loadavg()[0] ?? 0).toFixed(2)),
  };
}

let running: ReturnType<typeof spawn> | null = null;
let interrupted = false;
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.on(signal, () => {
    interrupted = true;
    running?.kill('SIGTERM');
  });

async function bench(name: string, folder: string): Promise<boolean> {
  process.stderr.write(`\n${name}\n`);
  const out = join(folder, `${name}.json`);
  const results = join(root, 'test/bench/results', values.quick === true ? 'tmp' : '');
  const profile = join(values.quick === true ? results : join(root, 'test/bench/profiles'), `${name}.txt`);
  mkdirSync(results, { recursive: true });
  const option = (key: string, value: string | undefined): string[] => (value === undefined ? [] : [`--${key}`, value]);
  const before = machine();
  running = spawn(
    process.execPath,
    [
      join(root, `test/bench/${name}.bench.ts`),
      ...option('out', out),
      ...(values.quick === true ? ['--quick'] : []),
      ...option('trained', values.trained),
      ...option('profile', PROFILED.includes(name) ? profile : undefined),
      ...option('peer', values.peer),
      ...option('peer-name', values['peer-name']),
    ],
    { stdio: 'inherit', cwd: folder },
  );
  const child = running;
  const code = await new Promise<number>((resolve) => child.once('exit', (exit) => resolve(exit ?? 1)));
  running = null;
  if (code !== 0) return false;
  const head = {
    name,
    date: new Date(systemClock.nowMs()).toISOString(),
    commit: git('rev-parse', '--short=12', 'HEAD'),
    changed_since_commit:
      git('status', '--porcelain', '--', 'schemas', 'streams', 'processors', 'serving', 'infra') !== '',
    note: values.note ?? '',
    machine: before,
  };
  const outcome = JSON.parse(readFileSync(out, 'utf8')) as Readonly<Record<string, unknown>>;
  const file = join(results, `${name}.json`);
  writeFileSync(file, `${JSON.stringify({ ...head, ...outcome }, null, 2)}\n`);
  process.stderr.write(`  → ${file.slice(root.length)}\n`);
  return true;
}

const folder = mkdtempSync(join(tmpdir(), 'millrace-bench-out-'));
let failed = 0;
try {
  for (const name of positionals.length === 0 ? BENCHES : positionals) {
    if (interrupted) break;
    if (!(await bench(name, folder))) failed += 1;
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
if (values.quick !== true) updateReadme(root);
process.stderr.write(failed === 0 ? '\nall benchmarks ran\n' : `\n${failed} failed\n`);
process.exit(failed === 0 && !interrupted ? 0 : 1);
