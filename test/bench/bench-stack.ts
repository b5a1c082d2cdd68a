// A broker, a registry and single roles on free ports, in a folder of their own: what a benchmark measures, without the rest.
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../infra/clock.ts';
import { type Connections, connect } from '../../infra/connect.ts';
import { startBroker } from '../../infra/embedded/broker.ts';
import { Child, freePort } from '../../infra/embedded/child.ts';
import { startRegistry } from '../../infra/embedded/registry.ts';
import { type Role } from '../../infra/roles/roles.ts';
import { type Settings, readSettings } from '../../infra/settings.ts';
import { controlTopics } from '../../streams/topology.ts';

const STEP_MS = 20;
const READY_WITHIN_MS = 120_000;
const GRACE_MS = 15_000;
/** What the supervisor gives a role. */
const SUPERVISED_HEAP_MB = 768;
/** Linux counts processor time in these. */
const TICKS_PER_S = 100;

export const root = new URL('../../', import.meta.url).pathname;

export interface Usage {
  /** user and system time since the process began */
  readonly cpuS: number;
  readonly peakRssMb: number;
}

export class Running {
  readonly child: Child;
  readonly readyMs: number;
  /** what its start took */
  readonly usageAtReady: Usage;
  readonly #port: number;
  readonly #logFile: string;

  constructor(child: Child, readyMs: number, port: number, logFile: string) {
    this.#logFile = logFile;
    this.child = child;
    this.readyMs = readyMs;
    this.usageAtReady = usageOf(child.pid);
    this.#port = port;
  }

  /** @throws with the end of its log, when it has ended */
  requireAlive(): void {
    if (this.child.ended) throw new Error(`it ended:\n${readFileSync(this.#logFile, 'utf8').slice(-3000)}`);
  }

  usage(): Usage {
    return usageOf(this.child.pid);
  }

  /** Sum over all series of one metric that have these labels. */
  async metric(name: string, ...labels: readonly string[]): Promise<number> {
    const text = await (await fetch(`http://127.0.0.1:${this.#port}/metrics`)).text();
    return text
      .split('\n')
      .filter((line) => line.startsWith(`${name}{`) && labels.every((label) => line.includes(label)))
      .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0);
  }

  topicRecords(topic: string, direction: 'in' | 'out'): Promise<number> {
    return this.metric('millrace_application_topic_records', `topic="${topic}"`, `direction="${direction}"`);
  }

  stop(): Promise<void> {
    return this.child.stop(GRACE_MS);
  }
}

export function usageOf(pid: number): Usage {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return {
    cpuS: (Number(fields[11]) + Number(fields[12])) / TICKS_PER_S,
    peakRssMb: Math.round(Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024),
  };
}

export class BenchStack {
  readonly folder: string;
  readonly settings: Settings;
  readonly #environment: Readonly<Record<string, string>>;
  readonly #children: Child[] = [];
  #broker: Child | null = null;
  #removed: Promise<void> | null = null;

  private constructor(folder: string, environment: Readonly<Record<string, string>>) {
    this.folder = folder;
    this.#environment = environment;
    this.settings = readSettings({ ...process.env, ...environment }, folder);
    for (const signal of ['SIGINT', 'SIGTERM'] as const)
      process.once(signal, () => void this.remove().then(() => process.exit(130)));
  }

  /** @param trained a data folder to begin with, copied */
  static async make(trained: string | null, environment: Readonly<Record<string, string>>): Promise<BenchStack> {
    const folder = mkdtempSync(join(tmpdir(), 'millrace-bench-'));
    if (trained !== null)
      for (const part of ['kafka', 'state', 'artifacts'])
        cpSync(join(trained, part), join(folder, part), { recursive: true });
    const ports = await Promise.all([freePort(), freePort(), freePort(), freePort()]);
    return new BenchStack(folder, {
      MILLRACE_DATA_DIR: folder,
      MILLRACE_HTTP_PORT: String(ports[0]),
      MILLRACE_KAFKA_PORT: String(ports[1]),
      MILLRACE_REGISTRY_PORT: String(ports[2]),
      MILLRACE_CLICKHOUSE_PORT: String(ports[3]),
      ...environment,
    });
  }

  #log(name: string): string {
    return join(this.folder, 'logs', `${name}.log`);
  }

  #spawn = (options: ConstructorParameters<typeof Child>[0]): Child => {
    const child = new Child(options);
    this.#children.push(child);
    return child;
  };

  /** Broker, registry and the control topics. */
  async startLog(): Promise<Connections> {
    const { host, kafkaPort, registryPort, java, kafkaLibs, kafkaHeapMb, registryHome } = this.settings;
    const broker = await startBroker({
      dataDir: join(this.folder, 'kafka'),
      libsDir: kafkaLibs,
      logFile: this.#log('kafka'),
      host,
      port: kafkaPort,
      java,
      heapMb: kafkaHeapMb,
      spawn: this.#spawn,
    });
    this.#broker = broker.child;
    const registry = await startRegistry({
      home: registryHome,
      logFile: this.#log('registry'),
      host,
      port: registryPort,
      java,
      brokers: broker.address,
      spawn: this.#spawn,
    });
    const connections = connect(this.settings, 'bench');
    const admin = connections.log.admin();
    await admin.ensureTopics(controlTopics(connections.topics));
    await admin.close();
    await registry.ready();
    return connections;
  }

  brokerUsage(): Usage {
    return usageOf(this.#broker?.pid ?? 0);
  }

  /** @param profileFolder where its CPU profile goes when it ends; null: not profiled */
  async startRole(
    role: Role,
    environment: Readonly<Record<string, string>> = {},
    profileFolder: string | null = null,
    heapMb = SUPERVISED_HEAP_MB,
  ): Promise<Running> {
    mkdirSync(join(this.folder, 'run'), { recursive: true });
    const statusFile = join(this.folder, 'run', `${role}.json`);
    rmSync(statusFile, { force: true });
    const profiling = profileFolder === null ? [] : ['--cpu-prof', '--cpu-prof-dir', profileFolder];
    const program = join(root, 'infra/roles/main.ts');
    const child = this.#spawn({
      command: process.execPath,
      arguments: [...profiling, `--max-old-space-size=${heapMb}`, program, '--role', role, '--status-file', statusFile],
      logFile: this.#log(role),
      env: { ...this.#environment, ...environment },
    });
    await until(`${role} is ready`, () => child.ended || existsSync(statusFile), READY_WITHIN_MS);
    if (child.ended) throw new Error(`${role} ended:\n${readFileSync(this.#log(role), 'utf8').slice(-2000)}`);
    const { port } = JSON.parse(readFileSync(statusFile, 'utf8')) as { port: number };
    return new Running(child, systemClock.monotonicMs(), port, this.#log(role));
  }

  remove(): Promise<void> {
    this.#removed ??= this.#remove();
    return this.#removed;
  }

  async #remove(): Promise<void> {
    for (const child of [...this.#children].reverse()) await child.stop(GRACE_MS);
    rmSync(this.folder, { recursive: true, force: true });
  }
}

export async function until(
  what: string,
  isTrue: () => boolean | Promise<boolean>,
  withinMs: number,
  stepMs = STEP_MS,
): Promise<void> {
  const endMs = systemClock.monotonicMs() + withinMs;
  while (!(await isTrue())) {
    if (systemClock.monotonicMs() > endMs) throw new Error(`not within ${withinMs / 1000} s: ${what}`);
    await systemClock.sleep(stepMs);
  }
}
