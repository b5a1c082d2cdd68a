// Checkpoints are packed on other threads, in real time, which no simulated clock knows of: here it is done at once, so that a seed
// gives the same run. To be imported before anything that imports the engine.
import { syncBuiltinESMExports } from 'node:module';
import zlib from 'node:zlib';

type Done = (error: Error | null, result: Buffer) => void;

function atOnce(work: (data: Buffer, options?: zlib.ZstdOptions) => Buffer) {
  return (data: Buffer, ...rest: readonly [Done] | readonly [zlib.ZstdOptions, Done]): void => {
    const [options, done] = rest.length === 1 ? [undefined, rest[0]] : rest;
    let result: Buffer;
    try {
      result = work(data, options);
    } catch (error) {
      done(error as Error, Buffer.alloc(0));
      return;
    }
    done(null, result);
  };
}

Object.assign(zlib, {
  zstdCompress: atOnce(zlib.zstdCompressSync),
  zstdDecompress: atOnce(zlib.zstdDecompressSync),
});
syncBuiltinESMExports();
