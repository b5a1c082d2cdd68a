// What the MLflow routes need of the rest of the gateway.
import { type Readable } from 'node:stream';
import { type RegistryView } from './run-view.ts';

export interface ArtifactStore {
  put(path: string, content: Readable): Promise<void>;
  file(path: string): string | null;
  list(path: string): readonly { readonly path: string; readonly is_dir: boolean; readonly file_size?: number }[];
  remove(path: string): void;
}

export interface MlflowDeps {
  readonly view: RegistryView;
  readonly artifacts: ArtifactStore;
  /** Sends a command and waits until the view has its events. */
  command(type: string, payload: unknown): Promise<unknown>;
  /** Writes metrics, parameters and tags of a run and waits until the view has them. */
  log(entries: readonly RunEntry[]): Promise<void>;
  newId(): string;
  nowMs(): number;
}

export type RunEntry =
  | {
      readonly name: 'RunMetric';
      readonly value: {
        readonly run_id: string;
        readonly key: string;
        readonly value: number;
        readonly timestamp: number;
        readonly step: number;
      };
    }
  | {
      readonly name: 'RunParameter' | 'RunTag';
      readonly value: { readonly run_id: string; readonly key: string; readonly value: string };
    };
