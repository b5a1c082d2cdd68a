// The doctor asks Java and Python side by side: one that had to wait for another would make it slow.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';

const entry = new URL('../../../infra/cli/entry.mjs', import.meta.url).pathname;
const folder = mkdtempSync(join(tmpdir(), 'millrace-doctor-'));
after(() => rmSync(folder, { recursive: true }));

interface Check {
  readonly name: string;
  readonly ok: boolean;
  readonly detail: string;
}

function program(name: string, script: string): string {
  const path = join(folder, name);
  writeFileSync(path, `#!/bin/sh\n${script}\n`);
  chmodSync(path, 0o755);
  return path;
}

function checksWith(java: string, python: string): Promise<readonly Check[]> {
  const env = {
    ...{ PATH: process.env['PATH'], NODE_COMPILE_CACHE: join(folder, 'code') },
    ...{ MILLRACE_JAVA: java, MILLRACE_PYTHON: python, MILLRACE_DATA_DIR: join(folder, 'data') },
  };
  return new Promise((resolve) => {
    execFile(process.execPath, [entry, 'doctor', '--json'], { env, cwd: folder }, (_, out) =>
      resolve((JSON.parse(out) as { checks: Check[] }).checks),
    );
  });
}

const TOOLS = ['Python 3.11 or newer', 'mlflow, for the trainers', 'LightGBM, for the trainers', 'Java 17 or newer'];
const shown = (checks: readonly Check[]): readonly Check[] => checks.filter(({ name }) => TOOLS.includes(name));

test('no probe waits for another', async () => {
  const here = join(folder, 'here');
  mkdirSync(here);
  // each answers once all of them are there, or gives up
  const together = `
    touch ${here}/$$
    tries=0
    while [ $(ls ${here} | wc -l) -lt ${TOOLS.length} ] && [ $tries -lt 100 ]; do tries=$((tries + 1)); sleep 0.1; done
    [ $tries -lt 100 ]`;
  const java = program('java', `${together} && echo 'openjdk version "21.0.1" 2025-01-01' >&2`);
  const python = program('python', `${together} && echo 3.12.1`);
  assert.deepEqual(
    shown(await checksWith(java, python)).map(({ name, ok }) => [name, ok]),
    TOOLS.map((name) => [name, true]),
  );
});

test('what fails is told by its last line, what is not there by its name', async () => {
  const python = program(
    'bare-python',
    `case "$2" in
      *mlflow*) echo Traceback >&2; echo "ModuleNotFoundError: No module named 'mlflow'" >&2; exit 1;;
      *lightgbm*) echo 4.7.0; echo 'libgomp.so.1: cannot open shared object file' >&2; exit 1;;
      *) echo 3.10.2;;
    esac`,
  );
  const [version, mlflow, lightgbm, java] = shown(await checksWith(join(folder, 'no-java'), python));
  for (const check of [version, mlflow, lightgbm, java]) assert.equal(check?.ok, false, check?.name);
  assert.equal(version?.detail, '3.10.2');
  assert.equal(mlflow?.detail, "ModuleNotFoundError: No module named 'mlflow'");
  assert.match(lightgbm?.detail ?? '', /^libgomp/);
  assert.match(java?.detail ?? '', /no-java/);
});
