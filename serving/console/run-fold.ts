// Runs and their metrics as the console lists them. A run keeps one point per metric: the list shows the last step only.
import { type Event } from '../../schemas/codec.ts';
import { type RunMetric } from '../../schemas/events.generated.ts';

export interface RunState {
  readonly id: string;
  readonly name: string;
  readonly status: string;
  readonly startedMs: number | null;
  readonly endedMs: number | null;
  readonly metrics: Readonly<Record<string, number>>;
  /** '' where the run made no version */
  readonly model: string;
  readonly version: number | null;
}

interface Run {
  name: string;
  status: string;
  startedMs: number | null;
  endedMs: number | null;
  model: string;
  version: number | null;
  readonly metrics: Map<string, RunMetric>;
}

const SHOWN_MAX = 50;

export class RunFold {
  readonly #runs = new Map<string, Run>();

  /** Whether the event is about a run. */
  apply(event: Event): boolean {
    switch (event.name) {
      case 'RunStarted': {
        const { run_name: name, started_at: startedMs } = event.value;
        Object.assign(this.#run(event.value.run_id), { name, startedMs });
        return true;
      }
      case 'RunEnded': {
        const { status, ended_at: endedMs } = event.value;
        Object.assign(this.#run(event.value.run_id), { status, endedMs });
        return true;
      }
      case 'RunMetric': {
        const { metrics } = this.#run(event.value.run_id);
        const known = metrics.get(event.value.key);
        if (known === undefined || isLater(event.value, known)) metrics.set(event.value.key, event.value);
        return true;
      }
      case 'ModelVersionCreated': {
        const { run_id, model, version } = event.value;
        if (run_id !== '') Object.assign(this.#run(run_id), { model, version });
        return run_id !== '';
      }
      default:
        return false;
    }
  }

  /** Newest first; a run that has only metrics yet (they come on a topic of their own) stands at the top. */
  get all(): RunState[] {
    return [...this.#runs]
      .map(([id, run]) => ({
        ...run,
        id,
        metrics: Object.fromEntries(
          [...run.metrics].sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, { value }]) => [key, value]),
        ),
      }))
      .sort((a, b) => (b.startedMs ?? Infinity) - (a.startedMs ?? Infinity) || (a.id < b.id ? -1 : 1))
      .slice(0, SHOWN_MAX);
  }

  #run(id: string): Run {
    const known = this.#runs.get(id);
    if (known !== undefined) return known;
    const made: Run = {
      name: '',
      status: 'RUNNING',
      startedMs: null,
      endedMs: null,
      model: '',
      version: null,
      metrics: new Map(),
    };
    this.#runs.set(id, made);
    return made;
  }
}

function isLater(point: RunMetric, than: RunMetric): boolean {
  return (point.step - than.step || point.timestamp - than.timestamp || point.value - than.value) > 0;
}
