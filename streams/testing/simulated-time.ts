// Time that moves only when it is told to: what has been put off happens in its order, one step after the other, and between two
// steps everything that can go on without time has gone on.
import { type Clock } from '../clock.ts';

interface Due {
  readonly atMs: number;
  readonly tie: number;
  readonly order: number;
  action: (() => void) | null;
}

export interface SimulatedTimeOptions {
  /** epoch ms at the start */
  readonly startMs: number;
  /** decides between what is due at the same instant; default: what was put off first */
  readonly tie?: () => number;
}

export class SimulatedTime {
  readonly #startMs: number;
  readonly #tie: () => number;
  readonly #due: Due[] = [];
  #nowMs = 0;
  #count = 0;

  constructor({ startMs, tie = () => 0 }: SimulatedTimeOptions) {
    this.#startMs = startMs;
    this.#tie = tie;
  }

  /** ms since the start */
  get elapsedMs(): number {
    return this.#nowMs;
  }

  readonly clock: Clock = {
    nowMs: () => this.#startMs + this.#nowMs,
    monotonicMs: () => this.#nowMs,
    sleep: (ms, signal) => this.sleep(ms, signal),
  };

  /** @returns takes it back */
  schedule(delayMs: number, action: () => void): () => void {
    this.#count += 1;
    const due: Due = { atMs: this.#nowMs + Math.max(0, delayMs), tie: this.#tie(), order: this.#count, action };
    push(this.#due, due);
    return () => {
      due.action = null;
    };
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted === true) return Promise.resolve();
    return new Promise((resolve) => {
      const cancel = this.schedule(ms, () => {
        signal?.removeEventListener('abort', aborted);
        resolve();
      });
      const aborted = (): void => {
        cancel();
        resolve();
      };
      signal?.addEventListener('abort', aborted, { once: true });
    });
  }

  /** When the next thing is due, ms since the start; null: nothing is. */
  get nextMs(): number | null {
    while (this.#due[0] !== undefined && this.#due[0].action === null) pop(this.#due);
    return this.#due[0]?.atMs ?? null;
  }

  /** Lets the next thing happen, and all that follows from it at once. False: nothing is due any more. */
  async step(): Promise<boolean> {
    if (this.nextMs === null) return false;
    const next = pop(this.#due);
    if (next === undefined) return false;
    this.#nowMs = Math.max(this.#nowMs, next.atMs);
    next.action?.();
    await quiet();
    return true;
  }

  /** Steps until `body` has settled. @throws when it waits for something that will never happen, or for longer than `limitMs` */
  async run<T>(body: () => Promise<T>, limitMs = Number.POSITIVE_INFINITY): Promise<T> {
    let settled = false;
    const result = body().finally(() => {
      settled = true;
    });
    // looked at below; until then a failure must not count as unhandled
    result.catch(() => undefined);
    await quiet();
    const untilMs = this.#nowMs + limitMs;
    // `settled` changes while steps are awaited
    while (!isTrue(settled)) {
      if (this.#nowMs > untilMs) throw new Error(`not done after ${limitMs} ms of simulated time`);
      if (!(await this.step())) throw new Error('waits for what will never happen');
    }
    return result;
  }

  /** Moves on by `ms`, and lets everything happen that is due until then. */
  async advance(ms: number): Promise<void> {
    const untilMs = this.#nowMs + ms;
    await quiet();
    for (let nextMs = this.nextMs; nextMs !== null && nextMs <= untilMs; nextMs = this.nextMs) await this.step();
    this.#nowMs = untilMs;
  }
}

function isTrue(value: boolean): boolean {
  return value;
}

/** Resolves when no promise is left that could go on by itself. */
function quiet(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

function before(a: Due, b: Due): boolean {
  if (a.atMs !== b.atMs) return a.atMs < b.atMs;
  return a.tie === b.tie ? a.order < b.order : a.tie < b.tie;
}

function push(heap: Due[], due: Due): void {
  let at = heap.push(due) - 1;
  while (at > 0) {
    const parentAt = (at - 1) >> 1;
    const parent = heap[parentAt];
    if (parent === undefined || !before(due, parent)) break;
    heap[at] = parent;
    at = parentAt;
  }
  heap[at] = due;
}

function pop(heap: Due[]): Due | undefined {
  const top = heap[0];
  const last = heap.pop();
  if (last === undefined || heap.length === 0) return top;
  let at = 0;
  for (;;) {
    const left = heap[2 * at + 1];
    const right = heap[2 * at + 2];
    if (left === undefined) break;
    const childAt = right !== undefined && before(right, left) ? 2 * at + 2 : 2 * at + 1;
    const child = heap[childAt];
    if (child === undefined || !before(child, last)) break;
    heap[at] = child;
    at = childAt;
  }
  heap[at] = last;
  return top;
}
