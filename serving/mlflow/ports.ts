// What the MLflow routes need of the rest of the gateway.
import { type Readable } from 'node:stream';
import { type VersionInput } from '../scoring/models.ts';
import { type RegistryView } from './run-view.ts';

export interface ArtifactStore {
  put(path: string, content: Readable): Promise<void>;
  file(path: string): string | null;
  list(path: string): readonly { readonly path: string; readonly is_dir: boolean; readonly file_size?: number }[];
  remove(path: string): void;
}

export interface VersionWeights {
  readonly uri: string;
  readonly sha256: string;
  /** null: nobody said */
  readonly inputs: readonly VersionInput[] | null;
}

export interface MlflowDeps {
  readonly view: RegistryView;
  readonly artifacts: ArtifactStore;
  /** Sends a command and waits until the view has its events. */
  command(type: string, payload: unknown): Promise<unknown>;
  /** Writes metrics, parameters and tags of a run and waits until the view has them. */
  log(entries: readonly RunEntry[]): Promise<void>;
  /**
   * The weights below a version's source, loaded to see that they can be run; null where there are none.
   * @throws Failure `invalid_model`
   */
  weights?(model: string, source: string): Promise<VersionWeights | null>;
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
