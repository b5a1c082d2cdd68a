// Writes checkpoints of the stores that an instance works on, one after the other, beside everything else: a store's rows are read a
// millisecond's worth at a time, and neither commits nor records wait for them. What cannot be written is told, and tried again at the
// next interval; nothing else depends on it.
import { type Clock } from '../clock.ts';
import { type StateName, boundsOf } from '../local-store.ts';
import { type LogAdmin } from '../log.ts';
import { type StateStore } from '../store.ts';
import { type CheckpointStorage } from './checkpoint-storage.ts';
import { type BegunCheckpoint, Checkpoints } from './checkpoints.ts';

/** The newest may turn out to be damaged. */
const KEPT = 2;
/** Where nothing changes a checkpoint is renewed all the same, before it is too old to be used (from-checkpoint.ts). */
const RENEWED_AFTER_MS = 43_200_000;

export interface TaskCheckpointsParts {
  readonly storage: CheckpointStorage;
  /** from the end of one round to the beginning of the next */
  readonly intervalMs: number;
  readonly clock: Clock;
  readonly admin: Pick<LogAdmin, 'offsets'>;
  notice(text: string): void;
}

interface Kept {
  readonly state: StateName;
  readonly store: StateStore;
  last: { readonly offset: number; readonly takenAtMs: number } | null;
}

interface Writing {
  readonly kept: Kept;
  readonly abort: AbortController;
  readonly begun: Promise<BegunCheckpoint | null>;
}

export class TaskCheckpoints {
  readonly #parts: TaskCheckpointsParts;
  readonly #checkpoints: Checkpoints;
  readonly #kept = new Map<string, Kept>();
  readonly #over = new AbortController();
  #writing: Writing | null = null;
  #running: Promise<void> | null = null;

  constructor(parts: TaskCheckpointsParts) {
    this.#parts = parts;
    this.#checkpoints = new Checkpoints(parts.storage);
  }

  add(state: StateName, store: StateStore): void {
    this.#kept.set(state.name, { state, store, last: null });
    this.#running ??= this.#run();
  }

  /** Resolves when the store is left alone: it may be closed then. Does not wait for where the checkpoint goes. */
  async remove({ name }: StateName): Promise<void> {
    this.#kept.delete(name);
    const writing = this.#writing;
    if (writing === null || writing.kept.state.name !== name) return;
    writing.abort.abort();
    // what fails here is told by who writes
    const begun = await writing.begun.catch(() => null);
    await begun?.abandon().catch(() => undefined);
  }

  async close(): Promise<void> {
    this.#over.abort();
    for (const { state } of [...this.#kept.values()]) await this.remove(state);
  }

  async #run(): Promise<void> {
    const { clock, intervalMs } = this.#parts;
    const { signal } = this.#over;
    for (;;) {
      await clock.sleep(intervalMs, signal);
      if (signal.aborted) return;
      await this.#round();
    }
  }

  async #round(): Promise<void> {
    let failed = 0;
    let first: unknown = null;
    for (const kept of [...this.#kept.values()]) {
      // its task may have gone meanwhile
      if (this.#kept.get(kept.state.name) !== kept) continue;
      const abort = new AbortController();
      try {
        await this.#write(kept, abort);
      } catch (error) {
        if (abort.signal.aborted) continue;
        failed += 1;
        first ??= error;
      }
    }
    if (failed > 0)
      this.#parts.notice(
        `${failed} of ${this.#kept.size} checkpoints could not be written, and are tried again later: ${String(first)}`,
      );
  }

  async #write(kept: Kept, abort: AbortController): Promise<void> {
    const { state, store, last } = kept;
    const takenAtMs = this.#parts.clock.nowMs();
    const beginning = this.#checkpoints.beginAtPosition(store, { store: state.name, ...state.changelog, takenAtMs });
    this.#writing = { kept, abort, begun: beginning };
    try {
      const begun = await beginning;
      if (begun === null) return;
      const { offset } = begun;
      if (offset === last?.offset && takenAtMs - last.takenAtMs < RENEWED_AFTER_MS) {
        await begun.abandon();
        return;
      }
      await begun.write(abort.signal);
      kept.last = { offset, takenAtMs };
    } finally {
      this.#writing = null;
    }
    // whoever works on the state by now has others of his own
    if (abort.signal.aborted) return;
    // not beyond this store: one that does not know yet that the task is another's may stand behind its successor's checkpoints
    const { end } = await boundsOf(this.#parts, state.changelog);
    await this.#checkpoints.dropBeyond(state.changelog, end);
    await this.#checkpoints.prune(state.changelog, KEPT);
  }
}
