// Experiments, runs and registered models as MLflow shows them: a fold of millrace.lifecycle and millrace.metrics.
import { type Event } from '../../schemas/codec.ts';
import { type ModelVersionCreated } from '../../schemas/events.generated.ts';

export interface MetricPoint {
  readonly key: string;
  readonly value: number;
  readonly timestamp: number;
  readonly step: number;
}

export interface RunView {
  readonly runId: string;
  readonly experimentId: string;
  readonly runName: string;
  readonly userId: string;
  readonly artifactUri: string;
  readonly startedMs: number;
  endedMs: number | null;
  status: string;
  readonly metrics: Map<string, MetricPoint[]>;
  readonly params: Map<string, string>;
  readonly tags: Map<string, string>;
}

export interface ExperimentView {
  readonly id: string;
  readonly name: string;
  readonly artifactLocation: string;
  readonly createdMs: number;
  readonly tags: Readonly<Record<string, string>>;
}

export interface ModelView {
  readonly name: string;
  readonly createdMs: number;
  readonly description: string;
  readonly tags: Readonly<Record<string, string>>;
  readonly versions: Map<number, ModelVersionCreated>;
  readonly aliases: Map<string, number>;
}

export class RegistryView {
  readonly experiments = new Map<string, ExperimentView>([
    ['0', { id: '0', name: 'Default', artifactLocation: 'mlflow-artifacts:/0', createdMs: 0, tags: {} }],
  ]);
  readonly runs = new Map<string, RunView>();
  readonly models = new Map<string, ModelView>();

  apply(event: Event): void {
    switch (event.name) {
      case 'ExperimentCreated': {
        const { experiment_id: id, name, artifact_location, created_at, tags } = event.value;
        this.experiments.set(id, { id, name, artifactLocation: artifact_location, createdMs: created_at, tags });
        return;
      }
      case 'RunStarted': {
        const { run_id, experiment_id, run_name, user_id, artifact_uri, started_at, tags } = event.value;
        const known = this.runs.get(run_id);
        this.runs.set(run_id, {
          runId: run_id,
          experimentId: experiment_id,
          runName: run_name,
          userId: user_id,
          artifactUri: artifact_uri,
          startedMs: started_at,
          endedMs: null,
          status: 'RUNNING',
          // metrics come on a topic of their own, and may be read first
          metrics: known?.metrics ?? new Map<string, MetricPoint[]>(),
          params: known?.params ?? new Map<string, string>(),
          tags: new Map([...Object.entries(tags), ...(known?.tags ?? [])]),
        });
        return;
      }
      case 'RunEnded': {
        const run = this.runs.get(event.value.run_id);
        if (run === undefined) return;
        run.status = event.value.status;
        run.endedMs = event.value.ended_at;
        return;
      }
      case 'RunMetric':
        return this.#metric(event.value.run_id, event.value);
      case 'RunParameter':
        this.#runOf(event.value.run_id).params.set(event.value.key, event.value.value);
        return;
      case 'RunTag':
        this.#runOf(event.value.run_id).tags.set(event.value.key, event.value.value);
        return;
      case 'ModelRegistered': {
        const { model, created_at, description, tags } = event.value;
        if (!this.models.has(model))
          this.models.set(model, {
            name: model,
            createdMs: created_at,
            description,
            tags,
            versions: new Map(),
            aliases: new Map(),
          });
        return;
      }
      case 'ModelVersionCreated':
        this.models.get(event.value.model)?.versions.set(event.value.version, event.value);
        return;
      case 'AliasSet':
        if (event.value.version === 0) this.models.get(event.value.model)?.aliases.delete(event.value.alias);
        else this.models.get(event.value.model)?.aliases.set(event.value.alias, event.value.version);
        return;
      default:
        return;
    }
  }

  #runOf(runId: string): RunView {
    const known = this.runs.get(runId);
    if (known !== undefined) return known;
    const made: RunView = {
      runId,
      experimentId: '',
      runName: '',
      userId: '',
      artifactUri: '',
      startedMs: 0,
      endedMs: null,
      status: 'RUNNING',
      metrics: new Map(),
      params: new Map(),
      tags: new Map(),
    };
    this.runs.set(runId, made);
    return made;
  }

  #metric(runId: string, { key, value, timestamp, step }: MetricPoint): void {
    const run = this.#runOf(runId);
    const points = run.metrics.get(key) ?? [];
    run.metrics.set(key, points);
    // the same point twice is one point: retries of the client change nothing
    if (!points.some((point) => point.step === step && point.timestamp === timestamp && point.value === value))
      points.push({ key, value, timestamp, step });
  }
}

/** The metric that is shown: the largest by step, time, value. */
export function shownMetric(points: readonly MetricPoint[]): MetricPoint | undefined {
  return [...points].sort((a, b) => b.step - a.step || b.timestamp - a.timestamp || b.value - a.value)[0];
}
