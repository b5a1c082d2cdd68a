// One life of a process: everything that it waits for comes through here, so that it can be stopped for a while or for ever
// between any two steps.
import { type Clock } from '../../streams/clock.ts';
import { type Network } from '../../streams/testing/broker-calls.ts';
import { type Random } from './random.ts';
import { type World } from './world.ts';

/** Between two looks at the clock: about what a task may take of a round. */
const WORK_MS_MAX = 40;
/** of the world's time, which goes on only when all wait */
const AHEAD_MS_MAX = 200;

/** SIGKILL, or SIGSTOP for a while. */
export type Blow = 'kill' | 'stop';

export class SimulatedProcess {
  readonly name: string;
  readonly #world: World;
  readonly #random: Random;
  readonly #skewMs: number;
  readonly #struck: (by: Blow, when: string) => void;
  #state: 'running' | 'stopped' | 'dead' = 'running';
  #held: (() => void)[] = [];
  /** its steps take time: a look at the clock may find it further than the world's */
  isBusy = false;
  #lookedMs = 0;

  /** @param struck told when the world's noise kills or stops the process */
  constructor(world: World, name: string, skewMs: number, struck: (by: Blow, when: string) => void = () => undefined) {
    this.#world = world;
    this.name = name;
    this.#skewMs = skewMs;
    this.#struck = struck;
    this.#random = world.random.fork();
  }

  get alive(): boolean {
    return this.#state !== 'dead';
  }

  get stopped(): boolean {
    return this.#state === 'stopped';
  }

  /** As SIGKILL: nothing that it waits for comes any more; requests on their way arrive. */
  kill(): void {
    this.#state = 'dead';
    this.#held = [];
  }

  /** As SIGSTOP. */
  stop(): void {
    if (this.#state === 'running') this.#state = 'stopped';
  }

  /** As SIGCONT: what has come meanwhile is found, in its order. */
  goOn(): void {
    if (this.#state !== 'stopped') return;
    this.#state = 'running';
    const held = this.#held;
    this.#held = [];
    for (const deliver of held) this.#world.time.schedule(0, () => this.#deliver(deliver));
  }

  #deliver(action: () => void): void {
    if (this.#state === 'running') action();
    else if (this.#state === 'stopped') this.#held.push(action);
  }

  /** The outcome of `work`, handed over when this process runs; never, once it is dead. */
  #gated<T>(work: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      work.then(
        (value) => this.#deliver(() => resolve(value)),
        (error: unknown) => this.#deliver(() => reject(error)),
      );
    });
  }

  #look(): number {
    const { elapsedMs } = this.#world.time;
    const isSlow = this.#lookedMs - elapsedMs < AHEAD_MS_MAX && this.#random.chance(0.3);
    this.#lookedMs = Math.max(this.#lookedMs, elapsedMs) + (isSlow ? this.#random.next() * WORK_MS_MAX : 0);
    return this.#lookedMs;
  }

  readonly clock: Clock = {
    nowMs: () => this.#world.nowMs() + this.#skewMs,
    monotonicMs: () => (this.isBusy ? this.#look() : this.#world.time.elapsedMs),
    sleep: (ms, signal) => this.#gated(this.#world.time.sleep(ms, signal)),
  };

  readonly network: Network = {
    call: (doing, handle) => {
      const { noise } = this.#world;
      if (doing !== 'Fetching' && !doing.startsWith('Heartbeat')) this.#world.note(this.name, doing);
      const blow = this.#random.chance(noise.kill) ? 'kill' : this.#random.chance(noise.stop) ? 'stop' : null;
      const at = this.#random.pick(['before', 'after']);
      const arrived = (when: 'before' | 'after'): void => {
        if (blow !== null && when === at && this.#state === 'running') this.#struck(blow, `${when} ${doing}`);
      };
      // appends are told apart by their sequence numbers, however late they come; what is deleted never comes back
      const mayComeLate = doing.startsWith('Producing') || doing === 'Deleting records';
      return this.#gated(this.#world.carry(this.#random, handle, mayComeLate, arrived));
    },
  };

  /** What takes a moment on this machine, such as a write to its disk; a dead process does not come to `work`. */
  locally<T>(work: () => T | Promise<T>): Promise<T> {
    const done = this.#world.time.sleep(this.#random.next() * 2).then(() => {
      if (!this.alive) return new Promise<never>(() => undefined);
      return work();
    });
    return this.#gated(done);
  }
}
