// One rule for the cache folder, whoever asks: the bootstrap, the command line, the tests.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { after, test } from 'node:test';
import { cacheFolder } from '../../../infra/setup/cache-folder.mjs';

const root = new URL('../../../', import.meta.url).pathname;
const folder = mkdtempSync(join(tmpdir(), 'millrace-cache-'));
after(() => rmSync(folder, { recursive: true }));

const otherwise = join(homedir(), '.cache', 'millrace');
const CASES: readonly (readonly [Readonly<Record<string, string>>, string])[] = [
  [{}, otherwise],
  [{ MILLRACE_CACHE_DIR: '/mine' }, '/mine'],
  [{ MILLRACE_CACHE_DIR: 'mine' }, resolve('mine')],
  [{ XDG_CACHE_HOME: '/caches' }, '/caches/millrace'],
  [{ MILLRACE_CACHE_DIR: '/mine', XDG_CACHE_HOME: '/caches' }, '/mine'],
  [{ MILLRACE_CACHE_DIR: '', XDG_CACHE_HOME: '/caches' }, '/caches/millrace'],
  [{ MILLRACE_CACHE_DIR: '', XDG_CACHE_HOME: '' }, otherwise],
];
for (const [environment, expected] of CASES)
  test(`${JSON.stringify(environment)}: ${expected}`, () => assert.equal(cacheFolder(environment), expected));

test('the command line keeps its code there, and nothing in the working folder, when the setting is empty', () => {
  const environment = { MILLRACE_CACHE_DIR: '', XDG_CACHE_HOME: join(folder, 'caches') };
  execFileSync(process.execPath, [join(root, 'infra/cli/entry.mjs'), '--help'], {
    env: { PATH: process.env['PATH'] ?? '', ...environment },
    cwd: folder,
  });
  assert.ok(existsSync(join(folder, 'caches', 'millrace', 'code')));
  assert.ok(!existsSync(join(folder, 'code')));
});

test('nobody else has a rule of his own', () => {
  const sources = globSync(['infra/**/*.{ts,mjs}', 'test/**/*.ts', 'examples/**/*.{ts,mjs}'], { cwd: root });
  assert.ok(sources.length > 100);
  assert.deepEqual(sources.filter((path) => readFileSync(join(root, path), 'utf8').includes('XDG_CACHE_HOME')).sort(), [
    'infra/setup/cache-folder.mjs',
    'test/unit/setup/cache-folder.test.ts',
  ]);
});
