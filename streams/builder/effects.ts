// What handling one record changes, kept aside until it has gone through: a step that throws has changed nothing.
import { type NewRecord } from '../log.ts';
import { type TaskContext } from '../processor.ts';
import { type NodeState } from './node-state.ts';

export class Effects {
  readonly #context: TaskContext<NodeState>;
  readonly #states = new Map<string, NodeState | undefined>();
  readonly #outputs: NewRecord[] = [];

  constructor(context: TaskContext<NodeState>) {
    this.#context = context;
  }

  get(id: string): NodeState | undefined {
    return this.#states.has(id) ? this.#states.get(id) : this.#context.state.get(id);
  }

  /** @param entry undefined: deleted */
  put(id: string, entry: NodeState | undefined): void {
    this.#states.set(id, entry);
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
