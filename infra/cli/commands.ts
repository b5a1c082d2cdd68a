// Every command by its name, in the order of the overview. Each is loaded only when it is asked for: what one needs (Kafka's client,
// the whole platform) costs the others neither time nor memory.
import type { CliCommand } from './command.ts';

export interface CommandEntry {
  /** one line of the overview */
  readonly summary: string;
  load(): Promise<CliCommand>;
}

export const COMMANDS: Readonly<Record<string, CommandEntry>> = {
  demo: {
    summary: "the main job: a year of New York's flights through the whole loop (`npm start`)",
    load: async () => (await import('./demo-command.ts')).demo,
  },
  up: {
    summary: 'start the platform on this machine',
    load: async () => (await import('./stack-commands.ts')).up,
  },
  down: {
    summary: 'stop the platform that runs in the data folder',
    load: async () => (await import('./stack-commands.ts')).down,
  },
  status: {
    summary: 'what runs, with its memory; how far each application and task is',
    load: async () => (await import('./status-command.ts')).status,
  },
  state: {
    summary: 'read what a running topology keeps: by key, or a range of keys',
    load: async () => (await import('./state-command.ts')).state,
  },
  apply: {
    summary: 'apply definitions from YAML files',
    load: async () => (await import('./lifecycle-commands.ts')).apply,
  },
  replay: {
    summary: 'produce a file of JSON lines to a topic, in event-time order',
    load: async () => (await import('./data-commands.ts')).replay,
  },
  read: {
    summary: 'show the records of a topic',
    load: async () => (await import('./read-command.ts')).read,
  },
  train: {
    summary: 'train a model for an endpoint on a range of time',
    load: async () => (await import('./lifecycle-commands.ts')).train,
  },
  promote: {
    summary: 'make a version the champion of an endpoint',
    load: async () => (await import('./lifecycle-commands.ts')).promote,
  },
  rollback: {
    summary: 'go back to the champion before',
    load: async () => (await import('./lifecycle-commands.ts')).rollback,
  },
  verify: {
    summary: 'check a prediction against its receipt: rows, weights, score',
    load: async () => (await import('./data-commands.ts')).verify,
  },
  sql: {
    summary: 'ask ClickHouse',
    load: async () => (await import('./data-commands.ts')).sql,
  },
  'dead-letters': {
    summary: 'list the records that were set aside, or put them back',
    load: async () => (await import('./dead-letter-command.ts')).deadLetters,
  },
  run: {
    summary: 'run one role in this process, for clusters',
    load: async () => (await import('./stack-commands.ts')).run,
  },
  stream: {
    summary: 'run a stream processor of your own, declared in a TypeScript file',
    load: async () => (await import('./stream-command.ts')).stream,
  },
  doctor: {
    summary: 'check this machine and the settings',
    load: async () => (await import('./doctor-command.ts')).doctor,
  },
  reset: {
    summary: 'delete all data of the platform in the data folder, and start over',
    load: async () => (await import('./stack-commands.ts')).reset,
  },
  bench: {
    summary: 'run a benchmark job against any Kafka, until it is stopped',
    load: async () => (await import('./bench-command.ts')).bench,
  },
};
