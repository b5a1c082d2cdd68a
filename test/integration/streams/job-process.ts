// A process that runs one instance of the feature job, as its tests see it from outside.
import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { type FeatureJobOptions } from '../../../infra/bench/feature-job.ts';
import { type StateProgress } from '../../../streams/local-states.ts';

export type JobArguments = Omit<FeatureJobOptions, 'notice'> & { readonly comesBack: boolean };

export interface JobStatus {
  readonly tasks: readonly string[];
  readonly starting: readonly string[];
  readonly states: readonly StateProgress[];
  readonly restoredRecords: number;
  readonly processed: number;
  readonly lag: number;
  readonly commits: number;
  /** null: runs */
  readonly ended: string | null;
}

const MAIN = join(import.meta.dirname, 'job-main.ts');
/** Longer than any takeover on a busy machine. */
export const PATIENCE_MS = 60_000;

export class JobProcess {
  readonly name: string;
  readonly stateDir: string;
  readonly #child: ChildProcess;
  readonly exited: Promise<number | null>;
  readonly #looks = new Set<() => void>();
  readonly #history: JobStatus[] = [];
  #errors = '';

  constructor(options: JobArguments) {
    this.name = options.instance;
    this.stateDir = join(options.stateDir, options.instance);
    this.#child = spawn(process.execPath, [MAIN, JSON.stringify(options)], { stdio: ['ignore', 'pipe', 'pipe'] });
    const { stdout, stderr } = this.#child;
    if (stdout !== null)
      createInterface(stdout).on('line', (line) => {
        this.#history.push(JSON.parse(line) as JobStatus);
        for (const look of [...this.#looks]) look();
      });
    stderr?.on('data', (chunk: Buffer) => {
      this.#errors = `${this.#errors}${chunk.toString()}`.slice(-20_000);
    });
    this.exited = new Promise((resolve) => {
      this.#child.once('exit', (code) => {
        resolve(code);
        for (const look of [...this.#looks]) look();
      });
    });
  }

  get status(): JobStatus | null {
    return this.#history.at(-1) ?? null;
  }

  /** Everything it said since it was started. */
  get history(): readonly JobStatus[] {
    return this.#history;
  }

  get errors(): string {
    return this.#errors;
  }

  get tasks(): readonly string[] {
    return [...(this.status?.tasks ?? [])].sort();
  }

  get standbys(): readonly StateProgress[] {
    return this.status?.states.filter(({ role }) => role === 'standby') ?? [];
  }

  get hasExited(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  /** Resolves once `isSo`, looked at whenever this process, or one of the `others`, says something new. */
  async until(what: string, isSo: () => boolean, others: readonly JobProcess[] = []): Promise<void> {
    const all = [this, ...others];
    const came = Promise.withResolvers<void>();
    const describe = (): string => all.map((one) => one.describe()).join('\n');
    const look = (): void => {
      if (isSo()) came.resolve();
      else if (this.hasExited) came.reject(new Error(`${this.name} ended before: ${what}\n${describe()}`));
    };
    const timer = setTimeout(() => came.reject(new Error(`waited too long for: ${what}\n${describe()}`)), PATIENCE_MS);
    for (const one of all) one.#looks.add(look);
    look();
    try {
      await came.promise;
    } finally {
      clearTimeout(timer);
      for (const one of all) one.#looks.delete(look);
    }
  }

  describe(): string {
    return `${this.name}: ${JSON.stringify(this.status)}\n${this.#errors.slice(-2000)}`;
  }

  /** Resolves when it works on so many partitions. */
  untilTasks(count: number, others: readonly JobProcess[] = []): Promise<void> {
    return this.until(
      `${count} tasks run`,
      () => this.tasks.length === count && this.status?.starting.length === 0,
      others,
    );
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.exited;
  }

  async stop(): Promise<void> {
    this.#child.kill('SIGTERM');
    await this.exited;
  }
}
