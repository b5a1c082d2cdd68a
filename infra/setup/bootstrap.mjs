// Runs on the machine's own Node (20 or newer): brings what is missing, pinned, then hands over to the pinned Node 24.
// Plain JavaScript without dependencies, since it runs before `npm ci`.
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

const root = new URL('../../', import.meta.url).pathname;
const cache = process.env.MILLRACE_CACHE_DIR ?? join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'millrace');
const startedMs = Date.now();

function say(text) {
  process.stderr.write(`${text}\n`);
}

function refuse(problem, fix) {
  say(`\nmillrace: ${problem}\n          ${fix}`);
  process.exit(2);
}

function output(command, args) {
  const result = spawnSync(command, args, { encoding: 'utf8' });
  return result.error === undefined && result.status === 0 ? `${result.stdout}${result.stderr}` : null;
}

function checkTools() {
  if (Number(process.versions.node.split('.')[0]) < 20) {
    refuse(`Node ${process.versions.node} is too old to start with.`, 'Install Node 20 or newer (https://nodejs.org); the product brings its own Node 24.');
  }
  const java = /version "(\d+)/.exec(output('java', ['-version']) ?? '');
  if (java === null || Number(java[1]) < 17) refuse(java === null ? 'Java is missing.' : `Java ${java[1]} is too old.`, 'Install Java 17 or newer (Debian: apt-get install openjdk-17-jre-headless).');
  if (output('mvn', ['--version']) === null) refuse('Maven is missing.', 'Install it (Debian: apt-get install maven); it fetches Kafka from Maven Central.');
  const python = /Python 3\.(\d+)/.exec(output('python3', ['--version']) ?? '');
  if (python === null || Number(python[1]) < 11) refuse('Python 3.11 or newer is missing.', 'Install it with its venv module (Debian: apt-get install python3 python3-venv); trainers run in it.');
}

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
    child.once('error', () => resolve(-1));
    child.once('exit', resolve);
  });
  clearInterval(dots);
  if (code !== 0) {
    say(` failed\n${text.split('\n').slice(-25).join('\n')}`);
    refuse(`"${command} ${args.join(' ')}" failed.`, 'Check the network to the package registries and the free disk space, then try again: what is complete is kept.');
  }
  say(` ${((Date.now() - began) / 1000).toFixed(1)} s`);
}

function hashOf(...files) {
  const hash = createHash('sha256');
  for (const file of files) hash.update(readFileSync(join(root, file)));
  return hash.digest('hex').slice(0, 16);
}

async function installNodePackages() {
  const stamp = join(root, 'node_modules', '.millrace-lock');
  const wanted = hashOf('package-lock.json');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return;
  // not `npm ci`: it wants the other systems' optional packages in the lock too, and not every registry has them
  await step('Node packages (about 1.3 GB, Node 24 and ClickHouse among them)', 'npm', ['install', '--no-audit', '--no-fund'], {
    env: { ...process.env, ONNXRUNTIME_NODE_INSTALL: 'skip' },
  });
  writeFileSync(stamp, wanted);
}

/** A folder in the cache, made aside and moved into place when it is whole, so that a broken or a second installer does no harm. */
async function cached(name, make) {
  const folder = join(cache, name);
  if (existsSync(folder)) return folder;
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
  return folder;
}

async function installKafka() {
  return cached(`kafka-${hashOf('infra/setup/kafka.pom.xml')}`, (aside) =>
    step('Apache Kafka (45 MB)', 'mvn', ['-q', '-B', '-f', join(root, 'infra/setup/kafka.pom.xml'), 'dependency:copy-dependencies', `-DoutputDirectory=${aside}`]),
  );
}

const REGISTRY = 'apicurio-registry-app-3.0.9-all.tar.gz';

async function installRegistry() {
  return cached('registry-3.0.9', async (aside) => {
    mkdirSync(aside, { recursive: true });
    await step('Apicurio schema registry (109 MB)', 'mvn', ['-q', '-B', 'dependency:copy', '-Dartifact=io.apicurio:apicurio-registry-app:3.0.9:tar.gz:all', `-DoutputDirectory=${aside}`], { cwd: cache });
    await step('  unpacking it', 'tar', ['xzf', join(aside, REGISTRY), '-C', aside]);
    rmSync(join(aside, REGISTRY));
  });
}

async function installPython() {
  // a virtual environment holds its own path: it is made in place and marked when whole
  const folder = join(cache, `venv-${hashOf('infra/training/requirements.txt')}`);
  const whole = join(folder, '.whole');
  if (existsSync(whole)) return folder;
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(cache, { recursive: true });
  await step('Python environment', 'python3', ['-m', 'venv', folder]);
  await step('Python packages (mlflow, LightGBM, ONNX)', join(folder, 'bin', 'pip'), ['install', '-q', '--disable-pip-version-check', '-r', join(root, 'infra/training/requirements.txt')]);
  writeFileSync(whole, '');
  return folder;
}

export async function setUp() {
  checkTools();
  await installNodePackages();
  const [kafka, registry, python] = [await installKafka(), await installRegistry(), await installPython()];
  return { kafka, registry, python };
}

const { kafka, registry, python } = await setUp();
const seconds = (Date.now() - startedMs) / 1000;
if (seconds > 2) say(`  installed in ${seconds.toFixed(0)} s`);
const node = join(root, 'node_modules', '.bin', 'node');
const [command, ...rest] = process.argv.slice(2);
const entry = { test: 'infra/testing/run-tests.ts', bench: 'infra/testing/run-bench.ts' }[command];
const args = entry === undefined ? [join(root, 'infra/cli/millrace.ts'), command, ...rest] : [join(root, entry), ...rest];
const child = spawn(node, args, {
  stdio: 'inherit',
  env: {
    ...process.env,
    MILLRACE_KAFKA_LIBS: kafka,
    MILLRACE_REGISTRY_HOME: registry,
    MILLRACE_PYTHON: join(python, 'bin', 'python'),
    MILLRACE_INSTALL_S: seconds.toFixed(1),
  },
});
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal === 'SIGHUP' ? 'SIGTERM' : signal));
child.once('exit', (code, signal) => process.exit(signal === null ? (code ?? 1) : 130));
