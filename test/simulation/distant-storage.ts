// Where checkpoints go, as one process reaches it: what it asks for takes a moment, fails now and then, and what was written may rot.
import { Failure } from '../../schemas/failure.ts';
import { type CheckpointStorage } from '../../streams/checkpoints/checkpoint-storage.ts';
import { inMemory } from '../../streams/checkpoints/memory-storage.ts';
import { type Random } from './random.ts';
import { type SimulatedProcess } from './simulated-process.ts';

const FAILS = 0.03;
const ROTS = 0.03;

/** A dead process reaches it no more, and a stopped one goes on later. */
export function distantStorage(kept: CheckpointStorage, process: SimulatedProcess, random: Random): CheckpointStorage {
  const reach = <T>(work: () => Promise<T>): Promise<T> =>
    process.locally(() => {
      if (random.chance(FAILS)) throw new Failure('unreachable', 'The storage of the checkpoints does not answer.');
      return work();
    });
  return {
    async put(name, chunks, signal) {
      const whole = await inMemory(chunks, signal);
      const rotten = random.chance(ROTS) ? random.int(0, whole.length - 1) : -1;
      if (rotten >= 0) whole[rotten] = (whole[rotten] ?? 0) ^ 1;
      return reach(() => kept.put(name, inOne(whole), signal));
    },
    async *get(name) {
      const parts = await reach(async () => {
        const read: Buffer[] = [];
        for await (const part of kept.get(name)) read.push(part);
        return read;
      });
      for (const part of parts) yield await process.locally(() => part);
    },
    list: (prefix) => reach(() => kept.list(prefix)),
    delete: (name) => reach(() => kept.delete(name)),
  };
}

async function* inOne(whole: Buffer): AsyncIterable<Buffer> {
  yield whole;
}
