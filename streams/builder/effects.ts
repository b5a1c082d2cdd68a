// What handling one record changes, kept aside until it has gone through: a step that throws has changed nothing.
import { type NewRecord } from '../log.ts';
import { type TaskContext } from '../processor.ts';
import { RECORD_BYTES_MAX } from '../record-limit.ts';
import { type NodeState } from './node-state.ts';

/** A run has come upon a row that is not in memory: it is given up, and done again once the row is there. */
class NotInMemory extends Error {}

export class Effects {
  readonly #context: TaskContext<NodeState>;
  readonly #states = new Map<string, NodeState | undefined>();
  readonly #outputs: NewRecord[] = [];
  #missed: string | null = null;

  constructor(context: TaskContext<NodeState>) {
    this.#context = context;
  }

  /** The row that was not in memory; whatever was done then, caught or not, must not be applied. */
  get missed(): string | null {
    return this.#missed;
  }

  get(id: string): NodeState | undefined {
    if (this.#states.has(id)) return this.#states.get(id);
    const { state } = this.#context;
    const entry = state.get(id);
    if (entry === undefined && state.lacks(id)) {
      this.#missed ??= id;
      throw new NotInMemory(id);
    }
    return entry;
  }

  /** @param entry undefined: deleted */
  put(id: string, entry: NodeState | undefined): void {
    this.#states.set(id, entry);
  }

  /** Calls back for each row that would have more bytes than a record may. */
  forEachTooLarge(found: (id: string, bytes: number) => void): void {
    for (const [id, entry] of this.#states) {
      const bytes = entry === undefined ? 0 : this.#context.state.rowBytes(id, entry);
      if (bytes > RECORD_BYTES_MAX) found(id, bytes);
    }
  }

  emit(record: NewRecord): void {
    this.#outputs.push(record);
  }

  apply(): void {
    const { state, setTimer, emit } = this.#context;
    for (const [id, entry] of this.#states) {
      if (entry === undefined) state.delete(id);
      else state.put(id, entry);
      setTimer(id, entry?.timerMs ?? null);
    }
    for (const record of this.#outputs) emit(record);
  }
}
