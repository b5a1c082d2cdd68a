// The one-machine stack: broker, registry, ClickHouse and one process per role, started in order, restarted when they die.
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Failure } from '../../schemas/failure.ts';
import { controlTopics } from '../../streams/topology.ts';
import { systemClock } from '../clock.ts';
import { connect } from '../connect.ts';
import { startBroker } from '../embedded/broker.ts';
import { Child, type ChildOptions, requireFreePort, waitForPort } from '../embedded/child.ts';
import { startRegistry } from '../embedded/registry.ts';
import { type Role } from '../roles/main.ts';
import { type Settings } from '../settings.ts';

export interface StackOptions {
  readonly settings: Settings;
  readonly environment: Readonly<Record<string, string>>;
  say(text: string): void;
}

interface Part {
  readonly name: string;
  child: Child;
  start(): Promise<Child>;
  restarts: number;
}

const ROLE_GRACE_MS = 10_000;
const READY_WITHIN_MS = 120_000;
const STEP_MS = 50;
/** Waits between restarts of a part that keeps dying. */
const BACKOFF_MS = [200, 1000, 3000, 10_000];

export class Stack {
  readonly #options: StackOptions;
  readonly #parts: Part[] = [];
  /** every process that was started, those that are still starting too */
  readonly #started = new Map<Child, { readonly name: string; readonly graceMs: number }>();
  #stopping = false;
  readonly #lock: string;

  constructor(options: StackOptions) {
    this.#options = options;
    this.#lock = join(options.settings.dataDir, 'run', 'supervisor.json');
  }

  get #settings(): Settings {
    return this.#options.settings;
  }

  #log(name: string): string {
    return join(this.#settings.dataDir, 'logs', `${name}.log`);
  }

  /** Resolves when everything is ready. */
  async start(): Promise<void> {
    this.#takeLock();
    try {
      const { kafkaBrokers, schemaRegistryUrl, clickhouseUrl } = this.#settings;
      await requireFreePort(this.#settings.host, this.#settings.httpPort, 'MILLRACE_HTTP_PORT');
      if (kafkaBrokers === null) await this.#keep('kafka', () => this.#startBroker());
      await Promise.all([
        schemaRegistryUrl === null ? this.#keep('registry', () => this.#startRegistry()) : null,
        clickhouseUrl === null ? this.#keep('clickhouse', () => this.#startClickHouse()) : null,
        this.#makeTopics(),
      ]);
      // the gateway first: trainers and people look for it
      await this.#startRoles([['lifecycle', 1]]);
      const { featureWorkers, scoringWorkers } = this.#settings;
      await this.#startRoles([
        ['gateway', 1],
        ['features', featureWorkers],
        ['analytics', 1],
        ['monitoring', 1],
        ['training', 1],
      ]);
      await this.#startRoles([
        ['scoring', scoringWorkers],
        ['shadow', 1],
      ]);
      this.#tell(true);
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  #tell(ready: boolean): void {
    writeFileSync(this.#lock, JSON.stringify({ pid: process.pid, ready }));
  }

  #takeLock(): void {
    mkdirSync(join(this.#settings.dataDir, 'run'), { recursive: true });
    if (existsSync(this.#lock)) {
      const { pid } = JSON.parse(readFileSync(this.#lock, 'utf8')) as { pid: number };
      if (pid !== process.pid && isAlive(pid)) {
        throw new Failure('conflict', `Millrace already runs in ${this.#settings.dataDir} (process ${pid}).`, {
          fix: 'Use it, stop it with `npx millrace down`, or set MILLRACE_DATA_DIR and the ports for a second one.',
        });
      }
    }
    this.#tell(false);
  }

  async #keep(name: string, start: () => Promise<Child>): Promise<void> {
    const child = await start();
    const part: Part = { name, child, start, restarts: 0 };
    this.#parts.push(part);
    this.#note(part);
    this.#watch(part);
  }

  #note({ name, child }: Part): void {
    writeFileSync(join(this.#settings.dataDir, 'run', `${name}.pid`), String(child.pid));
  }

  #watch(part: Part): void {
    part.child.exited
      .then(async (code) => {
        if (this.#stopping) return;
        this.#options.say(`  ${part.name} ended (${code ?? 'killed'}); it is started again`);
        const startedMs = systemClock.monotonicMs();
        await systemClock.sleep(BACKOFF_MS[Math.min(part.restarts, BACKOFF_MS.length - 1)] ?? 0);
        if (this.#stopping) return;
        part.restarts += 1;
        part.child = await part.start();
        this.#note(part);
        this.#watch(part);
        if (systemClock.monotonicMs() - startedMs > 60_000) part.restarts = 0;
      })
      .catch((error: unknown) => {
        this.#options.say(`  ${part.name} does not start: ${error instanceof Error ? error.message : String(error)}`);
        if (!this.#stopping)
          systemClock.sleep(3000).then(
            () => this.#watch(part),
            () => undefined,
          );
      });
  }

  #spawn(name: string, graceMs: number, options: ChildOptions): Child {
    const child = new Child(options);
    this.#started.set(child, { name, graceMs });
    return child;
  }

  async #startBroker(): Promise<Child> {
    const { dataDir, kafkaLibs, host, kafkaPort, java, kafkaHeapMb } = this.#settings;
    if (!existsSync(kafkaLibs))
      throw new Failure('missing_tool', "Kafka's jars are not there.", {
        field: 'MILLRACE_KAFKA_LIBS',
        fix: 'Start through `npm start` or `npx millrace`: they fetch them.',
      });
    const broker = await startBroker({
      dataDir: join(dataDir, 'kafka'),
      libsDir: kafkaLibs,
      logFile: this.#log('kafka'),
      host,
      port: kafkaPort,
      java,
      heapMb: kafkaHeapMb,
      spawn: (options) => this.#spawn('kafka', 15_000, options),
    });
    return broker.child;
  }

  async #startRegistry(): Promise<Child> {
    const { registryHome, host, registryPort, java, kafkaPort, kafkaBrokers } = this.#settings;
    const registry = await startRegistry({
      home: registryHome,
      logFile: this.#log('registry'),
      host,
      port: registryPort,
      java,
      brokers: kafkaBrokers?.join(',') ?? `${host}:${kafkaPort}`,
      spawn: (options) => this.#spawn('registry', 5000, options),
    });
    await registry.ready();
    return registry.child;
  }

  async #startClickHouse(): Promise<Child> {
    const { dataDir, host, clickhousePort } = this.#settings;
    await requireFreePort(host, clickhousePort, 'MILLRACE_CLICKHOUSE_PORT');
    const program = new URL('../clickhouse/chdb-main.ts', import.meta.url).pathname;
    const child = this.#spawn('clickhouse', 10_000, {
      command: process.execPath,
      arguments: [program, '--data-dir', join(dataDir, 'clickhouse'), '--host', host, '--port', String(clickhousePort)],
      logFile: this.#log('clickhouse'),
    });
    await waitForPort(child, host, clickhousePort, 60_000, 'ClickHouse', this.#log('clickhouse'));
    return child;
  }

  async #makeTopics(): Promise<void> {
    const { log, topics } = connect(this.#settings, 'supervisor');
    const admin = log.admin();
    await admin.ensureTopics(controlTopics(topics));
    await log.close();
  }

  async #startRoles(roles: readonly (readonly [Role, number])[]): Promise<void> {
    const starts = roles.flatMap(([role, copies]) =>
      Array.from({ length: copies }, (_, copy) => {
        const name = copies === 1 ? role : `${role}-${copy}`;
        return this.#keep(name, () => this.#startRole(name, role, String(copy)));
      }),
    );
    await Promise.all(starts);
  }

  async #startRole(name: string, role: Role, instance: string): Promise<Child> {
    const statusFile = join(this.#settings.dataDir, 'run', `${name}.json`);
    rmSync(statusFile, { force: true });
    const program = new URL('../roles/main.ts', import.meta.url).pathname;
    const child = this.#spawn(name, ROLE_GRACE_MS, {
      command: process.execPath,
      arguments: [
        '--max-old-space-size=768',
        program,
        '--role',
        role,
        '--instance',
        instance,
        '--status-file',
        statusFile,
      ],
      logFile: this.#log(name),
      env: this.#options.environment,
    });
    const untilMs = systemClock.monotonicMs() + READY_WITHIN_MS;
    while (!existsSync(statusFile)) {
      if (child.ended)
        throw new Failure('not_ready', `The role ${name} ended while starting: ${lastError(this.#log(name))}`, {
          fix: `The whole log is ${this.#log(name)}.`,
        });
      if (systemClock.monotonicMs() > untilMs)
        throw new Failure('not_ready', `The role ${name} was not ready within ${READY_WITHIN_MS / 1000} s.`, {
          fix: `See ${this.#log(name)}.`,
        });
      await systemClock.sleep(STEP_MS);
    }
    return child;
  }

  /** The processes, by name. */
  pids(): ReadonlyMap<string, number> {
    return new Map(this.#parts.map(({ name, child }) => [name, child.pid]));
  }

  /** In reverse order; roles side by side. */
  async stop(): Promise<void> {
    if (this.#stopping) return;
    this.#stopping = true;
    const infrastructure = ['kafka', 'registry', 'clickhouse'];
    await this.#stopThose((name) => !infrastructure.includes(name));
    await this.#stopThose((name) => name !== 'kafka');
    await this.#stopThose(() => true);
    rmSync(join(this.#settings.dataDir, 'run'), { recursive: true, force: true });
  }

  async #stopThose(wanted: (name: string) => boolean): Promise<void> {
    const children = [...this.#started].filter(([child, { name }]) => !child.ended && wanted(name));
    await Promise.all(children.map(([child, { graceMs }]) => child.stop(graceMs)));
  }
}

/** What a role wrote last about its end. */
function lastError(log: string): string {
  const lines = readFileSync(log, 'utf8').trim().split('\n');
  for (const line of lines.reverse()) {
    try {
      const { level, msg, err } = JSON.parse(line) as { level: number; msg?: string; err?: { message?: string } };
      if (level >= 50) return err?.message ?? msg ?? line;
    } catch {
      if (/Error/.test(line)) return line;
    }
  }
  return lines[0] ?? 'it wrote nothing';
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
