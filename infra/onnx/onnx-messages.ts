// What the main thread and the model thread say to each other.

export interface WorkerRequest {
  readonly id: number;
  readonly call:
    | { readonly kind: 'load'; readonly model: string; readonly path: string }
    | { readonly kind: 'run'; readonly model: string; readonly rows: number; readonly data: Float32Array }
    | { readonly kind: 'unload'; readonly model: string };
}

export interface LoadedModel {
  /** of the bytes that were loaded, hex */
  readonly sha256: string;
  readonly inputName: string;
  /** numbers per row; −1 where the model does not say */
  readonly inputWidth: number;
  readonly outputName: string;
}

export interface WorkerAnswer {
  readonly id: number;
  readonly error?: string;
  readonly loaded?: LoadedModel;
  readonly scores?: Float64Array;
}
