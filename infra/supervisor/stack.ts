// The one-machine stack: broker, registry, ClickHouse and one process per role, started in order, restarted when they die.
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { Failure } from '../../schemas/failure.ts';
import { controlTopics } from '../../streams/topology.ts';
import { systemClock } from '../clock.ts';
import { connect } from '../connect.ts';
import { DISK_MIN_MB, diskFull, freeMb, isDiskFull, requireSpace } from '../disk-space.ts';
import { startBroker } from '../embedded/broker.ts';
import { Child, type ChildOptions, requireFreePort, waitForPort } from '../embedded/child.ts';
import { startRegistry } from '../embedded/registry.ts';
import { type Role } from '../roles/roles.ts';
import { type Settings } from '../settings.ts';
import { endLeftovers, notePid } from './leftovers.ts';
import { takeLock, tellReady } from './lock.ts';

export interface StackOptions {
  readonly settings: Settings;
  readonly environment: Readonly<Record<string, string>>;
  say(text: string): void;
  /** told of each part as it becomes ready at the start */
  ready?(name: string): void;
}

interface Part {
  readonly name: string;
  child: Child;
  start(): Promise<Child>;
  restarts: number;
  /** wall clock of the newest start */
  startedAtMs: number;
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
  #stopped: Promise<void> | null = null;
  #hasLock = false;

  constructor(options: StackOptions) {
    this.#options = options;
  }

  get #settings(): Settings {
    return this.#options.settings;
  }

  #log(name: string): string {
    return join(this.#settings.dataDir, 'logs', `${name}.log`);
  }

  /** Resolves when everything is ready. */
  async start(): Promise<void> {
    const { dataDir } = this.#settings;
    requireSpace(dataDir);
    takeLock(dataDir);
    this.#hasLock = true;
    try {
      const left = await endLeftovers(dataDir);
      if (left.length > 0)
        this.#options.say(`  a killed supervisor had left processes, which are ended now: ${left.join(', ')}`);
      await this.#requireFreePorts();
      const { kafkaBrokers, schemaRegistryUrl, clickhouseUrl } = this.#settings;
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
      tellReady(dataDir);
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  /** All of them before anything is started: the answer comes at once. */
  async #requireFreePorts(): Promise<void> {
    const { host, httpPort, kafkaPort, registryPort, clickhousePort } = this.#settings;
    const { kafkaBrokers, schemaRegistryUrl, clickhouseUrl } = this.#settings;
    await requireFreePort(host, httpPort, 'MILLRACE_HTTP_PORT');
    if (kafkaBrokers === null) await requireFreePort(host, kafkaPort, 'MILLRACE_KAFKA_PORT');
    if (schemaRegistryUrl === null) await requireFreePort(host, registryPort, 'MILLRACE_REGISTRY_PORT');
    if (clickhouseUrl === null) await requireFreePort(host, clickhousePort, 'MILLRACE_CLICKHOUSE_PORT');
  }

  async #keep(name: string, start: () => Promise<Child>): Promise<void> {
    const child = await start();
    this.#options.ready?.(name);
    const part: Part = { name, child, start, restarts: 0, startedAtMs: systemClock.nowMs() };
    this.#parts.push(part);
    this.#watch(part);
  }

  #watch(part: Part): void {
    part.child.exited
      .then(async (code) => {
        if (this.#stopping) return;
        const startedMs = systemClock.monotonicMs();
        this.#options.say(`  ${part.name} ended (${code ?? 'killed'}); it is started again${this.#why(part, code)}`);
        await systemClock.sleep(BACKOFF_MS[Math.min(part.restarts, BACKOFF_MS.length - 1)] ?? 0);
        if (this.#stopping) return;
        part.restarts += 1;
        part.child = await part.start();
        part.startedAtMs = systemClock.nowMs();
        this.#watch(part);
        if (systemClock.monotonicMs() - startedMs > 60_000) part.restarts = 0;
      })
      .catch((error: unknown) => {
        this.#options.say(`  ${part.name} does not start: ${this.#reason(error)}`);
        if (!this.#stopping)
          systemClock.sleep(3000).then(
            () => this.#watch(part),
            () => undefined,
          );
      });
  }

  #reason(error: unknown): string {
    const { dataDir } = this.#settings;
    if (isDiskFull(error) || freeMb(dataDir) < DISK_MIN_MB) return diskFull(dataDir, error).advice;
    if (error instanceof Failure) return error.advice;
    return error instanceof Error ? error.message : String(error);
  }

  /** What is known of its end, for people. */
  #why({ name, startedAtMs }: Part, code: number | null): string {
    const { dataDir } = this.#settings;
    if (freeMb(dataDir) < DISK_MIN_MB) return `. ${diskFull(dataDir, null).advice}`;
    // who was killed has said nothing
    const said = code === null ? null : lastError(this.#log(name), startedAtMs);
    return said === null ? '' : `. It said: ${said}`;
  }

  #spawn(name: string, graceMs: number, options: ChildOptions): Child {
    const child = new Child(options);
    this.#started.set(child, { name, graceMs });
    notePid(this.#settings.dataDir, name, child.pid);
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
    const startedAtMs = systemClock.nowMs();
    const untilMs = systemClock.monotonicMs() + READY_WITHIN_MS;
    while (!existsSync(statusFile)) {
      if (child.ended)
        throw new Failure(
          'not_ready',
          `The role ${name} ended while starting: ${lastError(this.#log(name), startedAtMs) ?? 'it said nothing'}`,
          {
            fix: `The whole log is ${this.#log(name)}.`,
          },
        );
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

  /** In reverse order; roles side by side. Asked twice, it is done once, and both wait for it. */
  stop(): Promise<void> {
    this.#stopped ??= this.#stopAll();
    return this.#stopped;
  }

  async #stopAll(): Promise<void> {
    this.#stopping = true;
    const infrastructure = ['kafka', 'registry', 'clickhouse'];
    await this.#stopThose((name) => !infrastructure.includes(name));
    await this.#stopThose((name) => name !== 'kafka');
    await this.#stopThose(() => true);
    // another supervisor's files are not ours to remove
    if (this.#hasLock) rmSync(join(this.#settings.dataDir, 'run'), { recursive: true, force: true });
  }

  async #stopThose(wanted: (name: string) => boolean): Promise<void> {
    const children = [...this.#started].filter(([child, { name }]) => !child.ended && wanted(name));
    await Promise.all(children.map(([child, { graceMs }]) => child.stop(graceMs)));
  }
}

/** What a role wrote last about its end, since it was started; null: nothing. */
function lastError(log: string, sinceMs: number): string | null {
  if (!existsSync(log)) return null;
  for (const line of readFileSync(log, 'utf8').trim().split('\n').reverse()) {
    try {
      const { level, time, msg, err } = JSON.parse(line) as {
        level: number;
        time: string;
        msg?: string;
        err?: { message?: string };
      };
      if (Date.parse(time) < sinceMs) return null;
      if (level >= 50) return [msg, err?.message].filter((text) => text !== undefined).join(': ');
    } catch {
      // Node's own words before it ends; they carry no time
      if (/^\w*Error\b/.test(line)) return line;
    }
  }
  return null;
}
