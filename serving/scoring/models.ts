// The port to running models.

export interface Models {
  /** @param count rows in `rows`; the array is given away */
  run(model: string, rows: Float32Array, count: number): Promise<Float64Array>;
}

/** An input of a model version, as it was registered. */
export interface VersionInput {
  readonly name: string;
  readonly kind: 'number' | 'category';
  /** a category's index is its place here; an unknown one is −1 */
  readonly categories?: readonly string[];
}

export interface ServableVersion {
  readonly model: string;
  readonly version: number;
  readonly weightsSha256: string;
  readonly weightsUri: string;
  readonly inputs: readonly VersionInput[];
}

export function versionId(model: string, version: number): string {
  return `${model}/${version}`;
}
