// The CLI: finds the command, reads its options, and tells failures with their fix.
import { parseArgs } from 'node:util';
import { Failure } from '../../schemas/failure.ts';
import { nearest } from '../../schemas/reading.ts';
import { readSettings } from '../settings.ts';
import { type CliCommand, say } from './command.ts';
import { replay, sql, verify } from './data-commands.ts';
import { demo } from './demo-command.ts';
import { apply, promote, rollback, train } from './lifecycle-commands.ts';
import { doctor, down, reset, run, status, up } from './stack-commands.ts';

const COMMANDS: Readonly<Record<string, CliCommand>> = {
  demo,
  up,
  down,
  status,
  apply,
  replay,
  train,
  promote,
  rollback,
  verify,
  sql,
  run,
  doctor,
  reset,
};

function overview(): string {
  const width = Math.max(...Object.keys(COMMANDS).map((name) => name.length));
  return [
    'millrace: machine learning on a log of events. `millrace COMMAND --help` tells more.',
    '',
    ...Object.entries(COMMANDS).map(([name, { summary }]) => `  ${name.padEnd(width)}  ${summary}`),
    '',
    'A first walk: `npm start` plays a year of flights through everything. With your own data:',
    '  millrace up --detach; millrace apply definitions/; produce to your topics; millrace train …; millrace sql "…"',
    'Every command takes --json. Settings come from the environment or from millrace.yaml; `millrace doctor` lists them.',
  ].join('\n');
}

function helpOf(name: string, { summary, usage, help }: CliCommand): string {
  return [`millrace ${name} ${usage}`.trim(), '', `  ${summary}`, ...help.map((line) => `  ${line}`)].join('\n');
}

async function main([name, ...rest]: readonly string[]): Promise<void> {
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    process.stdout.write(`${overview()}\n`);
    return;
  }
  const command = COMMANDS[name];
  if (command === undefined) {
    const near = nearest(name, Object.keys(COMMANDS));
    throw new Failure('unknown_name', `There is no command ${name}.`, {
      fix: near === null ? '`millrace --help` lists them.' : `Did you mean ${near}?`,
    });
  }
  const { values, positionals } = parseOptions(command, rest);
  if (values['help'] === true) {
    process.stdout.write(`${helpOf(name, command)}\n`);
    return;
  }
  const abort = new AbortController();
  process.on('SIGINT', () => abort.abort());
  process.on('SIGTERM', () => abort.abort());
  await command.run({
    settings: readSettings(),
    positionals,
    options: values,
    json: values['json'] === true,
    signal: abort.signal,
  });
}

function parseOptions(
  command: CliCommand,
  args: readonly string[],
): { values: Record<string, string | boolean | undefined>; positionals: string[] } {
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: { ...command.options, json: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } },
    });
    return { values, positionals };
  } catch (error) {
    throw new Failure('unknown_name', error instanceof Error ? error.message : String(error), {
      fix: 'See --help.',
      cause: error,
    });
  }
}

try {
  await main(process.argv.slice(2));
} catch (error) {
  if (error instanceof Failure) say(`millrace: ${error.advice}`);
  else say(`millrace: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
  process.exitCode = 1;
}
// connections that something left open must not keep the process
process.exit(process.exitCode ?? 0);
