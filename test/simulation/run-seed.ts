// One run from one seed: the same seed gives the same run, step by step.
import { memoryStorage } from '../../streams/checkpoints/memory-storage.ts';
import { type FaultKind, type Scene, drawDaysAway, drawFaults, inflict, replaceMachine } from './faults.ts';
import { Disk } from './disk.ts';
import { Instance, type Mutation, DEAD_LETTERS, WATERMARKS } from './instance.ts';
import { Observer, positionOf } from './observer.ts';
import { Random } from './random.ts';
import { Upstream } from './upstream.ts';
import { type MakeWorkload } from './workloads.ts';
import { type Noise, Violation, World, QUIET } from './world.ts';

/** The epoch is as good as any: all event times lie behind it. */
const START_MS = 1_700_000_000_000;
const LEAVING_MS_MAX = 60_000;
/** After the last fault: a transaction that nobody ends is aborted after 60 s. */
const SETTLING_MS_MAX = 200_000;
/** How long a complete run is watched for what comes too much. */
const WATCHED_MS = 400;
/** All are killed, come back one after the other, and have their states. */
const COMING_BACK_MS = 5000;

export interface RunOptions {
  readonly seed: number;
  readonly workload: MakeWorkload;
  readonly mutation?: Mutation;
  /** only these faults; default: as the seed says */
  readonly faults?: readonly FaultKind[];
}

export interface RunResult {
  readonly seed: number;
  readonly workload: string;
  readonly faults: readonly string[];
  readonly steps: number;
  readonly simulatedMs: number;
  /** null: nothing was wrong */
  readonly violation: Error | null;
  trace(lines: number): string;
}

export async function runSeed({ seed, workload: make, mutation, faults: only }: RunOptions): Promise<RunResult> {
  const random = new Random(seed);
  const workload = make(random.fork(), START_MS);
  const spanMs = random.int(500, 5000);
  const world = new World({
    ...{ seed: seed ^ 0x5eed, startMs: START_MS, noise: drawNoise(random) },
    ...{
      fetchBytesMax: random.chance(0.5) ? random.int(1, 500) : 100_000,
      markerDelayMs: random.int(0, random.pick([0, 120, 1500])),
    },
  });
  world.broker.createTopics([
    ...workload.topics,
    { name: WATERMARKS, partitions: 1, config: {} },
    { name: DEAD_LETTERS, partitions: 1, config: {} },
  ]);
  const observer = new Observer(world, {
    ...workload,
    topics: [...workload.topics, { name: DEAD_LETTERS, partitions: 1, config: {} }],
  });
  const checkpoints = workload.checkpointIntervalMs === undefined ? null : memoryStorage();
  const commitIntervalMs = random.int(10, 200);
  const instances = Array.from({ length: random.int(1, 3) }, (_, index) => {
    const name = `instance-${index + 1}`;
    const disk = new Disk((store, rows) => observer.wrote(name, store, rows));
    return new Instance({ world, workload, name, disk, commitIntervalMs, mutation: mutation ?? null, checkpoints });
  });
  const changelogs = workload.topics.map(({ name }) => name).filter((name) => name.startsWith('changelog.'));
  const scene: Scene = { world, instances, observer, random: random.fork(), changelogs };
  // idle inputs go on by the wall clock, and a day is longer than any of them
  const daysAway = workload.idleTimeoutMs === null ? drawDaysAway(new Random(seed ^ 0xda7), spanMs) : [];
  const faults = [...drawFaults(random, spanMs), ...daysAway].filter(
    ({ kind }) => only === undefined || only.includes(kind),
  );
  for (const { atMs, kind } of faults.filter(({ atMs }) => atMs <= spanMs))
    world.time.schedule(atMs, () => inflict(kind, scene));
  const atTheEnd = (): boolean => {
    const last = faults.filter(({ atMs }) => atMs > spanMs);
    for (const { kind } of last) inflict(kind, scene);
    return last.length > 0;
  };

  const machines = new Random(seed ^ 0x3ac1);
  for (let left = checkpoints === null ? 0 : machines.int(1, 4); left > 0; left -= 1)
    world.time.schedule(machines.next() * spanMs, () => replaceMachine(scene));

  const run = new Run(world, observer, instances, new Upstream(world, workload), atTheEnd);
  const violation = await run.toTheEnd(spanMs);
  return {
    ...{ seed, workload: workload.name, violation, steps: run.steps, simulatedMs: world.time.elapsedMs },
    faults: faults.map(({ atMs, kind }) => `${kind} at ${Math.round(atMs)}`),
    trace: (lines) => world.trace(lines),
  };
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}

function drawNoise(random: Random): Noise {
  if (random.chance(0.25)) return QUIET;
  const upTo = (most: number): number => (random.chance(0.5) ? random.next() * most : 0);
  return {
    lostRequest: upTo(0.1),
    lostAnswer: upTo(0.1),
    twice: upTo(0.2),
    slow: upTo(0.2),
    kill: upTo(0.01),
    stop: upTo(0.01),
  };
}

class Run {
  readonly #world: World;
  readonly #observer: Observer;
  readonly #instances: readonly Instance[];
  readonly #upstream: Upstream;
  readonly #atTheEnd: () => boolean;
  steps = 0;

  /** @param atTheEnd when all has come something may still happen; gives whether it did */
  constructor(
    world: World,
    observer: Observer,
    instances: readonly Instance[],
    upstream: Upstream,
    atTheEnd: () => boolean,
  ) {
    this.#world = world;
    this.#observer = observer;
    this.#instances = instances;
    this.#upstream = upstream;
    this.#atTheEnd = atTheEnd;
  }

  async toTheEnd(spanMs: number): Promise<Error | null> {
    try {
      for (const instance of this.#instances) instance.start();
      this.#upstream.run(spanMs).catch((error: unknown) => this.#world.violated(error));
      await this.#stepUntil(
        () => this.#world.time.elapsedMs >= spanMs,
        Number.POSITIVE_INFINITY,
        'the faults are over',
      );
      this.#heal();
      const isDone = (): boolean => this.#upstream.done && this.#observer.complete;
      await this.#stepUntil(isDone, SETTLING_MS_MAX, 'all has come');
      const watchedMs = this.#atTheEnd() ? COMING_BACK_MS : WATCHED_MS;
      const completeMs = this.#world.time.elapsedMs;
      await this.#stepUntil(() => this.#world.time.elapsedMs > completeMs + watchedMs, LEAVING_MS_MAX, 'the end');
      await this.#leave();
      this.#checkDisks();
      return null;
    } catch (error) {
      return asError(error);
    }
  }

  async #stepUntil(isSo: () => boolean, limitMs: number, what: string): Promise<void> {
    const untilMs = this.#world.time.elapsedMs + limitMs;
    while (!isSo()) {
      if (!(await this.#world.time.step())) throw new Violation(`Nothing happens any more before ${what}.`);
      this.steps += 1;
      this.#observer.look();
      if (this.#world.violation !== null) throw asError(this.#world.violation);
      if (this.#world.time.elapsedMs > untilMs) throw new Violation(`Stuck before ${what}.\n${this.#state()}`);
    }
  }

  #state(): string {
    return [this.#observer.missing(), ...this.#instances.map((instance) => instance.status())].join('\n');
  }

  /** From here on nothing goes wrong any more, and everybody is there. */
  #heal(): void {
    this.#world.noise = QUIET;
    this.#world.note('faults', 'are over');
    for (const instance of this.#instances) {
      instance.goOn();
      instance.start();
    }
  }

  async #leave(): Promise<void> {
    let left = 0;
    for (const instance of this.#instances)
      instance
        .leave()
        .then(() => {
          left += 1;
        })
        .catch((error: unknown) => this.#world.violated(error));
    await this.#stepUntil(() => left === this.#instances.length, LEAVING_MS_MAX, 'everybody has left');
  }

  /** What lies on the disks is the fold of the changelogs, wherever it stands. */
  #checkDisks(): void {
    for (const { name, disk } of this.#instances) {
      for (const store of disk.names) {
        const rows = disk.rowsOf(store);
        if (rows !== null && positionOf(rows) !== null) this.#observer.wrote(name, store, rows);
      }
    }
    this.#observer.look();
  }
}
