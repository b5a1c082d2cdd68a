// doctor: whether this machine has what the platform needs.
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, statfsSync } from 'node:fs';
import { createServer } from 'node:net';
import { totalmem } from 'node:os';
import { SETTING_NAMES, type Settings, shownUrl } from '../settings.ts';
import { type CliCommand, answer } from './command.ts';
import { supervisorOf } from './running.ts';

interface Check {
  readonly name: string;
  readonly ok: boolean;
  readonly detail: string;
}

export const doctor: CliCommand = {
  usage: '[--json]',
  help: ['Looks for the tools, the ports, disk and memory, and lists every setting.'],
  argumentsMax: 0,
  options: {},
  async run(input) {
    const { settings } = input;
    const running = supervisorOf(settings) !== null;
    const [tools, ports] = await Promise.all([
      Promise.all([
        ...PYTHON_CHECKS.map(({ name, script, wanted }) => tool(name, settings.python, ['-c', script], wanted)),
        tool('Java 17 or newer', settings.java, ['-version'], /version "(1[7-9]|[2-9]\d)/),
      ]),
      Promise.all(portsOf(settings).map((name) => portCheck(name, settings, running))),
    ]);
    const parts = [kafkaCheck(settings), registryCheck(settings)];
    const checks = [...tools, ...parts, ...ports, diskCheck(settings.dataDir), memoryCheck()];
    const text = [
      ...checks.map(({ name, ok, detail }) => `  ${ok ? 'ok    ' : 'WRONG '} ${name}: ${detail}`),
      '',
      'Settings, from the environment or from millrace.yaml; the README explains each:',
      ...columns(SETTING_NAMES),
    ].join('\n');
    answer(input, { ok: checks.every(({ ok }) => ok), checks, settings: SETTING_NAMES }, text);
    if (checks.some(({ ok }) => !ok)) process.exitCode = 1;
  },
};

type PortName = 'httpPort' | 'kafkaPort' | 'registryPort' | 'clickhousePort';

/** Of what is started here. */
function portsOf({ kafkaBrokers, schemaRegistryUrl, clickhouseUrl }: Settings): PortName[] {
  return [
    'httpPort',
    ...(kafkaBrokers === null ? (['kafkaPort'] as const) : []),
    ...(schemaRegistryUrl === null ? (['registryPort'] as const) : []),
    ...(clickhouseUrl === null ? (['clickhousePort'] as const) : []),
  ];
}

const NAMES_PER_LINE = 3;

function columns(names: readonly string[]): string[] {
  const width = Math.max(...names.map((name) => name.length)) + 2;
  return Array.from({ length: Math.ceil(names.length / NAMES_PER_LINE) }, (_, line) => {
    const row = names.slice(line * NAMES_PER_LINE, (line + 1) * NAMES_PER_LINE);
    return `  ${row.map((name) => name.padEnd(width)).join('')}`.trimEnd();
  });
}

/** Each imports for itself what takes a second or two: side by side they take as long as the longest. */
const PYTHON_CHECKS = [
  { name: 'Python 3.11 or newer', script: 'import sys; print(sys.version)', wanted: /^3\.(1[1-9]|[2-9]\d)/m },
  { name: 'mlflow, for the trainers', script: 'import mlflow; print(mlflow.__version__)', wanted: /^\d+\.\d+/m },
  { name: 'LightGBM, for the trainers', script: 'import lightgbm; print(lightgbm.__version__)', wanted: /^\d+\.\d+/m },
] as const;

function tool(name: string, command: string, args: readonly string[], wanted: RegExp): Promise<Check> {
  return new Promise((resolve) => {
    execFile(command, args, (error, out, err) => {
      const text = `${out}${err}`.trim();
      const lines = text === '' ? [error?.message ?? 'It says nothing.'] : text.split('\n');
      const ok = error === null && wanted.test(text);
      // a failing Python tells the reason last
      resolve({ name, ok, detail: (ok ? lines[0] : lines.at(-1)) ?? '' });
    });
  });
}

function kafkaCheck({ kafkaBrokers, kafkaLibs }: Settings): Check {
  return kafkaBrokers === null
    ? { name: "Kafka's jars", ok: existsSync(kafkaLibs), detail: kafkaLibs }
    : { name: 'Kafka', ok: true, detail: `${kafkaBrokers.join(', ')} (not asked here)` };
}

function registryCheck({ schemaRegistryUrl, registryHome }: Settings): Check {
  return {
    name: 'schema registry',
    ok: schemaRegistryUrl !== null || existsSync(registryHome),
    detail: schemaRegistryUrl === null ? registryHome : shownUrl(schemaRegistryUrl),
  };
}

function portCheck(name: PortName, settings: Settings, running: boolean): Promise<Check> {
  const port = settings[name];
  if (running) return Promise.resolve({ name: `port ${port}`, ok: true, detail: 'used by the running platform' });
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () =>
      resolve({
        name: `port ${port}`,
        ok: false,
        detail: `taken by another program; set MILLRACE_${name.replace('Port', '').toUpperCase()}_PORT`,
      }),
    );
    server.listen(port, settings.host, () =>
      server.close(() => resolve({ name: `port ${port}`, ok: true, detail: 'free' })),
    );
  });
}

const MEMORY_MIN_GB = 6;

function memoryCheck(): Check {
  const gb = totalmem() / 1e9;
  const ok = gb >= MEMORY_MIN_GB;
  return {
    name: 'memory',
    ok,
    detail: `${gb.toFixed(1)} GB${ok ? '' : `; the demo needs ${MEMORY_MIN_GB} GB in all`}`,
  };
}

const DISK_MIN_GB = 3;

function diskCheck(dataDir: string): Check {
  mkdirSync(dataDir, { recursive: true });
  const { bavail, bsize } = statfsSync(dataDir);
  const gb = (bavail * bsize) / 1e9;
  return {
    name: 'free disk',
    ok: gb >= DISK_MIN_GB,
    detail: `${gb.toFixed(1)} GB at ${dataDir}${gb >= DISK_MIN_GB ? '' : `; the demo needs ${DISK_MIN_GB} GB`}`,
  };
}
