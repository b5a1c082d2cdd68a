// apply, train, promote, rollback: commands to the lifecycle, answered when they are decided.
import { existsSync, readFileSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { Failure } from '../../schemas/failure.ts';
import { readDefinitions } from '../../schemas/parse-definitions.ts';
import { systemClock } from '../clock.ts';
import { CommandClient } from '../command-client.ts';
import type { Connections } from '../connect.ts';
import { applyDefinitions } from '../definitions.ts';
import {
  type CliCommand,
  type CommandInput,
  WrongUsage,
  answer,
  instantOption,
  requiredOption,
  textOption,
} from './command.ts';
import { requireBroker } from './running.ts';

/** The client of Kafka is loaded when it is needed: help and refusals come at once. */
async function connectNow({ settings }: CommandInput): Promise<Connections> {
  await requireBroker(settings);
  const { connect } = await import('../connect.ts');
  return connect(settings, 'cli');
}

/** Sends one command. @throws Failure when it is refused */
async function send(input: CommandInput, type: string, payload: unknown): Promise<unknown> {
  const { settings } = input;
  const { log, codec, topics } = await connectNow(input);
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
  usage: 'FILE|FOLDER…',
  help: [
    'Entities, feature views, endpoints, monitors, rollout and retraining policies; each change becomes an event.',
    'All or nothing: a wrong definition is refused with its field and the fix.',
  ],
  argumentsMax: Number.POSITIVE_INFINITY,
  options: {},
  async run(input) {
    if (input.positionals.length === 0)
      throw new WrongUsage('missing_field', 'No file is given.', {
        field: 'FILE',
        fix: 'Give YAML files or a folder: `millrace apply definitions/`.',
      });
    const definitions = readDefinitions(definitionFiles(input.positionals));
    const connections = await connectNow(input);
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
  usage: 'ENDPOINT --from T --to T [--reason TEXT]',
  help: [
    '--from, --to   requests of this range, with the outcomes that were known at its end',
    'Builds a point-in-time right training set, runs the trainer of the retraining policy, registers the model and checks its gates.',
    'The answer comes when the training is asked for; the console shows how it goes.',
  ],
  argumentsMax: 1,
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
      `${(result as { training_id: string }).training_id} is asked for. The console shows how it goes; so does \`millrace sql "SELECT _name, json FROM lifecycle ORDER BY _offset DESC LIMIT 5"\`.`,
    );
  },
};

export const promote: CliCommand = {
  usage: 'ENDPOINT --version N [--approve] [--reason TEXT]',
  help: [
    '--approve   approves the version too; without it only an approved one is promoted',
    'Takes effect between two batches; a rollout that runs is ended.',
  ],
  argumentsMax: 1,
  options: { version: { type: 'string' }, approve: { type: 'boolean' }, reason: { type: 'string' } },
  async run(input) {
    const endpoint = firstPositional(input, 'ENDPOINT');
    const version = versionOption(input);
    if (version === null)
      throw new WrongUsage('missing_field', '--version is missing.', {
        field: '--version',
        fix: 'Give the number of the version.',
      });
    const result = await send(input, 'Promote', {
      endpoint,
      version,
      approve: input.options['approve'] === true,
      reason: textOption(input, 'reason') ?? undefined,
    });
    answer(input, result, `Version ${version} is the champion of ${endpoint}.`);
  },
};

export const rollback: CliCommand = {
  usage: 'ENDPOINT [--version N] [--reason TEXT]',
  help: [
    '--version  goes back to this one; without it to the champion before',
    'Takes effect between two batches; a rollout that runs is ended.',
  ],
  argumentsMax: 1,
  options: { version: { type: 'string' }, reason: { type: 'string' } },
  async run(input) {
    const endpoint = firstPositional(input, 'ENDPOINT');
    const result = await send(input, 'Rollback', {
      endpoint,
      version: versionOption(input),
      reason: textOption(input, 'reason') ?? undefined,
    });
    const { from_version, to_version } = result as { from_version: number; to_version: number };
    answer(input, result, `${endpoint} is back from version ${from_version} to version ${to_version}.`);
  },
};

/** @throws WrongUsage `invalid_field` */
function versionOption(input: CommandInput): number | null {
  const text = textOption(input, 'version');
  if (text === null) return null;
  const version = Number(text);
  if (!Number.isInteger(version) || version < 1)
    throw new WrongUsage('invalid_field', `--version is ${text}, no version.`, {
      field: '--version',
      fix: 'Give its number, such as 3.',
    });
  return version;
}

function firstPositional({ positionals }: CommandInput, name: string): string {
  const [first] = positionals;
  if (first === undefined)
    throw new WrongUsage('missing_field', `${name} is missing.`, {
      field: name,
      fix: `Give the name of the ${name.toLowerCase()} first.`,
    });
  return first;
}
