// apply, train, promote, rollback: commands to the lifecycle, answered when they are decided.
import { existsSync, readFileSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { Failure } from '../../schemas/failure.ts';
import { parseDefinitions } from '../../schemas/parse-definitions.ts';
import { systemClock } from '../clock.ts';
import { CommandClient } from '../command-client.ts';
import { connect } from '../connect.ts';
import { applyDefinitions } from '../definitions.ts';
import { type CliCommand, type CommandInput, answer, instantOption, requiredOption, textOption } from './command.ts';

/** Sends one command. @throws Failure when it is refused */
async function send(input: CommandInput, type: string, payload: unknown): Promise<unknown> {
  const { settings } = input;
  const { log, codec, topics } = connect(settings, 'cli');
  const commands = new CommandClient({
    log,
    codec,
    names: topics,
    clock: systemClock,
    workspace: settings.workspace,
    issuedBy: process.env['USER'] ?? 'cli',
  });
  try {
    await commands.start();
    return await commands.send(type, payload);
  } finally {
    await commands.close();
    await log.close();
  }
}

function definitionFiles(paths: readonly string[]): { name: string; text: string }[] {
  return paths.flatMap((path) => {
    if (!existsSync(path))
      throw new Failure('unknown_name', `There is no ${path}.`, {
        field: 'FILE',
        fix: 'Give YAML files, or folders with YAML files.',
      });
    const files = statSync(path).isDirectory()
      ? readdirSync(path)
          .filter((name) => /\.ya?ml$/.test(name))
          .sort()
          .map((name) => join(path, name))
      : [path];
    return files.map((name) => ({ name, text: readFileSync(name, 'utf8') }));
  });
}

export const apply: CliCommand = {
  summary: 'apply definitions from YAML files',
  usage: 'FILE|FOLDER…',
  help: [
    'Entities, feature views, endpoints, monitors, rollout and retraining policies; each change becomes an event.',
    'All or nothing: a wrong definition is refused with its field and the fix.',
  ],
  options: {},
  async run(input) {
    if (input.positionals.length === 0)
      throw new Failure('missing_field', 'No file is given.', {
        field: 'FILE',
        fix: 'Give YAML files or a folder: `millrace apply definitions/`.',
      });
    const definitions = parseDefinitions(definitionFiles(input.positionals));
    const connections = connect(input.settings, 'cli');
    try {
      const { applied, unchanged } = await applyDefinitions(
        connections,
        input.settings,
        definitions,
        process.env['USER'] ?? 'cli',
      );
      answer(input, { applied, unchanged }, `${applied} applied, ${unchanged} unchanged.`);
    } finally {
      await connections.log.close();
    }
  },
};

export const train: CliCommand = {
  summary: 'train a model for an endpoint on a range of time',
  usage: 'ENDPOINT --from T --to T [--reason TEXT]',
  help: [
    'Builds a point-in-time right training set, runs the trainer of the retraining policy, registers the model and checks its gates.',
  ],
  options: { from: { type: 'string' }, to: { type: 'string' }, reason: { type: 'string' } },
  async run(input) {
    const endpoint = firstPositional(input, 'ENDPOINT');
    requiredOption(input, 'from', 'Give the first instant of the training range.');
    requiredOption(input, 'to', 'Give the instant at which the training range ends.');
    const result = await send(input, 'RequestTraining', {
      endpoint,
      train_from: instantOption(input, 'from'),
      train_to: instantOption(input, 'to'),
      reason: textOption(input, 'reason') ?? undefined,
    });
    answer(
      input,
      result,
      `Training is requested: ${JSON.stringify(result)}. The console and \`millrace sql "SELECT _name, json FROM millrace.lifecycle ORDER BY _offset DESC LIMIT 5"\` show how it goes.`,
    );
  },
};

export const promote: CliCommand = {
  summary: 'make a version the champion of an endpoint',
  usage: 'ENDPOINT --version N [--reason TEXT]',
  help: ['Takes effect between two batches.'],
  options: { version: { type: 'string' }, reason: { type: 'string' } },
  async run(input) {
    const endpoint = firstPositional(input, 'ENDPOINT');
    const version = Number(requiredOption(input, 'version', 'Give the number of the version.'));
    const result = await send(input, 'Promote', {
      endpoint,
      version,
      reason: textOption(input, 'reason') ?? undefined,
    });
    answer(input, result, `Version ${version} is the champion of ${endpoint}.`);
  },
};

export const rollback: CliCommand = {
  summary: 'go back to the champion before',
  usage: 'ENDPOINT [--version N] [--reason TEXT]',
  help: ['Takes effect between two batches; a rollout that runs is ended.'],
  options: { version: { type: 'string' }, reason: { type: 'string' } },
  async run(input) {
    const endpoint = firstPositional(input, 'ENDPOINT');
    const version = textOption(input, 'version');
    const result = await send(input, 'Rollback', {
      endpoint,
      version: version === null ? null : Number(version),
      reason: textOption(input, 'reason') ?? undefined,
    });
    answer(input, result, `Rolled back: ${JSON.stringify(result)}.`);
  },
};

function firstPositional({ positionals }: CommandInput, name: string): string {
  const [first] = positionals;
  if (first === undefined)
    throw new Failure('missing_field', `${name} is missing.`, {
      field: name,
      fix: `Give the name of the ${name.toLowerCase()} first.`,
    });
  return first;
}
