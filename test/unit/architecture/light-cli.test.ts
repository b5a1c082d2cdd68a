// What the command line loads before it knows its command, and what a command loads that only waits for its threads: nothing but
// Node's own. Each package costs every command time, and a waiting process memory.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { test } from 'node:test';

const root = new URL('../../../', import.meta.url).pathname;

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

test('the walk sees what is there', () => {
  const { files, packages } = loadedBy('infra/bench/feature-job.ts');
  assert.ok(files.has('streams/application.ts') && files.has('infra/kafka/cluster.ts'));
  assert.ok(packages.includes('infra/rocksdb/rocksdb-stores.ts: rocksdb-native'));
});

for (const [what, entries] of Object.entries({
  'the command line': ['infra/cli/entry.mjs', 'infra/cli/millrace.ts'],
  'bench, beside its threads': ['infra/cli/bench-command.ts'],
}))
  test(`${what} loads no package and little else`, () => {
    const { files, packages } = loadedBy(...entries);
    assert.deepEqual(packages, []);
    assert.ok(files.size < 16, [...files].join('\n'));
  });
