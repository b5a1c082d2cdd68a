// dead-letters: what was set aside, and putting it back.
import type { LetterFilter, OutstandingLetter } from '../dead-letters.ts';
import { type CliCommand, type CommandInput, WrongUsage, answer, textOption } from './command.ts';
import { requireBroker } from './running.ts';

export const deadLetters: CliCommand = {
  usage: '[list|retry] [--topic T] [--code C] [--offset N] [--for-all]',
  help: [
    'list (default) shows what is outstanding; retry puts it back, whole, at the end of its partition, each letter once.',
    '--topic   only letters from this topic',
    '--code    only letters with this failure code',
    '--offset  only this letter',
    '--for-all  retry: for all who read the topic. Without it applications other than the one that set a record aside pass over it',
  ],
  argumentsMax: 1,
  options: {
    topic: { type: 'string' },
    code: { type: 'string' },
    offset: { type: 'string' },
    'for-all': { type: 'boolean' },
  },
  async run(input) {
    const [action = 'list'] = input.positionals;
    if (action !== 'list' && action !== 'retry')
      throw new WrongUsage('unknown_name', `There is no action ${action}.`, { fix: 'Use list or retry.' });
    const filter = filterOf(input);
    const [{ connect }, { outstandingLetters, returnLetters }] = await Promise.all([
      import('../connect.ts'),
      import('../dead-letters.ts'),
    ]);
    await requireBroker(input.settings);
    const connections = connect(input.settings, 'dead-letters');
    try {
      const forAll = input.options['for-all'] === true;
      const letters =
        action === 'retry'
          ? await returnLetters(connections, filter, { returnedBy: process.env['USER'] ?? 'cli', forAll })
          : await outstandingLetters(connections, filter);
      const value = letters.map(({ offset, letter }) => ({
        offset,
        source: `${letter.source_topic}/${letter.source_partition}/${letter.source_offset}`,
        stage: letter.stage,
        application: letter.processor,
        code: letter.code,
        field: letter.field,
        reason: letter.reason,
      }));
      const others = letters.length > 0 ? [] : await outstandingLetters(connections, ANY_LETTER);
      answer(input, { action, letters: value }, toldOf(action, letters, others));
    } finally {
      await connections.log.close();
    }
  },
};

const ANY_LETTER: LetterFilter = { sourceTopic: null, code: null, offset: null };

/** @param others what is outstanding where no letter is as asked for */
export function toldOf(
  action: 'list' | 'retry',
  letters: readonly OutstandingLetter[],
  others: readonly OutstandingLetter[],
): string {
  if (letters.length === 0 && others.length > 0) {
    const none = action === 'list' ? 'No letter is as asked for.' : '0 put back: no letter is as asked for.';
    return [`${none} What is set aside (topic, code):`, ...groupsOf(others, ['source_topic', 'code'])].join('\n');
  }
  return action === 'list' ? listed(letters) : `${letters.length} put back.`;
}

/** A line for each group: how many letters, and what they have in common. */
function groupsOf(
  letters: readonly OutstandingLetter[],
  by: readonly ('source_topic' | 'processor' | 'stage' | 'code')[],
): string[] {
  const groups = Map.groupBy(letters, ({ letter }) => by.map((name) => letter[name]).join('  '));
  return [...groups].map(([group, list]) => `${String(list.length).padStart(6)}  ${group}`);
}

function filterOf(input: CommandInput): LetterFilter {
  const offset = textOption(input, 'offset');
  if (offset !== null && !/^\d+$/.test(offset))
    throw new WrongUsage('invalid_field', `--offset is ${offset}.`, {
      field: '--offset',
      fix: 'Give the offset that list shows.',
    });
  return {
    sourceTopic: textOption(input, 'topic'),
    code: textOption(input, 'code'),
    offset: offset === null ? null : Number(offset),
  };
}

const SHOWN_MAX = 50;

function listed(letters: readonly OutstandingLetter[]): string {
  if (letters.length === 0) return 'Nothing is set aside.';
  return [
    ...groupsOf(letters, ['source_topic', 'processor', 'stage', 'code']),
    '',
    '  letter, record (topic/partition/offset), reason',
    ...letters
      .slice(0, SHOWN_MAX)
      .map(
        ({ offset, letter }) =>
          `  ${offset}  ${letter.source_topic}/${letter.source_partition}/${letter.source_offset}  ${letter.reason}`,
      ),
    ...(letters.length > SHOWN_MAX ? [`  … and ${letters.length - SHOWN_MAX} more`] : []),
    'Put them back with `millrace dead-letters retry` once the cause is mended.',
  ].join('\n');
}
