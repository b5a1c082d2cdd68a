// The command line answers at once: it loads what a command needs, not the whole platform. Each client, store and server costs every
// command half a second and more, and a process that only waits for its threads memory.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const root = new URL('../../../', import.meta.url).pathname;
const START = ['infra/cli/entry.mjs', 'infra/cli/millrace.ts'];
const FILES_MAX = 16;

/** Static imports, but for those of types; `import { type A }` without `import type` loads its module nevertheless. */
function importsOf(path: string): string[] {
  const text = readFileSync(join(root, path), 'utf8');
  return [...text.matchAll(/^(?:import|export)\s(?!type\b)(?:[^;']*\sfrom\s+)?'([^']+)';/gm)].map(
    ([, target = '']) => target,
  );
}

interface Loaded {
  readonly files: ReadonlySet<string>;
  /** each with who imports it */
  readonly packages: readonly string[];
}

function loadedBy(...entries: readonly string[]): Loaded {
  const files = new Set<string>(entries);
  const packages: string[] = [];
  for (const path of files) {
    for (const target of importsOf(path)) {
      if (target.startsWith('.')) files.add(normalize(join(dirname(path), target)));
      else if (!target.startsWith('node:')) packages.push(`${path}: ${target}`);
    }
  }
  return { files, packages };
}

test('the walk sees packages', () => {
  const { files, packages } = loadedBy('infra/bench/feature-job.ts');
  assert.ok(files.has('streams/application.ts') && files.has('infra/kafka/cluster.ts'));
  assert.ok(packages.includes('infra/rocksdb/rocksdb-stores.ts: rocksdb-native'));
});

/** Tells on standard error which modules were loaded. */
const WATCH = `data:text/javascript,${encodeURIComponent(`
  import { registerHooks } from 'node:module';
  registerHooks({ load(url, context, next) { process.stderr.write(url + '\\n'); return next(url, context); } });
`)}`;

test('the walk sees what Node loads, and no more', () => {
  const { status, stderr } = spawnSync(
    process.execPath,
    ['--import', WATCH, join(root, 'infra/cli/entry.mjs'), 'status', '--help'],
    // a switch from outside must not add modules
    { encoding: 'utf8', env: { PATH: process.env['PATH'] ?? '', NODE_COMPILE_CACHE: '/dev/null/nowhere' } },
  );
  assert.equal(status, 0, stderr);
  const loaded = stderr.split('\n').filter((line) => line.startsWith('file:') && !line.includes('/node_modules/'));
  assert.deepEqual(
    loaded.map((url) => fileURLToPath(url).slice(root.length)).sort(),
    [...loadedBy(...START, 'infra/cli/status-command.ts').files].sort(),
  );
});

const commands = [
  ...readFileSync(join(root, 'infra/cli/commands.ts'), 'utf8').matchAll(/import\('\.\/([\w-]+\.ts)'\)/g),
].map(([, file = '']) => `infra/cli/${file}`);
const HEAVY = [
  ...['@aws-sdk/client-s3', '@clickhouse/client', '@kafkajs/confluent-schema-registry', '@platformatic/kafka', 'chdb'],
  ...['fastify', 'onnxruntime-node', 'prom-client', 'rocksdb-native'],
];
const isHeavy = (imported: string): boolean => HEAVY.some((name) => imported.endsWith(`: ${name}`));
/** They go on for hours, with all the work in their threads. */
const BESIDE_THREADS = ['infra/cli/bench-command.ts', 'infra/cli/stream-command.ts'];

test('the command line, before it knows its command, loads little', () => {
  const { files, packages } = loadedBy(...START);
  assert.deepEqual(packages, []);
  assert.ok(files.size < FILES_MAX, [...files].join('\n'));
});

test('every command is looked at', () => assert.ok(commands.length > 15, commands.join(' ')));

for (const path of new Set(commands))
  test(`${path} loads no client, store or server before it is run`, () => {
    const { files, packages } = loadedBy(path);
    assert.deepEqual(packages.filter(isHeavy), []);
    if (!BESIDE_THREADS.includes(path)) return;
    assert.deepEqual(packages, []);
    assert.ok(files.size < FILES_MAX, [...files].join('\n'));
  });
