// At least once, outputs are seen when they are appended: nobody should wait for the offsets. They go ahead of the commit, one append
// at a time; what comes meanwhile goes together in the next one, at once.
import { type DrawnOutputs } from './commit.ts';

export interface OutputsAheadOptions {
  tasks(): readonly { drawOutputs(): DrawnOutputs['drawn'] }[];
  append(drawn: readonly DrawnOutputs[]): Promise<void>;
}

export class OutputsAhead {
  readonly #options: OutputsAheadOptions;
  #appending: Promise<void> | null = null;
  #failure: Error | null = null;
  #isHeld = false;

  constructor(options: OutputsAheadOptions) {
    this.#options = options;
  }

  send(): void {
    if (this.#appending !== null || this.#isHeld) return;
    const drawn = this.#options.tasks().map((task) => ({ drawn: task.drawOutputs() }));
    if (drawn.every((one) => one.drawn.batches.length + one.drawn.deadLetters.length === 0)) return;
    this.#appending = this.#options
      .append(drawn)
      .catch((error: unknown) => {
        this.#failure = error instanceof Error ? error : new Error(String(error));
        this.#isHeld = true;
      })
      .finally(() => {
        this.#appending = null;
        this.send();
      });
  }

  /** Nothing goes any more until `release`: what a commit has drawn must not be overtaken by what comes later. */
  hold(): void {
    this.#isHeld = true;
  }

  /** What is under way has come to an end. @throws what it threw: offsets must not say that those outputs are there */
  async settled(): Promise<void> {
    await this.#appending;
    if (this.#failure !== null) throw this.#failure;
  }

  release(): void {
    this.#isHeld = false;
  }
}
