// What the bootstrap says on a machine that lacks something: everything at once, each with the way to get it, and no stack trace.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';

const program = new URL('../../../infra/setup/bootstrap.mjs', import.meta.url).pathname;
const folder = mkdtempSync(join(tmpdir(), 'millrace-bootstrap-'));
let machines = 0;

/** The bootstrap's end on a machine that has only these tools, each a shell script. */
function onMachine(tools: Readonly<Record<string, string>>, args: readonly string[], environment = {}) {
  machines += 1;
  const bin = join(folder, `bin-${machines}`);
  mkdirSync(bin);
  for (const [name, script] of Object.entries(tools)) {
    writeFileSync(join(bin, name), `#!/bin/sh\n${script}\n`);
    chmodSync(join(bin, name), 0o755);
  }
  const { status, stdout, stderr } = spawnSync(process.execPath, [program, ...args], {
    encoding: 'utf8',
    env: { PATH: bin, HOME: folder, MILLRACE_CACHE_DIR: join(folder, 'cache'), ...environment },
  });
  return { status, text: `${stdout}${stderr}` };
}

const JAVA = (version: string): string => `echo 'openjdk version "${version}" 2025-04-15' >&2`;
const MAVEN = 'echo Apache Maven 3.8.7';
/** `-c` asks for the version and the modules that make an environment. */
const PYTHON = (version: string, status: number): string =>
  `if [ "$1" = --version ]; then echo Python ${version}; else exit ${status}; fi`;
const OLD_PYTHON = PYTHON('3.9.2', 3);

describe('the bootstrap on a machine that lacks something', () => {
  after(() => rmSync(folder, { recursive: true }));

  it('tells all that is missing at once, and how to get it', () => {
    const { status, text } = onMachine({}, ['up']);
    assert.equal(status, 1);
    assert.match(
      text,
      /Java is missing \(java\)\.\n +Install Java 17 or newer \(Debian: apt-get install openjdk-17-jre-headless/,
    );
    assert.match(text, /Maven is missing \(mvn\)\.\n +Install it \(Debian: apt-get install maven/);
    assert.match(
      text,
      /Python 3 is missing \(python3\)\.\n +Install Python 3\.11 or newer with its venv module \(Debian:/,
    );
    assert.doesNotMatch(text, /\n\s+at /);
  });

  it('tells a version that is too old', () => {
    const { status, text } = onMachine({ java: JAVA('11.0.2'), mvn: MAVEN, python3: OLD_PYTHON }, ['demo', '--quick']);
    assert.equal(status, 1);
    assert.match(text, /Java 11\.0\.2 is too old\./);
    assert.match(text, /Python 3\.9\.2 is too old\./);
    assert.doesNotMatch(text, /Maven/);
    assert.match(onMachine({ java: JAVA('1.8.0_392'), mvn: MAVEN }, ['up']).text, /Java 1\.8\.0_392 is too old\./);
  });

  it('tells that Python lacks its venv module', () => {
    // new enough for the first question, without the modules of the second
    const script = `case "$2" in *venv*) exit 1;; esac; if [ "$1" = --version ]; then echo Python 3.12.1; fi`;
    const { text } = onMachine({ java: JAVA('17.0.15'), mvn: MAVEN, python3: script }, ['up']);
    assert.match(text, /Python 3\.12\.1 has no venv module\.\n +.*python3-venv/);
  });

  it('takes a newer Python that stands beside an old one', () => {
    const { text } = onMachine({ mvn: MAVEN, python3: OLD_PYTHON, 'python3.12': PYTHON('3.12.1', 0) }, ['up']);
    assert.match(text, /Java is missing/);
    assert.doesNotMatch(text, /Python/);
  });

  it('asks for no Java where clusters are named, and for the one that is named', () => {
    const elsewhere = { KAFKA_BROKERS: 'kafka:9092', SCHEMA_REGISTRY_URL: 'http://registry:8081' };
    const { text } = onMachine({ python3: OLD_PYTHON }, ['up'], elsewhere);
    assert.match(text, /Python 3\.9\.2 is too old/);
    assert.doesNotMatch(text, /Java/);
    assert.match(onMachine({}, ['up'], { MILLRACE_JAVA: '/opt/none/java' }).text, /missing \(\/opt\/none\/java\)/);
  });

  it('asks for none of them for a question to a platform that runs', () => {
    const { text } = onMachine({}, ['status', '--help']);
    assert.doesNotMatch(text, /Java|Maven|Python/);
  });
});
