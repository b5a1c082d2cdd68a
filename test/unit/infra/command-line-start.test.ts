// The command line answers at once: it loads what a command needs, not the whole platform.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';

const entry = new URL('../../../infra/cli/millrace.ts', import.meta.url).pathname;

/** Tells on standard error which modules were loaded. */
const WATCH = `data:text/javascript,${encodeURIComponent(`
  import { registerHooks } from 'node:module';
  registerHooks({ load(url, context, next) { process.stderr.write(url + '\\n'); return next(url, context); } });
`)}`;

/** Each costs a command half a second and more. `import { type … }` of a module that needs one loads it; `import type` does not. */
const HEAVY = ['@platformatic/kafka', 'rocksdb-native', 'onnxruntime-node', 'chdb', 'fastify', 'prom-client'];

for (const command of [['--help'], ['status', '--help'], ['sql', '--help'], ['stream', '--help']])
  test(`\`millrace ${command.join(' ')}\` loads no client, store or server`, () => {
    const { status, stderr } = spawnSync(process.execPath, ['--import', WATCH, entry, ...command], {
      encoding: 'utf8',
      // a switch from outside must not add modules
      env: { PATH: process.env['PATH'] ?? '' },
    });
    assert.equal(status, 0, stderr);
    const loaded = stderr.split('\n').filter((line) => line.startsWith('file:'));
    assert.ok(loaded.some((url) => url.endsWith('/infra/cli/millrace.ts')));
    assert.deepEqual(
      loaded.filter((url) => HEAVY.some((name) => url.includes(`/node_modules/${name}/`))),
      [],
    );
  });
