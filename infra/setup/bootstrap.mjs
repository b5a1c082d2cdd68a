// Runs on the machine's own Node (20 or newer): brings what is missing, pinned, then hands over to the pinned Node 24.
// Plain JavaScript without packages, since it runs before anything is installed.
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cacheFolder } from './cache-folder.mjs';

const root = fileURLToPath(new URL('../../', import.meta.url));
const cache = cacheFolder(process.env);
const startedMs = Date.now();
/** Everything that is installed, with room to unpack it. */
const INSTALL_BYTES = 3e9;
/** What a command needs besides the Node packages; a command that is not here asks a platform that runs, and needs no more. */
const NEEDS = {
  demo: ['kafka', 'registry', 'python'],
  up: ['kafka', 'registry', 'python'],
  test: ['kafka', 'registry', 'python'],
  'run-benchmarks': ['kafka', 'registry', 'python'],
  run: ['python'],
};
/** Newest first, after the one that people mean. */
const PYTHONS = ['python3', 'python3.14', 'python3.13', 'python3.12', 'python3.11'];

function say(text) {
  process.stderr.write(`${text}\n`);
}

function refuse(problem, fix) {
  say(`\nmillrace: ${problem}\n          ${fix}`);
  process.exit(1);
}

/** What a command says, or null when it is not there or fails. */
function output(command, args) {
  const result = spawnSync(command, args, { encoding: 'utf8' });
  return result.error === undefined && result.status === 0 ? `${result.stdout}${result.stderr}` : null;
}

// --- what the machine has to have

function nodeProblem() {
  if (Number(process.versions.node.split('.')[0]) >= 20) return null;
  return [
    `Node ${process.versions.node} is too old to start with.`,
    'Install Node 20 or newer (https://nodejs.org); Millrace brings its own Node 24.',
  ];
}

function javaProblem() {
  const command = process.env.MILLRACE_JAVA ?? 'java';
  const fix =
    'Install Java 17 or newer (Debian: apt-get install openjdk-17-jre-headless; elsewhere https://adoptium.net), or name it with MILLRACE_JAVA. Kafka runs on it.';
  const text = output(command, ['-version']);
  if (text === null) return [`Java is missing (${command}).`, fix];
  const [, version = '0'] = /version "([^"]+)"/.exec(text) ?? [];
  const [major, minor] = version.split('.').map(Number);
  return (major === 1 ? minor : major) >= 17 ? null : [`Java ${version} is too old.`, fix];
}

function mavenProblem() {
  if (output('mvn', ['--version']) !== null) return null;
  return [
    'Maven is missing (mvn).',
    'Install it (Debian: apt-get install maven; elsewhere https://maven.apache.org). It fetches Kafka and the schema registry from Maven Central, once.',
  ];
}

/** A Python that is new enough, with the modules that make an environment. */
function findPython() {
  const check = 'import sys, venv, ensurepip; sys.exit(0 if sys.version_info >= (3, 11) else 3)';
  return PYTHONS.find((command) => output(command, ['-c', check]) !== null);
}

function pythonProblem() {
  if (findPython() !== undefined) return null;
  const version = output('python3', ['--version'])?.trim() ?? null;
  const fix =
    'Install Python 3.11 or newer with its venv module (Debian: apt-get install python3 python3-venv; elsewhere https://www.python.org). Trainers run in it.';
  const old =
    version !== null &&
    output('python3', ['-c', 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else 3)']) === null;
  return [
    version === null
      ? 'Python 3 is missing (python3).'
      : old
        ? `${version} is too old.`
        : `${version} has no venv module.`,
    fix,
  ];
}

function spaceProblem() {
  const short = [root, existsSync(cache) ? cache : homedir()].find((folder) => {
    const { bavail, bsize } = statfsSync(folder);
    return bavail * bsize < INSTALL_BYTES;
  });
  return short === undefined
    ? null
    : [
        `Less than ${INSTALL_BYTES / 1e9} GB are free at ${short}.`,
        'Free some space, or put the downloads elsewhere with MILLRACE_CACHE_DIR.',
      ];
}

/** All that is missing, at once: nobody likes to be told one thing after the other. */
function requireMachine(needs) {
  const runsJava = needs.includes('kafka') || needs.includes('registry');
  const downloads =
    (needs.includes('kafka') && !existsSync(places.kafka)) ||
    (needs.includes('registry') && !existsSync(places.registry));
  const installs = downloads || !nodePackagesAreThere() || (needs.includes('python') && !pythonIsThere());
  const problems = [
    nodeProblem(),
    runsJava ? javaProblem() : null,
    downloads ? mavenProblem() : null,
    needs.includes('python') && !pythonIsThere() ? pythonProblem() : null,
    installs ? spaceProblem() : null,
  ].filter((problem) => problem !== null);
  if (problems.length === 0) return;
  for (const [problem, fix] of problems) say(`\nmillrace: ${problem}\n          ${fix}`);
  process.exit(1);
}

// --- what is brought

/** Runs `command`, a dot per second on the way; its output is shown when it fails. */
async function step(what, command, args, options = {}) {
  process.stderr.write(`  ${what} `);
  const began = Date.now();
  const child = spawn(command, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'], ...options });
  let text = '';
  child.stdout.on('data', (chunk) => (text += chunk));
  child.stderr.on('data', (chunk) => (text += chunk));
  const dots = setInterval(() => process.stderr.write('.'), 1000);
  const code = await new Promise((resolve) => {
    child.once('error', (error) => {
      text += String(error);
      resolve(-1);
    });
    child.once('exit', resolve);
  });
  clearInterval(dots);
  if (code !== 0) {
    say(` failed\n${text.trim().split('\n').slice(-25).join('\n')}`);
    refuse(
      `"${command} ${args.join(' ')}" failed.`,
      'Check the network to the package registries and the free disk space, then try again: what is complete is kept.',
    );
  }
  say(` ${((Date.now() - began) / 1000).toFixed(1)} s`);
}

function hashOf(...files) {
  const hash = createHash('sha256');
  for (const file of files) hash.update(readFileSync(join(root, file)));
  return hash.digest('hex').slice(0, 16);
}

const places = {
  kafka: join(cache, `kafka-${hashOf('infra/setup/kafka.pom.xml')}`),
  registry: join(cache, 'registry-3.0.9'),
  python: join(cache, `venv-${hashOf('infra/training/requirements.txt')}`),
};
const node = join(root, 'node_modules', '.bin', 'node');
const stamp = join(root, 'node_modules', '.millrace-lock');

function nodePackagesAreThere() {
  return existsSync(node) && existsSync(stamp) && readFileSync(stamp, 'utf8') === hashOf('package-lock.json');
}

async function installNodePackages() {
  if (nodePackagesAreThere()) return;
  rmSync(stamp, { force: true });
  // not `npm ci`: it wants the other systems' optional packages in the lock too, and not every registry has them
  await step('Node packages (1.3 GB unpacked: ClickHouse, RocksDB, ONNX Runtime …)', 'npm', [
    'install',
    '--no-audit',
    '--no-fund',
  ]);
  // .npmrc lets no package run a script of its own; this one is the pinned Node, which its script puts in its place
  await step('Node 24', 'npm', ['rebuild', 'node', '--ignore-scripts=false']);
  writeFileSync(stamp, hashOf('package-lock.json'));
}

/** Made aside and moved into place when it is whole, so that a broken or a second installer does no harm. */
async function cached(folder, make) {
  if (existsSync(folder)) return;
  mkdirSync(cache, { recursive: true });
  const aside = `${folder}.${process.pid}`;
  rmSync(aside, { recursive: true, force: true });
  await make(aside);
  try {
    renameSync(aside, folder);
  } catch (error) {
    rmSync(aside, { recursive: true, force: true });
    if (!existsSync(folder)) throw error;
  }
}

function installKafka() {
  return cached(places.kafka, (aside) =>
    step('Apache Kafka (45 MB)', 'mvn', [
      '-q',
      '-B',
      '-f',
      join(root, 'infra/setup/kafka.pom.xml'),
      'dependency:copy-dependencies',
      `-DoutputDirectory=${aside}`,
    ]),
  );
}

const REGISTRY = 'apicurio-registry-app-3.0.9-all.tar.gz';

function installRegistry() {
  return cached(places.registry, async (aside) => {
    mkdirSync(aside, { recursive: true });
    await step(
      'Apicurio schema registry (109 MB)',
      'mvn',
      [
        '-q',
        '-B',
        'dependency:copy',
        '-Dartifact=io.apicurio:apicurio-registry-app:3.0.9:tar.gz:all',
        `-DoutputDirectory=${aside}`,
      ],
      { cwd: cache },
    );
    await step('  unpacking it', 'tar', ['xzf', join(aside, REGISTRY), '-C', aside]);
    rmSync(join(aside, REGISTRY));
  });
}

function pythonIsThere() {
  return process.env.MILLRACE_PYTHON !== undefined || existsSync(join(places.python, '.whole'));
}

async function installPython() {
  if (pythonIsThere()) return;
  // a virtual environment holds its own path: it is made in place and marked when whole
  rmSync(places.python, { recursive: true, force: true });
  mkdirSync(cache, { recursive: true });
  await step('Python environment', findPython() ?? 'python3', ['-m', 'venv', places.python]);
  await step('Python packages (about 600 MB unpacked: mlflow, LightGBM, ONNX)', join(places.python, 'bin', 'pip'), [
    'install',
    '-q',
    '--disable-pip-version-check',
    '-r',
    join(root, 'infra/training/requirements.txt'),
  ]);
  writeFileSync(join(places.python, '.whole'), '');
}

// --- the hand-over

const [command, ...rest] = process.argv.slice(2);
/** A cluster that is named elsewhere is not brought. */
const named = { kafka: process.env.KAFKA_BROKERS, registry: process.env.SCHEMA_REGISTRY_URL };
const asksForHelp = rest.includes('--help') || rest.includes('-h');
const needs = asksForHelp ? [] : (NEEDS[command] ?? []).filter((name) => !named[name]);
requireMachine(needs);
await installNodePackages();
const install = { kafka: installKafka, registry: installRegistry, python: installPython };
for (const name of needs) await install[name]();
const seconds = (Date.now() - startedMs) / 1000;
if (seconds > 2) say(`  installed in ${seconds.toFixed(0)} s`);
const entry = { test: 'infra/testing/run-tests.ts', 'run-benchmarks': 'infra/testing/run-bench.ts' }[command];
const args =
  entry === undefined
    ? [join(root, 'infra/cli/entry.mjs'), ...(command === undefined ? [] : [command]), ...rest]
    : [join(root, entry), ...rest];
const child = spawn(node, args, {
  stdio: 'inherit',
  env: {
    // What somebody has set counts; whatever is started from here has it too.
    // glibc gives each thread an arena of its own otherwise, and RocksDB and ONNX Runtime have many threads.
    MALLOC_ARENA_MAX: '2',
    MILLRACE_KAFKA_LIBS: places.kafka,
    MILLRACE_REGISTRY_HOME: places.registry,
    MILLRACE_PYTHON: join(places.python, 'bin', 'python'),
    ...process.env,
    MILLRACE_INSTALL_S: seconds.toFixed(1),
  },
});
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'])
  process.on(signal, () => child.kill(signal === 'SIGHUP' ? 'SIGTERM' : signal));
child.once('error', (error) =>
  refuse(`The pinned Node does not start: ${error.message}`, 'Delete node_modules and try again.'),
);
child.once('exit', (code, signal) => process.exit(signal === null ? (code ?? 1) : 130));
