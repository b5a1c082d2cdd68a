// state: reads what a running topology keeps, wherever it runs.
import { systemClock } from '../clock.ts';
import { placesOf } from '../state/group-places.ts';
import { ROWS, WAIT_MS, numberOf, readPosition } from '../state/state-http.ts';
import { StateRouter } from '../state/state-router.ts';
import { type CliCommand, type CommandInput, WrongUsage, answer, fromCommandLine, textOption } from './command.ts';

export const state: CliCommand = {
  usage: '[APPLICATION STORE [KEY …]] [--from KEY] [--to KEY] [--limit N] [--at-least JSON] [--wait-ms N]',
  help: [
    'Without a name it lists the stores that can be read; STORE is the name of a step, of declared windows, or of a table of a join.',
    `--from, --to   a range of keys, from included, to excluded; --limit rows at most, ${ROWS} by default`,
    '--at-least     offsets that the answer has to contain, such as {"payments":{"0":41}}: read your writes',
    `--wait-ms      how long that may take, ${WAIT_MS} by default`,
    'Of other machines too, where they advertise a host and MILLRACE_STATE_TOKEN is theirs.',
    'The same over HTTP: GET /state (streams/README.md, "Reading state from outside").',
  ],
  argumentsMax: Number.POSITIVE_INFINITY,
  options: {
    from: { type: 'string' },
    to: { type: 'string' },
    limit: { type: 'string' },
    'at-least': { type: 'string' },
    'wait-ms': { type: 'string' },
  },
  async run(input) {
    // Kafka is asked for other machines only where they would answer
    const log =
      input.settings.stateToken === null ? null : (await import('../connect.ts')).connect(input.settings, 'state').log;
    const places = placesOf(input.settings, log, systemClock);
    try {
      await tell(input, new StateRouter(places, systemClock));
    } finally {
      await log?.close();
    }
  },
};

async function tell(input: CommandInput, router: StateRouter): Promise<void> {
  const [application, store, ...keys] = input.positionals;
  if (application === undefined) {
    const stores = await router.stores();
    const lines = stores.map(
      ({ application: of, store: name, partitions, owned, sources }) =>
        `${of} ${name}  ${owned.length} of ${partitions} partitions can be read, positions in ${sources.join(', ')}`,
    );
    answer(input, { stores }, lines.length === 0 ? 'No topology with states runs here.' : lines.join('\n'));
    return;
  }
  if (store === undefined)
    throw new WrongUsage('missing_field', 'STORE is missing.', {
      field: 'STORE',
      fix: '`millrace state` lists the stores.',
    });
  const atLeast = textOption(input, 'at-least');
  const bound = fromCommandLine(() => ({
    atLeast: atLeast === null ? {} : readPosition(atLeast, '--at-least'),
    waitMs: numberOf('--wait-ms', textOption(input, 'wait-ms'), WAIT_MS, 600_000),
  }));
  const limit = fromCommandLine(() => numberOf('--limit', textOption(input, 'limit'), ROWS));
  const at = { application, store };
  if (keys.length > 0) {
    const told = await router.keys(at, keys, bound);
    const lines = told.rows.map(({ key, found, value }) => `${key}\t${found ? JSON.stringify(value) : '–'}`);
    answer(input, { ...at, ...told }, lines.join('\n'));
    return;
  }
  const range = { from: textOption(input, 'from'), to: textOption(input, 'to'), limit };
  const told = await router.range(at, range, bound);
  const lines = told.rows.map(({ key, value }) => `${key}\t${JSON.stringify(value)}`);
  if (told.next !== null) lines.push(`… more: --from ${told.next}`);
  answer(input, { ...at, ...told }, lines.length === 0 ? 'No row.' : lines.join('\n'));
}
