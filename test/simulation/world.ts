// The simulated world: one broker, time that moves step by step, a network that delays, loses and repeats, and what has happened.
import { MemoryBroker } from '../../streams/testing/memory-broker.ts';
import { BrokerError } from '../../streams/testing/broker-error.ts';
import { SimulatedTime } from '../../streams/testing/simulated-time.ts';
import { Random } from './random.ts';

/** Probabilities for each request. */
export interface Noise {
  /** it never gets to the broker */
  readonly lostRequest: number;
  /** the broker handles it, its answer never comes */
  readonly lostAnswer: number;
  /** the broker handles it twice */
  readonly twice: number;
  /** it takes up to SLOW_MS, or its answer does */
  readonly slow: number;
  /** the process that sends it is killed, before or after the broker handles it */
  readonly kill: number;
  /** the same, but it is only stopped, for longer than its session lasts */
  readonly stop: number;
}

export const QUIET: Noise = { lostRequest: 0, lostAnswer: 0, twice: 0, slow: 0, kill: 0, stop: 0 };

const USUAL_MS = 4;
const SLOW_MS = 150;
/** how long a client takes to give a request up for lost */
const GIVE_UP_MS = 120;
const TRACE_LINES = 400;
/** More than a changelog remembers deletions. */
const STANDSTILL_MS = 90_000_000;

/** What a simulation found to be wrong. */
export class Violation extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'Violation';
  }
}

export interface WorldOptions {
  readonly seed: number;
  readonly noise: Noise;
  readonly fetchBytesMax: number;
  /** markers that end transactions are written up to so many ms later */
  readonly markerDelayMs: number;
  readonly startMs: number;
}

export const SESSION_TIMEOUT_MS = 600;

export class World {
  readonly random: Random;
  readonly time: SimulatedTime;
  readonly broker: MemoryBroker;
  noise: Noise;
  violation: unknown = null;
  #stoodStillMs = 0;
  readonly #trace: string[] = [];
  #brokerUp = true;
  /** grows with each restart: connections of before are broken */
  #brokerLife = 0;

  constructor({ seed, noise, fetchBytesMax, markerDelayMs, startMs }: WorldOptions) {
    this.random = new Random(seed);
    const ties = this.random.fork();
    this.time = new SimulatedTime({ startMs, tie: () => ties.next() });
    this.noise = noise;
    const markers = this.random.fork();
    this.broker = new MemoryBroker({
      clock: { ...this.time.clock, nowMs: () => this.nowMs() },
      ...{ sessionTimeoutMs: SESSION_TIMEOUT_MS, heartbeatIntervalMs: 100, fetchWaitMs: 40, fetchBytesMax },
      defer: (what, action) => this.#writeMarker(what, action, markers, markerDelayMs),
    });
  }

  #writeMarker(what: string, action: () => void, random: Random, delayMs: number): void {
    this.time.schedule(random.next() * delayMs, () => {
      if (!this.#brokerUp) return this.#writeMarker(what, action, random, delayMs + 50);
      this.note('broker', what);
      action();
    });
  }

  /** wall clock, epoch ms */
  nowMs(): number {
    return this.time.clock.nowMs() + this.#stoodStillMs;
  }

  /** All machines are suspended for a day, and go on: only their wall clocks show it. */
  standStill(): void {
    this.#stoodStillMs += STANDSTILL_MS;
    this.note('world', 'goes on after a day');
  }

  note(who: string, what: string): void {
    this.#trace.push(`${this.time.elapsedMs.toFixed(1).padStart(9)} ${who}: ${what}`);
    if (this.#trace.length > 2 * TRACE_LINES) this.#trace.splice(0, TRACE_LINES);
  }

  trace(lines: number): string {
    return this.#trace.slice(-lines).join('\n');
  }

  /** The first that is found ends the run. */
  violated(error: unknown): void {
    this.violation ??= error;
  }

  delayMs(random: Random): number {
    return random.next() * (random.chance(this.noise.slow) ? SLOW_MS : USUAL_MS);
  }

  brokerGoesDown(): void {
    this.#brokerUp = false;
    this.note('broker', 'goes down');
  }

  brokerComesUp(): void {
    this.#brokerUp = true;
    this.#brokerLife += 1;
    this.broker.restarted();
    this.note('broker', 'is back');
  }

  /**
   * One request's way to the broker and back.
   * @param mayComeLate its repetition may arrive after what was sent later
   * @param arrived told before the broker handles it, and after
   */
  async carry<T>(
    random: Random,
    handle: () => T | Promise<T>,
    mayComeLate: boolean,
    arrived: (when: 'before' | 'after') => void,
  ): Promise<T> {
    await this.time.sleep(this.delayMs(random));
    if (random.chance(this.noise.lostRequest)) return this.#giveUp();
    arrived('before');
    if (!this.#brokerUp) throw new BrokerError('unreachable', 'the broker is down');
    const life = this.#brokerLife;
    const answer = Promise.resolve().then(handle);
    answer.catch(() => undefined);
    // the answer to a repetition is looked at by nobody
    if (random.chance(this.noise.twice)) {
      const repetition = mayComeLate ? this.time.sleep(random.next() * SLOW_MS) : Promise.resolve();
      repetition.then(handle).catch(() => undefined);
    }
    // awaited as it is, for an answer that is a failure is an answer too
    await answer.catch(() => undefined);
    arrived('after');
    if (random.chance(this.noise.lostAnswer)) return this.#giveUp();
    if (!this.#brokerUp || life !== this.#brokerLife) throw new BrokerError('unreachable', 'the connection broke');
    await this.time.sleep(this.delayMs(random));
    return answer;
  }

  async #giveUp(): Promise<never> {
    await this.time.sleep(GIVE_UP_MS);
    throw new BrokerError('unreachable', 'no answer');
  }
}
