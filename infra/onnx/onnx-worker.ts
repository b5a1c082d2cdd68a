// The thread that runs models: `session.run` blocks its thread (FACTS.md), so it has one of its own.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { type LoadedModel, type WorkerAnswer, type WorkerRequest } from './onnx-messages.ts';

interface Session {
  readonly session: InferenceSession;
  readonly model: LoadedModel;
}

/** 32 to 128 rows a call is quickest (FACTS.md). */
const ROWS_PER_CALL = 128;
const { device } = workerData as { device: 'cpu' | 'cuda' };
const sessions = new Map<string, Session>();

async function load(name: string, path: string): Promise<LoadedModel> {
  const bytes = readFileSync(path);
  const session = await InferenceSession.create(bytes, {
    executionProviders: device === 'cuda' ? ['cuda', 'cpu'] : ['cpu'],
    // one thread: results then do not depend on the batch (FACTS.md)
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
    logSeverityLevel: 3,
  });
  const inputName = session.inputNames[0] ?? '';
  // labels are int64 and of no use here; the probabilities are the floats
  const output =
    session.outputMetadata.find((metadata) => metadata.isTensor && metadata.type === 'float32') ??
    session.outputMetadata[0];
  if (session.inputNames.length !== 1 || output === undefined)
    throw new Error(`the model has ${session.inputNames.length} inputs; one float tensor [rows, inputs] is expected`);
  const shape = session.inputMetadata[0]?.isTensor === true ? session.inputMetadata[0].shape : [];
  const width = shape[1];
  const model: LoadedModel = {
    sha256: createHash('sha256').update(bytes).digest('hex'),
    inputName,
    inputWidth: typeof width === 'number' ? width : -1,
    outputName: output.name,
  };
  sessions.set(name, { session, model });
  return model;
}

async function run(name: string, rows: number, data: Float32Array): Promise<Float64Array> {
  const loaded = sessions.get(name);
  if (loaded === undefined) throw new Error(`the model ${name} is not loaded`);
  const { session, model } = loaded;
  const width = data.length / rows;
  const scores = new Float64Array(rows);
  for (let from = 0; from < rows; from += ROWS_PER_CALL) {
    const count = Math.min(ROWS_PER_CALL, rows - from);
    const tensor = new Tensor('float32', data.subarray(from * width, (from + count) * width), [count, width]);
    const answer = (await session.run({ [model.inputName]: tensor }, [model.outputName]))[model.outputName];
    const values = answer?.data;
    if (!(values instanceof Float32Array)) throw new Error(`the output ${model.outputName} is no float tensor`);
    // [n, 2]: the second column is the positive class; [n, 1] or [n]: the probability itself
    const columns = values.length / count;
    for (let row = 0; row < count; row += 1) scores[from + row] = values[row * columns + columns - 1] ?? Number.NaN;
  }
  return scores;
}

async function answer({ id, call }: WorkerRequest): Promise<WorkerAnswer> {
  try {
    if (call.kind === 'load') return { id, loaded: await load(call.model, call.path) };
    if (call.kind === 'run') return { id, scores: await run(call.model, call.rows, call.data) };
    await sessions.get(call.model)?.session.release();
    sessions.delete(call.model);
    return { id };
  } catch (error) {
    return { id, error: error instanceof Error ? error.message : String(error) };
  }
}

// one call after the other: the thread has one core's worth of work to give
let turn: Promise<void> = Promise.resolve();
parentPort?.on('message', (request: WorkerRequest) => {
  turn = turn.then(async () => {
    const reply = await answer(request);
    parentPort?.postMessage(reply, reply.scores === undefined ? [] : [reply.scores.buffer as ArrayBuffer]);
  });
});
