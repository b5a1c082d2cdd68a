// CheckpointStorage in memory, for tests and simulation. Passes the same suite as the folder and S3.
import { Failure } from '../../schemas/failure.ts';
import { type CheckpointStorage } from './checkpoint-storage.ts';

export function memoryStorage(): CheckpointStorage {
  const objects = new Map<string, Buffer>();
  return {
    async put(name, chunks, signal) {
      const whole = await inMemory(chunks, signal);
      objects.set(name, whole);
      return whole.length;
    },
    async *get(name) {
      const whole = objects.get(name);
      if (whole === undefined) throw new Failure('unknown_name', `There is no object ${name}.`);
      // in pieces, as the others give it
      for (let at = 0; at < whole.length; at += CHUNK_BYTES) yield whole.subarray(at, at + CHUNK_BYTES);
    },
    async list(prefix) {
      const found = [...objects].filter(([name]) => name.startsWith(prefix));
      return found.map(([name, { length: bytes }]) => ({ name, bytes })).sort((a, b) => (a.name < b.name ? -1 : 1));
    },
    async delete(name) {
      objects.delete(name);
    },
  };
}

const CHUNK_BYTES = 1000;

/** All chunks as one. @throws the signal's reason */
export async function inMemory(chunks: AsyncIterable<Buffer>, signal?: AbortSignal): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const chunk of chunks) {
    signal?.throwIfAborted();
    parts.push(chunk);
  }
  return Buffer.concat(parts);
}
