// The product's own command line in a folder and on ports of its own: tests see what a user sees.
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Connections, connect } from '../../infra/connect.ts';
import { type Settings, readSettings } from '../../infra/settings.ts';

const cli = new URL('../../infra/cli/millrace.ts', import.meta.url).pathname;

export interface DemoReport {
  readonly auc: readonly {
    readonly month: string;
    readonly model_version: number;
    readonly purpose: string;
    readonly rows: number;
    readonly auc: number;
  }[];
  readonly counts: Readonly<Record<string, number>>;
  readonly digests: Readonly<Record<string, string>>;
  readonly dead_letters: Readonly<Record<string, number>>;
}

async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, () => {
      const server = createServer();
      return new Promise<typeof server>((resolve) => server.listen(0, '127.0.0.1', () => resolve(server)));
    }),
  );
  const ports = servers.map((server) => (server.address() as { port: number }).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

export class Platform {
  readonly folder = mkdtempSync(join(tmpdir(), 'millrace-test-'));
  readonly #environment: Record<string, string>;
  #child: ChildProcess | null = null;
  output = '';

  private constructor(environment: Record<string, string>) {
    this.#environment = { ...environment, MILLRACE_DATA_DIR: this.folder };
  }

  static async make(environment: Record<string, string> = {}): Promise<Platform> {
    const [http = 0, kafka = 0, registry = 0, clickhouse = 0] = await freePorts(4);
    return new Platform({
      MILLRACE_HTTP_PORT: String(http),
      MILLRACE_KAFKA_PORT: String(kafka),
      MILLRACE_REGISTRY_PORT: String(registry),
      MILLRACE_CLICKHOUSE_PORT: String(clickhouse),
      ...environment,
    });
  }

  /** What tells this platform from others: its folder and its ports. */
  get environment(): Readonly<Record<string, string>> {
    return this.#environment;
  }

  get httpPort(): number {
    return Number(this.#environment['MILLRACE_HTTP_PORT']);
  }

  get settings(): Settings {
    return readSettings({ ...process.env, ...this.#environment });
  }

  /** A client of its log and registry, as any program's. */
  connect(): Connections {
    return connect(this.settings, 'test');
  }

  /** Runs a command to its end. */
  run(args: readonly string[], timeoutMs: number): Promise<{ code: number; text: string }> {
    const child = this.start(args);
    return new Promise((resolve) => {
      const overdue = setTimeout(() => child.kill('SIGTERM'), timeoutMs);
      child.once('exit', (code) => {
        clearTimeout(overdue);
        resolve({ code: code ?? 1, text: this.output });
      });
    });
  }

  /** Runs a command beside what was started; gives what it said. */
  command(args: readonly string[], timeoutMs: number): Promise<{ code: number; text: string }> {
    return new Promise((resolve) => {
      const env = { ...process.env, ...this.#environment };
      execFile(process.execPath, [cli, ...args], { env, timeout: timeoutMs }, (error, out, err) =>
        resolve({ code: error === null ? 0 : typeof error.code === 'number' ? error.code : 1, text: out + err }),
      );
    });
  }

  /** Kills what was started, and only that process. */
  async kill(): Promise<void> {
    const child = this.#child;
    if (child === null || child.exitCode !== null) return;
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await ended;
  }

  start(args: readonly string[]): ChildProcess {
    this.output = '';
    const child = spawn(process.execPath, [cli, ...args], {
      env: { ...process.env, ...this.#environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const take = (chunk: Buffer): void => {
      this.output += chunk.toString();
    };
    child.stdout.on('data', take);
    child.stderr.on('data', take);
    this.#child = child;
    return child;
  }

  /** Runs a command beside what runs already. */
  ask(args: readonly string[], timeoutMs = 60_000): Promise<{ code: number; out: string; told: string }> {
    const child = spawn(process.execPath, [cli, ...args], {
      env: { ...process.env, ...this.#environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let [out, told] = ['', ''];
    child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (told += chunk.toString()));
    return new Promise((resolve) => {
      const overdue = setTimeout(() => child.kill('SIGTERM'), timeoutMs);
      child.once('close', (code) => {
        clearTimeout(overdue);
        resolve({ code: code ?? 1, out, told });
      });
    });
  }

  /** Names and process ids of what runs. */
  processes(): Map<string, number> {
    const folder = join(this.folder, 'run');
    if (!existsSync(folder)) return new Map();
    return new Map(
      readdirSync(folder)
        .filter((name) => name.endsWith('.pid'))
        .map((name) => [name.slice(0, -4), Number(readFileSync(join(folder, name), 'utf8'))]),
    );
  }

  /** Waits until the output has the text. */
  async says(pattern: RegExp, timeoutMs: number): Promise<void> {
    const untilMs = performance.now() + timeoutMs;
    while (!pattern.test(this.output)) {
      if (this.#child?.exitCode !== null || this.#child.signalCode !== null || performance.now() > untilMs)
        throw new Error(`It did not say ${String(pattern)}:\n${this.output}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  /** Ends what was started last, and waits until it is gone. */
  async stop(): Promise<void> {
    const child = this.#child;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGTERM');
    await new Promise((resolve) => child.once('exit', resolve));
  }

  async remove(): Promise<void> {
    await this.stop();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
