// stream: runs a topology that the user declared.
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Failure } from '../../schemas/failure.ts';
import { startThreads } from '../threads.ts';
import type { TopologyThread } from '../topology-runner.ts';
import {
  type CliCommand,
  type CommandInput,
  WrongUsage,
  answer,
  countOption,
  fromCommandLine,
  say,
  textOption,
} from './command.ts';
import { requireBroker } from './running.ts';
import { untilStopped } from './until-stopped.ts';

export const stream: CliCommand = {
  usage:
    'FILE.ts [--describe] [--create-topics] [--threads N] [--instance NAME] [--guarantee exactly-once|at-least-once] [--failures F]',
  help: [
    'FILE exports a topology as its default (streams/README.md). Start more copies, here or elsewhere, to share the partitions.',
    '--describe       shows the stages and topics, and runs nothing',
    '--create-topics  makes sources and outputs that are not there, with MILLRACE_PARTITIONS partitions',
    '--threads        instances in threads of this process, 1 by default',
    '--instance       tells copies apart and names the state folder; the same again after a restart finds its state (0 by default)',
    '--failures       for this run instead of what the topology declares: decode|process|produce=dead-letter|stop, retries=N,',
    '                 retryBackoffMs=N, with commas between them',
  ],
  argumentsMax: 1,
  options: {
    threads: { type: 'string' },
    instance: { type: 'string' },
    guarantee: { type: 'string' },
    failures: { type: 'string' },
    describe: { type: 'boolean' },
    'create-topics': { type: 'boolean' },
  },
  async run(input) {
    const [file] = input.positionals;
    const told = { field: 'FILE', fix: 'Name the file that exports the topology.' };
    if (file === undefined) throw new WrongUsage('missing_field', 'FILE.ts is missing.', told);
    const failures = await failuresOf(input);
    const copies = copiesOf(input, file, failures);
    if (!existsSync(file)) throw new Failure('missing_field', `There is no ${file}.`, told);
    if (input.options['describe'] === true) {
      const [{ describeTopology }, { loadTopology }] = await Promise.all([
        import('../../streams/builder/describe.ts'),
        import('../topology-runner.ts'),
      ]);
      const text = describeTopology(await loadTopology(pathToFileURL(resolve(file)).href));
      answer(input, { topology: text.split('\n') }, text);
      return;
    }
    await requireBroker(input.settings);
    const threads = startThreads(new URL('../topology-thread.ts', import.meta.url), copies);
    await threads.running;
    say(`${file} runs; Ctrl-C stops it.`);
    await Promise.race([untilStopped(input.signal), threads.ended]);
    threads.stop();
    await threads.ended;
  },
};

/** @throws WrongUsage */
async function failuresOf(input: CommandInput): Promise<NonNullable<TopologyThread['failures']>> {
  const text = textOption(input, 'failures');
  if (text === null) return {};
  const given = Object.fromEntries(
    text.split(',').map((part) => {
      const [name = '', value = ''] = part.split('=');
      return [name.trim(), /^[\d.]+$/.test(value.trim()) ? Number(value) : value.trim()];
    }),
  );
  const { readPolicies } = await import('../../streams/failure-policies.ts');
  fromCommandLine(() => readPolicies('--failures', given));
  return given;
}

function copiesOf(input: CommandInput, file: string, failures: TopologyThread['failures'] = {}): TopologyThread[] {
  const guarantee = textOption(input, 'guarantee') ?? 'exactly-once';
  if (guarantee !== 'exactly-once' && guarantee !== 'at-least-once')
    throw new WrongUsage('invalid_field', `--guarantee is ${guarantee}.`, {
      field: '--guarantee',
      fix: 'Give exactly-once or at-least-once.',
    });
  const instance = textOption(input, 'instance') ?? '0';
  const module = pathToFileURL(resolve(file)).href;
  const count = countOption(input, 'threads') ?? 1;
  return Array.from({ length: count }, (_, number) => ({
    module,
    guarantee,
    createTopics: input.options['create-topics'] === true,
    failures,
    instance: count === 1 ? instance : `${instance}-${number}`,
  }));
}
