// A storm over the instances of one job on real Kafka: killed, stopped past their sessions, restarted with their state, without it
// and with a damaged one, one to three of them, the broker restarted below them. The output must be exact when it is over.
// `npm run test:soak`; MILLRACE_TEST_STORM_KILLS says how many kills (60), MILLRACE_TEST_SEED repeats a storm.
import assert from 'node:assert/strict';
import { existsSync, rmSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { systemClock } from '../../infra/clock.ts';
import { damageStores } from '../integration/streams/damage.ts';
import { type JobProcess } from '../integration/streams/job-process.ts';
import { type Job, World } from '../integration/streams/job-world.ts';

const KILLS = Number(process.env['MILLRACE_TEST_STORM_KILLS'] ?? 60);
const SEED = Number(process.env['MILLRACE_TEST_SEED'] ?? Math.floor(Math.random() * 1_000_000));
const NAMES = ['a', 'b', 'c'] as const;
const PARTITIONS = 6;
const EVENTS_PER_ROUND = 20;
/** Stopped for less, or for longer, than a session. */
const STOPPED = 'stopped for a while';
const STOPPED_MS = [500, 2000, 5000] as const;
const CALM_MS = 1500;
/** Blows of which a storm of sixty kills has some. */
const FREQUENT =
  KILLS < 60
    ? []
    : ['killed, state kept', 'killed, state deleted', 'killed, state damaged', 'one more', 'one less', STOPPED];

const world = new World();
before(() => world.start());
after(() => world.stop());

/** Instances that are wanted, each started again when it ends. */
class Fleet {
  readonly #job: Job;
  readonly #running = new Map<string, JobProcess>();
  readonly #wanted = new Set<string>();
  restarts = 0;

  constructor(job: Job) {
    this.#job = job;
  }

  get names(): readonly string[] {
    return [...this.#wanted];
  }

  process(name: string): JobProcess | undefined {
    return this.#running.get(name);
  }

  start(name: string): void {
    this.#wanted.add(name);
    this.#launch(name);
  }

  #launch(name: string): void {
    const process = this.#job.launch(name, { standbyReplicas: 1 });
    this.#running.set(name, process);
    process.exited.then(
      () => {
        if (!this.#wanted.has(name) || this.#running.get(name) !== process) return;
        this.restarts += 1;
        this.#launch(name);
      },
      () => undefined,
    );
  }

  /** @param meanwhile done before it is started again */
  async kill(name: string, meanwhile: (process: JobProcess) => void): Promise<void> {
    const process = this.#running.get(name);
    if (process === undefined) return;
    this.#running.delete(name);
    await process.kill();
    meanwhile(process);
    this.#launch(name);
  }

  async leave(name: string): Promise<void> {
    this.#wanted.delete(name);
    await this.#running.get(name)?.stop();
    this.#running.delete(name);
  }

  async untilAllWork(): Promise<void> {
    const tasks = (): number => [...this.#running.values()].reduce((sum, one) => sum + one.tasks.length, 0);
    const untilMs = systemClock.monotonicMs() + 90_000;
    while (tasks() !== PARTITIONS) {
      assert.ok(
        systemClock.monotonicMs() < untilMs,
        `not all partitions are worked on\n${[...this.#running.values()].map((one) => one.describe()).join('\n')}`,
      );
      await systemClock.sleep(50);
    }
  }

  end(): void {
    this.#wanted.clear();
  }
}

test(`a storm of ${KILLS} kills, seed ${SEED}`, async (context) => {
  const job = await world.job(PARTITIONS, 120);
  const fleet = new Fleet(job);
  const random = randomOf(SEED);
  const counts: Record<string, number> = {};
  try {
    fleet.start('a');
    job.feed(EVENTS_PER_ROUND);
    await fleet.untilAllWork();
    for (let kills = 0; kills < KILLS;) {
      const what = await blow(fleet, random);
      counts[what] = (counts[what] ?? 0) + 1;
      if (what.startsWith('killed')) kills += 1;
      await systemClock.sleep(random() * CALM_MS);
    }
    await fleet.untilAllWork();
    await job.checkOutput();
    for (const what of FREQUENT)
      assert.ok((counts[what] ?? 0) > 0, `it was not tried: ${what}; ${JSON.stringify(counts)}`);
  } finally {
    fleet.end();
    await job.end();
  }
  context.diagnostic(`${JSON.stringify(counts)}; ${fleet.restarts} restarts besides, ${job.sent} events`);
});

async function blow(fleet: Fleet, random: () => number): Promise<string> {
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T;
  const name = pick(fleet.names);
  const chance = random();
  if (chance < 0.1) {
    const how = pick(['stopped', 'killed'] as const);
    await world.restartBroker(how);
    return `broker ${how}`;
  }
  if (chance < 0.2) {
    fleet.process(name)?.signal('SIGSTOP');
    await systemClock.sleep(pick(STOPPED_MS));
    fleet.process(name)?.signal('SIGCONT');
    return STOPPED;
  }
  if (chance < 0.35) {
    const absent = NAMES.filter((one) => !fleet.names.includes(one));
    if (absent.length > 0 && (fleet.names.length === 1 || random() < 0.6)) {
      fleet.start(pick(absent));
      return 'one more';
    }
    await fleet.leave(name);
    return 'one less';
  }
  const state = pick(['kept', 'kept', 'deleted', 'damaged'] as const);
  await fleet.kill(name, ({ stateDir }) => {
    if (state === 'deleted') rmSync(stateDir, { recursive: true, force: true });
    if (state === 'damaged' && existsSync(stateDir)) damageStores(stateDir);
  });
  return `killed, state ${state}`;
}

/** Numbers in [0, 1), the same for the same seed. */
function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
