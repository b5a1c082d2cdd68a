// status: what runs, with its memory; what each application and task has come to; how they hang together.
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { type DescribedSubTopology, describeInWords } from '../../streams/describe-application.ts';
import { type ApplicationState, type TaskState, topologyState } from '../../serving/console/topology.ts';
import { reportsOf } from '../instances.ts';
import type { Settings } from '../settings.ts';
import { leftoversIn } from '../supervisor/leftovers.ts';
import { type CliCommand, answer } from './command.ts';
import { supervisorOf } from './running.ts';
import { addressesOf, tellAddresses } from './addresses.ts';

interface RoleStatus {
  readonly name: string;
  readonly pid: number;
  readonly memory_mb: number;
  readonly ready: boolean;
  /** where its health, metrics and applications are, null for what is no role */
  readonly port: number | null;
}

/** Every process of the stack, as the files in its run folder and /proc tell. */
export async function processesOf({ dataDir }: Settings): Promise<RoleStatus[]> {
  const folder = join(dataDir, 'run');
  if (!existsSync(folder)) return [];
  const names = readdirSync(folder)
    .filter((file) => file.endsWith('.pid'))
    .map((file) => file.slice(0, -4))
    .sort();
  return Promise.all(
    names.map(async (name) => {
      const pid = Number(readFileSync(join(folder, `${name}.pid`), 'utf8'));
      const status = join(folder, `${name}.json`);
      const port = existsSync(status) ? (JSON.parse(readFileSync(status, 'utf8')) as { port: number }).port : null;
      const ready =
        port === null
          ? memoryMb(pid) > 0
          : await fetch(`http://127.0.0.1:${port}/health/ready`).then(
              ({ ok }) => ok,
              () => false,
            );
      return { name, pid, memory_mb: memoryMb(pid), ready, port };
    }),
  );
}

function memoryMb(pid: number): number {
  try {
    return Math.round(Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1024);
  } catch {
    return 0;
  }
}

export const status: CliCommand = {
  usage: '[--topology] [--json]',
  help: [
    'Of each task: the event time that it has come to, records that it has not fetched (lag) and that wait (queued), keys and bytes of its state.',
    '--topology   shows what each application reads, keeps and writes instead',
    'Processes of this data folder are asked, topologies that `millrace stream` runs too.',
  ],
  argumentsMax: 0,
  options: { topology: { type: 'boolean' } },
  async run(input) {
    const { settings, options } = input;
    const running = supervisorOf(settings);
    const reports = await reportsOf(settings.dataDir);
    const applications = topologyState({ atMs: 0, instances: reports }, null);
    const left = running === null ? leftoversIn(settings.dataDir).map(({ name }) => name) : [];
    if (left.length > 0 || (running === null && applications.length === 0)) {
      answer(
        input,
        { running: false, left },
        left.length === 0
          ? `Nothing runs in ${settings.dataDir}. Start it with \`npx millrace up\`.`
          : `Processes left by a killed supervisor run in ${settings.dataDir}: ${left.join(', ')}. \`npx millrace up\` goes on from there, \`npx millrace down\` ends them.`,
      );
      return;
    }
    if (options['topology'] === true) {
      answer(
        input,
        { applications: applications.map(({ id, subTopologies }) => ({ id, subTopologies })) },
        applications.map((one) => describeInWords(one, (sub) => tasksInWords(one, sub))).join('\n\n'),
      );
      return;
    }
    const processes = await processesOf(settings);
    const lines = processes.map(
      ({ name, pid, memory_mb, ready }) =>
        `  ${name.padEnd(14)} ${ready ? 'ready    ' : 'not ready'} ${String(memory_mb).padStart(5)} MB  process ${pid}`,
    );
    answer(
      input,
      {
        running: running !== null,
        ready: running?.ready ?? false,
        processes,
        applications: applications.map(forScripts),
        ...addressesOf(settings),
      },
      [...lines, ...(running === null ? [] : [tellAddresses(settings)]), ...taskTable(applications)].join('\n'),
    );
  },
};

/** The field names of this command's JSON. */
function forScripts({ id, tasks, processed, written, commits, commitMs, restoredRecords, states }: ApplicationState) {
  return {
    id,
    ...{ processed, written, commits, commit_ms_mean: commitMs, restored_records: restoredRecords },
    states,
    tasks: tasks.map((task) => ({
      ...{ task: task.name, at: task.at },
      event_time: task.eventTimeMs === null ? null : new Date(task.eventTimeMs).toISOString(),
      lag_records: task.lag,
      queued_records: task.queued,
      processed_records: task.processed,
      state_keys: task.keys,
      state_bytes: task.stateBytes,
    })),
  };
}

const COLUMNS = ['task', 'at', 'event time', 'lag', 'queued', 'processed', 'keys', 'state'] as const;

/** One line per task; the application's name above its own. */
export function taskTable(applications: readonly ApplicationState[]): string[] {
  if (applications.length === 0) return [];
  const rows = applications.flatMap(({ tasks }) => tasks.map(cellsOf));
  const widths = COLUMNS.map((name, column) =>
    Math.max(name.length, ...rows.map((cells) => cells[column]?.length ?? 0)),
  );
  const line = (cells: readonly string[]): string =>
    `    ${cells.map((cell, column) => (column < 3 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0))).join('  ')}`.trimEnd();
  return [
    '',
    line(COLUMNS),
    ...applications.flatMap(({ id, tasks, states }) => [
      `  ${id}`,
      ...(tasks.length === 0 ? ['    no task runs yet'] : tasks.map((task) => line(cellsOf(task)))),
      ...states.map((state) => `    ${stateInWords(state)}`),
    ]),
  ];
}

function stateInWords({ name, role, at, position, end, records }: ApplicationState['states'][number]): string {
  if (role === 'standby') return `${name}: a standby copy in ${at}, at changelog offset ${position}`;
  return `${name}: is restored in ${at}, at changelog offset ${position}${end === null ? '' : ` of ${end}`}, ${records} records read`;
}

function cellsOf({ name, at, eventTimeMs, lag, queued, processed, keys, stateBytes }: TaskState): string[] {
  return [
    name,
    at,
    eventTimeMs === null ? '–' : new Date(eventTimeMs).toISOString().slice(0, 19).replace('T', ' '),
    ...[lag, queued, processed, keys].map(String),
    stateBytes === null ? '–' : sizeText(stateBytes),
  ];
}

function sizeText(bytes: number): string {
  if (bytes < 1e6) return `${Math.ceil(bytes / 1000)} kB`;
  return bytes < 1e9 ? `${(bytes / 1e6).toFixed(1)} MB` : `${(bytes / 1e9).toFixed(2)} GB`;
}

function tasksInWords({ tasks }: ApplicationState, { name }: DescribedSubTopology): string[] {
  const own = tasks.filter(({ subTopology }) => subTopology === name);
  if (own.length === 0) return ['no task runs'];
  const behind = own.reduce((sum, { lag, queued }) => sum + lag + queued, 0);
  const places = [...Map.groupBy(own, ({ at }) => at)].map(
    ([at, there]) => `${there.map((task) => task.name).join(', ')} in ${at}`,
  );
  return [`runs: ${places.join('; ')}; ${behind} records to process`];
}
