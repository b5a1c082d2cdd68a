// Copies of one program in threads of this process: started together, stopped together; when one ends badly, all end.
import { Worker } from 'node:worker_threads';
import { FAILURE_CODES, Failure } from '../schemas/failure.ts';

export interface Threads {
  /** resolves when every copy has said that it runs */
  readonly running: Promise<void>;
  /** resolves when all have ended; rejects when one ended badly */
  readonly ended: Promise<void>;
  stop(): void;
}

export interface ThreadLimits {
  /**
   * Of each copy's young generation; V8 lets it grow to 64 MB and more where much is allocated, whether that pays or not. Little
   * suits who makes few objects that live on.
   */
  readonly youngGenerationMbMax?: number;
}

/** @param program a module that posts a message when it runs, and ends at the first message that it gets */
export function startThreads(
  program: URL,
  copies: readonly unknown[],
  { youngGenerationMbMax }: ThreadLimits = {},
): Threads {
  const resourceLimits = youngGenerationMbMax === undefined ? {} : { maxYoungGenerationSizeMb: youngGenerationMbMax };
  const workers = copies.map((workerData) => new Worker(program, { workerData, resourceLimits }));
  const ended = Promise.all(workers.map(endOf)).then(() => undefined);
  const started = Promise.all(workers.map((worker) => new Promise((resolve) => worker.once('message', resolve))));
  return {
    ended,
    running: Promise.race([started, ended]).then(() => undefined),
    stop: () => {
      for (const worker of workers) worker.postMessage('stop');
    },
  };
}

function endOf(worker: Worker): Promise<void> {
  return new Promise((resolve, reject) => {
    worker.once('error', (error) => reject(asInThread(error)));
    worker.once('exit', (code) =>
      code === 0 ? resolve() : reject(new Failure('internal', `A thread ended with ${code}.`)),
    );
  });
}

/** An error comes out of a thread as a plain one, with what a failure had beside its words as properties. */
function asInThread(error: unknown): unknown {
  if (!(error instanceof Error) || error.name !== 'Failure' || error instanceof Failure) return error;
  const { code: told, field, fix } = error as Partial<Record<'code' | 'field' | 'fix', unknown>>;
  const code = FAILURE_CODES.find((known) => known === told);
  if (code === undefined) return error;
  return new Failure(code, error.message, {
    ...(typeof field === 'string' ? { field } : {}),
    ...(typeof fix === 'string' ? { fix } : {}),
    cause: error,
  });
}
