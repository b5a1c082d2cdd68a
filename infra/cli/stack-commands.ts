// up, down, run, reset: the stack of one machine.
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, openSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { Failure } from '../../schemas/failure.ts';
import { systemClock } from '../clock.ts';
import { ROLES } from '../roles/roles.ts';
import { addressesOf, tellAddresses } from './addresses.ts';
import { type CliCommand, type CommandInput, StartLine, WrongUsage, answer, say, textOption } from './command.ts';
import { stopAll, supervisorOf } from './running.ts';
import { untilStopped } from './until-stopped.ts';

const READY_WITHIN_MS = 180_000;
const STEP_MS = 200;

export const up: CliCommand = {
  usage: '[--detach] [--time live|event]',
  help: [
    'Starts Kafka, the schema registry and ClickHouse (each unless a setting names another), and every role.',
    '--detach   comes back when everything is ready; `millrace down` stops it',
    '--time     live (default): requests see the newest rows; event: inputs are merged by event time, for replays',
  ],
  argumentsMax: 0,
  options: { detach: { type: 'boolean' }, time: { type: 'string' } },
  async run(input) {
    const { settings, options, signal } = input;
    const time = textOption(input, 'time') ?? settings.time;
    if (time !== 'live' && time !== 'event')
      throw new WrongUsage('invalid_field', `--time is ${time}.`, { field: '--time', fix: 'Give live or event.' });
    if (options['detach'] === true) return startDetached(input, time);
    const { Stack } = await import('../supervisor/stack.ts');
    const line = new StartLine();
    const ready = (name: string): void => line.add(name);
    const stack = new Stack({ settings, environment: { MILLRACE_TIME: time }, say, ready });
    signal.addEventListener('abort', () => void stack.stop(), { once: true });
    try {
      await stack.start().finally(() => line.end());
      answer(
        input,
        { ready: true, ...addressesOf(settings) },
        `Millrace is up. Ctrl-C stops it.\n${tellAddresses(settings)}`,
      );
      await untilStopped(signal);
      say('stopping …');
    } finally {
      await stack.stop();
    }
  },
};

async function startDetached(input: CommandInput, time: string): Promise<void> {
  const { settings } = input;
  const running = supervisorOf(settings);
  if (running !== null)
    throw new Failure('conflict', `Millrace already runs in ${settings.dataDir} (process ${running.pid}).`, {
      fix: 'Use it, or stop it with `npx millrace down`.',
    });
  mkdirSync(join(settings.dataDir, 'logs'), { recursive: true });
  const log = join(settings.dataDir, 'logs', 'supervisor.log');
  const file = openSync(log, 'w');
  const child = spawn(process.execPath, [new URL('entry.mjs', import.meta.url).pathname, 'up', '--time', time], {
    detached: true,
    stdio: ['ignore', file, file],
  });
  child.unref();
  const untilMs = systemClock.monotonicMs() + READY_WITHIN_MS;
  process.stderr.write('starting ');
  while (supervisorOf(settings)?.ready !== true) {
    if (child.exitCode !== null)
      throw new Failure('not_ready', `It did not start:\n${readFileSync(log, 'utf8').trim()}`);
    if (systemClock.monotonicMs() > untilMs)
      throw new Failure('not_ready', `It was not ready within ${READY_WITHIN_MS / 1000} s.`, { fix: `See ${log}.` });
    process.stderr.write('.');
    await systemClock.sleep(STEP_MS * 5);
  }
  process.stderr.write('\n');
  answer(
    input,
    { ready: true, pid: child.pid, ...addressesOf(settings) },
    `Millrace is up (process ${child.pid}); \`npx millrace down\` stops it.\n${tellAddresses(settings)}`,
  );
}

export const down: CliCommand = {
  usage: '',
  help: ['Roles finish what they have begun, Kafka last. The data stays.'],
  argumentsMax: 0,
  options: {},
  async run(input) {
    const stopped = await stopAll(input.settings);
    answer(input, { stopped: stopped !== null }, stopped ?? `Nothing runs in ${input.settings.dataDir}.`);
  },
};

export const run: CliCommand = {
  usage: `--role ${ROLES.join('|')} [--instance N]`,
  help: [
    'Needs KAFKA_BROKERS, SCHEMA_REGISTRY_URL and CLICKHOUSE_URL where these are not on this machine.',
    'Several instances of a role share its partitions; give each its own --instance, which names its state folder.',
  ],
  argumentsMax: 0,
  options: { role: { type: 'string' }, instance: { type: 'string' } },
  async run(input) {
    const name = textOption(input, 'role');
    const role = ROLES.find((known) => known === name);
    if (role === undefined)
      throw new WrongUsage('unknown_name', name === null ? '--role is missing.' : `There is no role ${name}.`, {
        field: '--role',
        fix: `Use one of ${ROLES.join(', ')}.`,
      });
    const { runRole } = await import('../roles/main.ts');
    await runRole(role, textOption(input, 'instance') ?? '0', null);
    await untilStopped(input.signal);
  },
};

/** Everything that the platform keeps in its data folder, which may hold other things too. */
const DATA_PARTS = ['kafka', 'state', 'clickhouse', 'logs', 'run', 'artifacts', 'training-sets', 'demo.json'];

export const reset: CliCommand = {
  usage: '',
  help: ['Stops it first when it runs. Downloads in the cache folder stay.'],
  argumentsMax: 0,
  options: {},
  async run(input) {
    const { dataDir } = input.settings;
    await stopAll(input.settings);
    const parts = DATA_PARTS.filter((part) => existsSync(join(dataDir, part)));
    for (const part of parts) rmSync(join(dataDir, part), { recursive: true, force: true });
    answer(
      input,
      { deleted: parts.map((part) => join(dataDir, part)) },
      parts.length === 0 ? `There is nothing in ${dataDir}.` : `Deleted ${parts.join(', ')} in ${dataDir}.`,
    );
  },
};
