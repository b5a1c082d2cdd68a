// Models behind the Models port: ONNX Runtime in a worker thread.
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { Worker } from 'node:worker_threads';
import { Failure } from '../../schemas/failure.ts';
import { type Models } from '../../serving/scoring/models.ts';
import { type LoadedModel, type WorkerAnswer, type WorkerRequest } from './onnx-messages.ts';

type Waiting = { resolve(answer: WorkerAnswer): void; reject(error: unknown): void };

export class OnnxModels implements Models {
  readonly #worker: Worker;
  readonly #waiting = new Map<number, Waiting>();
  #nextId = 0;
  /** why nothing can be run any more */
  #ended: unknown = null;

  constructor(device: 'cpu' | 'cuda') {
    this.#worker = new Worker(new URL('onnx-worker.ts', import.meta.url), { workerData: { device } });
    this.#worker.on('message', (answer: WorkerAnswer) => {
      this.#waiting.get(answer.id)?.resolve(answer);
      this.#waiting.delete(answer.id);
    });
    this.#worker.on('error', (error) => this.#end(error));
    this.#worker.on('exit', () => this.#end(new Error('the thread that runs models has ended')));
    this.#worker.unref();
  }

  #end(error: unknown): void {
    this.#ended ??= error;
    for (const waiting of this.#waiting.values()) waiting.reject(this.#ended);
    this.#waiting.clear();
  }

  #call(call: WorkerRequest['call'], transfer: readonly ArrayBuffer[] = []): Promise<WorkerAnswer> {
    if (this.#ended !== null) return Promise.reject(this.#ended);
    this.#nextId += 1;
    const id = this.#nextId;
    const request: WorkerRequest = { id, call };
    this.#worker.ref();
    return new Promise<WorkerAnswer>((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#worker.postMessage(request, [...transfer]);
    }).finally(() => {
      if (this.#waiting.size === 0) this.#worker.unref();
    });
  }

  /**
   * @param width numbers per row; null: as many as the model says
   * @throws Failure `invalid_model` when the file is no model that can be run
   */
  async load(model: string, path: string, width: number | null): Promise<LoadedModel> {
    const { error, loaded } = await this.#call({ kind: 'load', model, path });
    if (loaded === undefined) {
      throw new Failure('invalid_model', `${path} is no ONNX model that can be run: ${error}.`, {
        fix: 'Convert the model to ONNX with one float32 input [rows, inputs], and register it again.',
      });
    }
    try {
      const { inputWidth } = loaded;
      if (width !== null && inputWidth !== -1 && inputWidth !== width)
        throw new Failure(
          'invalid_model',
          `The model ${model} takes ${inputWidth} inputs, its version declares ${width}.`,
          {
            field: 'inputs',
            fix: 'Register it with the inputs that it was trained on, in their order.',
          },
        );
      // the first call is slow: nobody should wait for it
      const columns = width ?? inputWidth;
      if (columns > 0) await this.run(model, new Float32Array(columns), 1);
      return loaded;
    } catch (failure) {
      if (failure instanceof Failure) await this.unload(model);
      throw failure;
    }
  }

  async run(model: string, rows: Float32Array, count: number): Promise<Float64Array> {
    const { error, scores } = await this.#call({ kind: 'run', model, rows: count, data: rows }, [
      rows.buffer as ArrayBuffer,
    ]);
    if (scores === undefined)
      throw new Failure('invalid_model', `The model ${model} failed: ${error}.`, {
        fix: 'Roll back to a version that runs (`millrace rollback`), and convert the model anew.',
      });
    return scores;
  }

  async unload(model: string): Promise<void> {
    await this.#call({ kind: 'unload', model });
  }

  async close(): Promise<void> {
    await this.#worker.terminate();
  }
}

/** SHA-256 of a file, hex. */
export async function fileSha256(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  return hash.digest('hex');
}
