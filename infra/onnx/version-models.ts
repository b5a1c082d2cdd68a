// The weights of registered versions: loaded when a version is first asked for, or ahead when a routing names it.
import { Failure } from '../../schemas/failure.ts';
import { type Models, type ServableVersion } from '../../serving/scoring/models.ts';
import { type Clock } from '../../streams/clock.ts';
import { artifactPath } from '../artifacts.ts';
import { type OnnxModels } from './onnx-models.ts';

/** A version that did not load is tried again after this long: the file may have been put back. */
const RETRY_AFTER_MS = 5000;

export interface VersionModelsParts {
  readonly onnx: OnnxModels;
  readonly dataDir: string;
  readonly clock: Clock;
  find(id: string): ServableVersion | undefined;
}

export class VersionModels implements Models {
  readonly #parts: VersionModelsParts;
  readonly #loading = new Map<string, Promise<void>>();
  readonly #failed = new Map<string, { readonly failure: Failure; readonly atMs: number }>();

  constructor(parts: VersionModelsParts) {
    this.#parts = parts;
  }

  /** @throws Failure `invalid_model`: the weights are missing, changed, or no model; `unknown_name` */
  load(id: string): Promise<void> {
    const known = this.#loading.get(id);
    if (known !== undefined) return known;
    const { clock } = this.#parts;
    const failed = this.#failed.get(id);
    if (failed !== undefined && clock.monotonicMs() - failed.atMs < RETRY_AFTER_MS)
      return Promise.reject(failed.failure);
    const made = this.#loadNow(id);
    this.#loading.set(id, made);
    made.catch((error: unknown) => {
      this.#loading.delete(id);
      if (error instanceof Failure) this.#failed.set(id, { failure: error, atMs: clock.monotonicMs() });
    });
    return made;
  }

  async #loadNow(id: string): Promise<void> {
    const { onnx, dataDir, find } = this.#parts;
    const version = find(id);
    if (version === undefined) throw new Failure('unknown_name', `The version ${id} is not registered.`);
    const { weightsUri, weightsSha256, inputs } = version;
    if (weightsUri === '' || inputs.length === 0) throw unservable(id, 'it was registered without weights and inputs');
    const { sha256 } = await onnx.load(id, artifactPath(dataDir, weightsUri), inputs.length);
    if (sha256 === weightsSha256 || weightsSha256 === '') return;
    await onnx.unload(id);
    // its receipts would name weights that did not make the predictions
    throw unservable(id, `${weightsUri} is not what was registered: SHA-256 ${sha256}, not ${weightsSha256}`);
  }

  async run(id: string, rows: Float32Array, count: number): Promise<Float64Array> {
    await this.load(id);
    return this.#parts.onnx.run(id, rows, count);
  }
}

function unservable(id: string, why: string): Failure {
  return new Failure('invalid_model', `The version ${id} cannot score: ${why}.`, {
    field: 'weights_uri',
    fix: 'Roll back to one that does (`millrace rollback`), or put its file back; requests in the dead letters can then be put back.',
  });
}
