// One instance of an application under a supervisor that starts it again when it ends: a new process with the same name and disk.
import './instant-zstd.ts';
import { Failure } from '../../schemas/failure.ts';
import { Application, type ApplicationOptions } from '../../streams/application.ts';
import { type CheckpointStorage } from '../../streams/checkpoints/checkpoint-storage.ts';
import { type Log } from '../../streams/log.ts';
import { type ApplicationSpec } from '../../streams/processor.ts';
import { type StateStores } from '../../streams/store.ts';
import { MemoryLog } from '../../streams/testing/memory-log.ts';
import { type Disk } from './disk.ts';
import { distantStorage } from './distant-storage.ts';
import { type Random } from './random.ts';
import { SimulatedProcess } from './simulated-process.ts';
import { type Workload } from './workload.ts';
import { type World, SESSION_TIMEOUT_MS, Violation } from './world.ts';

export const WATERMARKS = 'watermarks';
export const DEAD_LETTERS = 'dead-letters';

/** Ports between the engine and the world, where a mutation can stand. */
export interface Mutation {
  readonly name: string;
  log?(log: Log, around: { readonly disk: Disk; readonly process: SimulatedProcess }): Log;
  stores?(stores: StateStores, process: SimulatedProcess): StateStores;
  spec?(spec: ApplicationSpec): ApplicationSpec;
  checkpoints?(storage: CheckpointStorage): CheckpointStorage;
}

export interface InstanceOptions {
  readonly world: World;
  readonly workload: Workload;
  readonly name: string;
  readonly disk: Disk;
  readonly commitIntervalMs: number;
  readonly mutation: Mutation | null;
  /** null: there are no checkpoints */
  readonly checkpoints: CheckpointStorage | null;
}

/** Such an end is expected where brokers go away, other instances take over, and disks rot. */
const EXPECTED = new Set(['fenced', 'unreachable', 'damaged_state']);
const RETRY_FOR_MS = 2000;

export class Instance {
  readonly name: string;
  readonly disk: Disk;
  readonly #options: InstanceOptions;
  readonly #random: Random;
  readonly #skewMs: number;
  readonly #purgeIntervalMs: number;
  #process: SimulatedProcess | null = null;
  #application: Application | null = null;
  #started: Promise<void> = Promise.resolve();
  #wanted = false;
  /** grows with each process: what an old one still says does not count */
  #life = 0;

  constructor(options: InstanceOptions) {
    this.#options = options;
    this.name = options.name;
    this.disk = options.disk;
    this.#random = options.world.random.fork();
    this.#skewMs = this.#random.int(-200, 200);
    this.#purgeIntervalMs = this.#random.int(1, 600);
  }

  get running(): boolean {
    return this.#process?.alive === true;
  }

  get stopped(): boolean {
    return this.#process?.stopped === true;
  }

  /** Starts it unless it runs, and keeps it running from then on. */
  start(): void {
    this.#wanted = true;
    if (this.running) return;
    const { world } = this.#options;
    this.#life += 1;
    const life = this.#life;
    const process = new SimulatedProcess(world, `${this.name}.${life}`, this.#skewMs, (blow, when) => {
      if (blow === 'kill') {
        this.kill(`is killed ${when}`);
        this.#startLater();
      } else this.pauseFor(this.#random.int(SESSION_TIMEOUT_MS, 4 * SESSION_TIMEOUT_MS), when);
    });
    process.isBusy = this.#options.workload.isBusy === true;
    this.#process = process;
    world.note(process.name, 'starts');
    this.#run(process).catch((error: unknown) => this.#ended(error, life));
  }

  async #run(process: SimulatedProcess): Promise<void> {
    const application = new Application(this.#optionsOf(process));
    this.#application = application;
    const starting = application.start();
    this.#started = starting.catch(() => undefined);
    await starting;
    await application.finished;
  }

  #optionsOf(process: SimulatedProcess): ApplicationOptions {
    const { world, workload, mutation, disk, commitIntervalMs } = this.#options;
    const { clock, network } = process;
    const plain = new MemoryLog({
      ...{ broker: world.broker, clock, network, clientId: process.name, retryForMs: RETRY_FOR_MS },
    });
    const stores = disk.storesOf(process);
    const mutated = mutation?.stores?.(stores, process) ?? stores;
    const spec = workload.spec(process, stores);
    return {
      ...{ spec: mutation?.spec?.(spec) ?? spec, log: mutation?.log?.(plain, { disk, process }) ?? plain },
      ...(workload.hasStandbys === true ? { standbyReplicas: 1 } : {}),
      ...this.#checkpointsOf(process),
      ...{ clock, stores: mutated, instance: this.name, commitIntervalMs, guarantee: workload.guarantee },
      ...{ live: workload.live, idleTimeoutMs: workload.idleTimeoutMs, cacheBytesMax: workload.cacheBytesMax },
      purgeIntervalMs: this.#purgeIntervalMs,
      watermarksTopic: WATERMARKS,
      policies: workload.policies,
      schemas: null,
      changelogTopic: (store) => `changelog.${store}`,
      prepare: (values) => workload.prepare(values),
      decodeWatermarks: (value) => JSON.parse(value.toString()) as ReturnType<ApplicationOptions['decodeWatermarks']>,
      deadLetterRecord: ({ record: { topic, partition, offset }, stage }) => ({
        ...{ topic: DEAD_LETTERS, partition: 0, timestampMs: 0, key: Buffer.from(topic) },
        value: Buffer.from(JSON.stringify({ topic, partition, offset, stage })),
      }),
      watermarkRecord: (writer, marks) => ({
        ...{ topic: WATERMARKS, partition: 0, timestampMs: 0, key: Buffer.from(writer) },
        value: Buffer.from(JSON.stringify(marks)),
      }),
    };
  }

  #checkpointsOf(process: SimulatedProcess): Pick<ApplicationOptions, 'checkpoints'> {
    const { checkpoints, mutation } = this.#options;
    const { checkpointIntervalMs: intervalMs } = this.#options.workload;
    if (checkpoints === null || intervalMs === undefined) return {};
    const storage = distantStorage(mutation?.checkpoints?.(checkpoints) ?? checkpoints, process, this.#random.fork());
    return { checkpoints: { storage, intervalMs } };
  }

  #ended(error: unknown, life: number): void {
    if (life !== this.#life) return;
    const { world } = this.#options;
    if (!(error instanceof Failure && EXPECTED.has(error.code))) world.violated(error);
    this.kill(`ends: ${error instanceof Error ? error.message : String(error)}`);
    this.#startLater();
  }

  #startLater(): void {
    this.#options.world.time.schedule(this.#random.int(20, 400), () => {
      if (this.#wanted) this.start();
    });
  }

  /** As SIGKILL. */
  kill(how: string): void {
    if (this.#process?.alive !== true) return;
    this.#options.world.note(this.#process.name, how);
    this.#process.kill();
    this.#life += 1;
    this.#application = null;
  }

  pauseFor(ms: number, when = ''): void {
    if (this.#process === null) return;
    this.#options.world.note(this.#process.name, `is stopped ${when}`);
    this.#process.stop();
    this.#options.world.time.schedule(ms, () => this.goOn());
  }

  goOn(): void {
    if (this.#process?.stopped !== true) return;
    this.#options.world.note(this.#process.name, 'goes on');
    this.#process.goOn();
  }

  /** Leaves in order, and is not started again. @throws Violation when it leaves something open */
  async leave(): Promise<void> {
    this.#wanted = false;
    const [process, application, life] = [this.#process, this.#application, this.#life];
    if (process === null || application === null || !process.alive) return;
    this.#options.world.note(process.name, 'leaves');
    await this.#started;
    await application.stop();
    // it may have been killed meanwhile, or have ended by itself
    if (life !== this.#life) return;
    const open = this.disk.openedBy(process);
    if (open.length > 0) throw new Violation(`${process.name} has left ${open.join(', ')} open`);
    this.kill('has left');
    if (this.#wanted) this.start();
  }

  status(): string {
    if (this.#application === null) return `${this.name}: down`;
    const { tasks, lag } = this.#application.status();
    const texts = tasks.map(
      ({ name, timeMs, queued, processed }) => `${name} at ${timeMs}, ${queued} queued, ${processed} done`,
    );
    return `${this.name}${this.stopped ? ' (stopped)' : ''}: lag ${lag}; ${texts.join('; ')}`;
  }
}
