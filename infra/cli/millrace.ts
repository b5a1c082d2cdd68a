// The CLI: finds the command, reads its options, and tells failures with their fix.
import { parseArgs } from 'node:util';
import { Failure } from '../../schemas/failure.ts';
import { nearest } from '../../schemas/reading.ts';
import { diskFull, isDiskFull } from '../disk-space.ts';
import { readSettings } from '../settings.ts';
import { type CliCommand, WrongUsage, say } from './command.ts';
import { COMMANDS } from './commands.ts';

function overview(): string {
  const width = Math.max(...Object.keys(COMMANDS).map((name) => name.length));
  return [
    'millrace: machine learning on a log of events. `millrace COMMAND --help` tells more.',
    '',
    ...Object.entries(COMMANDS).map(([name, { summary }]) => `  ${name.padEnd(width)}  ${summary}`),
    '',
    'A first walk: `npm start` plays a year of flights through everything. With your own data:',
    '  millrace up --detach; millrace apply definitions/; produce to your topics; millrace train …; millrace sql "…"',
    'Every command takes --json; what goes wrong is then JSON too, on standard error. Exit status: 0 done, 1 failed, 2 wrong command line.',
    'Settings come from the environment or from millrace.yaml; `millrace doctor` lists them.',
  ].join('\n');
}

function helpOf(name: string, summary: string, { usage, help }: CliCommand): string {
  return [`millrace ${name} ${usage}`.trim(), '', `  ${summary}`, ...help.map((line) => `  ${line}`)].join('\n');
}

async function main([name, ...rest]: readonly string[]): Promise<void> {
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    process.stdout.write(`${overview()}\n`);
    return;
  }
  const entry = COMMANDS[name];
  if (entry === undefined) {
    const near = nearest(name, Object.keys(COMMANDS));
    throw new WrongUsage('unknown_name', `There is no command ${name}.`, {
      field: 'COMMAND',
      fix: near === null ? '`millrace --help` lists them.' : `Did you mean ${near}?`,
    });
  }
  const command = await entry.load();
  const { values, positionals } = parseOptions(name, command, rest);
  if (values['help'] === true) {
    process.stdout.write(`${helpOf(name, entry.summary, command)}\n`);
    return;
  }
  requireNoMore(name, command, positionals);
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

function requireNoMore(name: string, { argumentsMax }: CliCommand, positionals: readonly string[]): void {
  const surplus = positionals[argumentsMax];
  if (surplus === undefined) return;
  throw new WrongUsage('invalid_field', `${surplus} is one argument too many for \`millrace ${name}\`.`, {
    field: surplus,
    fix: `See \`millrace ${name} --help\`.`,
  });
}

function parseOptions(
  name: string,
  command: CliCommand,
  args: readonly string[],
): { values: Record<string, string | boolean | undefined>; positionals: string[] } {
  const options = { ...command.options, json: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } } as const;
  try {
    const { values, positionals } = parseArgs({ args: [...args], allowPositionals: true, options });
    return { values, positionals };
  } catch (cause) {
    const text = cause instanceof Error ? cause.message : String(cause);
    const unknown = /^Unknown option '-*([^']*)'/.exec(text)?.[1];
    if (unknown === undefined)
      throw new WrongUsage('invalid_field', `${text}.`, { fix: `See \`millrace ${name} --help\`.`, cause });
    const near = nearest(unknown, Object.keys(options));
    throw new WrongUsage('unknown_name', `\`millrace ${name}\` has no option --${unknown}.`, {
      field: `--${unknown}`,
      fix: near === null ? `See \`millrace ${name} --help\`.` : `Did you mean --${near}?`,
      cause,
    });
  }
}

/** For people a sentence, for scripts JSON; both on standard error. */
function tellFailure(error: unknown, json: boolean): void {
  const failure = error instanceof Failure ? error : isDiskFull(error) ? diskFull('the data folder', error) : null;
  const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
  if (!json) return say(`millrace: ${failure?.advice ?? stack}`);
  const { code, field, message, fix } = failure ?? { code: 'internal', field: '', message: stack, fix: '' };
  say(JSON.stringify({ error: { code, field, message, fix } }));
}

// who reads only the first lines (`| head`) has had enough
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit(0);
});
const args = process.argv.slice(2);
try {
  await main(args);
} catch (error) {
  tellFailure(error, args.includes('--json'));
  process.exitCode = error instanceof WrongUsage ? 2 : 1;
}
// connections that something left open must not keep the process
process.exit(process.exitCode ?? 0);
