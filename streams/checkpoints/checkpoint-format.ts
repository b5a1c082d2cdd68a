// A checkpoint as bytes: the rows of one store at one position of its changelog.
//
//   file    magic  header  block*  end
//   magic   "MRCKPT" and the format's version as two digits
//   header  frame H: JSON
//   block   frame B: zstd of rows, each as length and bytes of its key, then of its value
//   end     frame E: number of rows, 8 bytes
//   frame   kind (1)  payload length (4)  CRC-32 of the payload (4)  CRC-32 of these nine bytes, from that of the frame before (4)
//           payload
//
// The second CRC makes a chain: a frame that is damaged, missing, doubled or out of place is noticed before its payload is read, and
// a file without its end is torn. Numbers are unsigned, highest byte first.
//
// Law: what is decoded from an encoded checkpoint is its header and its rows, in their order; anything else is a Failure.
import { promisify } from 'node:util';
import { constants, crc32, zstdCompress, zstdDecompress } from 'node:zlib';
import { Failure } from '../../schemas/failure.ts';
import { Packer, Unpacker } from '../packing.ts';

export interface CheckpointHeader {
  /** name of the store, its partition included */
  readonly store: string;
  readonly topic: string;
  readonly partition: number;
  /** the first offset of the changelog that is not in the checkpoint */
  readonly offset: number;
  /** wall clock, epoch ms */
  readonly takenAtMs: number;
  /** as of when it has everything, as of the store's position; absent: an older version has written it, and nobody knows */
  readonly asOfMs?: number;
}

export interface Row {
  readonly key: Buffer;
  readonly value: Buffer;
}

const MAGIC = Buffer.from('MRCKPT01');
const FRAME_BYTES = 13;
const KIND = { header: 0x48, block: 0x42, end: 0x45 } as const;
/** Rows are gathered up to here, so that a reader needs memory for a block or two, and zstd sees enough to find what repeats. */
const BLOCK_BYTES = 1_048_576;
/** The fastest of the usual ones: state is read back rarely, and written while records wait. */
const ZSTD = { params: { [constants.ZSTD_c_compressionLevel]: 1 } };

const compress = promisify(zstdCompress);
const decompress = promisify(zstdDecompress);

export async function* encodeCheckpoint(header: CheckpointHeader, rows: AsyncIterable<Row>): AsyncIterable<Buffer> {
  const frames = new FrameWriter();
  yield Buffer.concat([MAGIC, frames.frame(KIND.header, Buffer.from(JSON.stringify(header)))]);
  let count = 0;
  // one block is compressed, on another thread, while the next one is gathered
  let compressing: Promise<Buffer> | null = null;
  let packer = new Packer();
  const next = async function* (): AsyncIterable<Buffer> {
    const before = compressing;
    compressing = packer.length === 0 ? null : compress(packer.done(), ZSTD);
    // it is awaited a block later: until then its failure must not count as unhandled
    compressing?.catch(() => undefined);
    packer = new Packer();
    if (before !== null) yield frames.frame(KIND.block, await before);
  };
  for await (const { key, value } of rows) {
    packer.bytes(key).bytes(value);
    count += 1;
    if (packer.length >= BLOCK_BYTES) yield* next();
  }
  yield* next();
  yield* next();
  const end = Buffer.alloc(8);
  end.writeBigUInt64BE(BigInt(count));
  yield frames.frame(KIND.end, end);
}

class FrameWriter {
  #chain = 0;

  frame(kind: number, payload: Buffer): Buffer {
    const head = Buffer.alloc(FRAME_BYTES);
    head.writeUInt8(kind, 0);
    head.writeUInt32BE(payload.length, 1);
    head.writeUInt32BE(crc32(payload), 5);
    this.#chain = crc32(head.subarray(0, 9), this.#chain);
    head.writeUInt32BE(this.#chain, 9);
    return Buffer.concat([head, payload]);
  }
}

export interface OpenedCheckpoint {
  readonly header: CheckpointHeader;
  /** Block by block. @throws Failure `undecodable_record` where the file is torn or damaged, or goes on after its end */
  readonly blocks: AsyncIterable<readonly Row[]>;
  /** Gives the file up; needed unless the blocks were read to their end. */
  close(): Promise<void>;
}

/**
 * @param name for messages
 * @throws Failure `undecodable_record` where this is no checkpoint, or its beginning is damaged
 */
export async function openCheckpoint(name: string, chunks: AsyncIterable<Buffer>): Promise<OpenedCheckpoint> {
  const frames = new FrameReader(name, chunks);
  try {
    await frames.magic();
    const { kind, payload } = await frames.next();
    if (kind !== KIND.header) throw frames.damaged('has no header');
    const header = JSON.parse(payload.toString()) as CheckpointHeader;
    return { header, blocks: readBlocks(name, frames), close: () => frames.close() };
  } catch (failure) {
    await frames.close();
    throw failure;
  }
}

async function* readBlocks(name: string, frames: FrameReader): AsyncIterable<readonly Row[]> {
  let count = 0;
  try {
    for (;;) {
      const { kind, payload } = await frames.next();
      if (kind === KIND.end) {
        if (payload.readBigUInt64BE() !== BigInt(count))
          throw frames.damaged(`holds ${count} rows, not those it counts`);
        await frames.end();
        return;
      }
      if (kind !== KIND.block) throw frames.damaged(`has a frame of the unknown kind ${kind}`);
      const rows = readRows(name, await decompress(payload));
      count += rows.length;
      yield rows;
    }
  } finally {
    await frames.close();
  }
}

function readRows(name: string, block: Buffer): Row[] {
  const packed = new Unpacker(block, `block of ${name}`);
  const rows: Row[] = [];
  while (packed.left > 0) rows.push({ key: packed.bytes(), value: packed.bytes() });
  return rows;
}

class FrameReader {
  readonly #name: string;
  readonly #chunks: AsyncIterator<Buffer>;
  #held: Buffer[] = [];
  #heldBytes = 0;
  #chain = 0;

  constructor(name: string, chunks: AsyncIterable<Buffer>) {
    this.#name = name;
    this.#chunks = chunks[Symbol.asyncIterator]();
  }

  async magic(): Promise<void> {
    const found = await this.#take(MAGIC.length);
    if (found.equals(MAGIC)) return;
    const isNewer = found.subarray(0, 6).equals(MAGIC.subarray(0, 6));
    throw this.damaged(isNewer ? `has the format ${found.toString()}, which is not known here` : 'is no checkpoint');
  }

  async next(): Promise<{ readonly kind: number; readonly payload: Buffer }> {
    const head = await this.#take(FRAME_BYTES);
    this.#chain = crc32(head.subarray(0, 9), this.#chain);
    if (this.#chain !== head.readUInt32BE(9)) throw this.damaged('is damaged: a checksum between its blocks is wrong');
    const payload = await this.#take(head.readUInt32BE(1));
    if (crc32(payload) !== head.readUInt32BE(5)) throw this.damaged("is damaged: a block's checksum is wrong");
    return { kind: head.readUInt8(0), payload };
  }

  async end(): Promise<void> {
    if (this.#heldBytes > 0 || (await this.#more())) throw this.damaged('goes on after its end');
  }

  damaged(problem: string): Failure {
    return new Failure('undecodable_record', `The checkpoint ${this.#name} ${problem}.`, {
      fix: 'Delete it; the store is restored from an older one, or from its changelog alone.',
    });
  }

  async #take(length: number): Promise<Buffer> {
    while (this.#heldBytes < length) if (!(await this.#more())) throw this.damaged('is torn: it ends before its end');
    const all = this.#held.length === 1 ? this.#held[0] : Buffer.concat(this.#held);
    const whole = all ?? Buffer.alloc(0);
    this.#held = [whole.subarray(length)];
    this.#heldBytes = whole.length - length;
    return whole.subarray(0, length);
  }

  async #more(): Promise<boolean> {
    const next: IteratorResult<Buffer, unknown> = await this.#chunks.next();
    if (next.done === true) return false;
    this.#held.push(next.value);
    this.#heldBytes += next.value.length;
    return true;
  }

  async close(): Promise<void> {
    await this.#chunks.return?.();
  }
}
